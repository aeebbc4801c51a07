// Package operate puts together the use cases with all that the janitor and
// operators need: rights at Cognito's API, and at its revocation endpoint with
// the keys that open what is to be revoked.
package operate

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/dcr-broker/dcr-broker/internal/adapter/cognitoauth"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire/documents"
	"github.com/dcr-broker/dcr-broker/internal/wire/registrar"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/brokered"
	"github.com/dcr-broker/dcr-broker/pkg/broker/direct"
	"github.com/dcr-broker/dcr-broker/pkg/broker/grants"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker/operator"
	"github.com/dcr-broker/dcr-broker/pkg/broker/provision"
)

// Store holds registrations, app clients and grants.
type Store interface {
	broker.Store
	broker.GrantStore
}

// UseCases are those of the janitor and of operators.
type UseCases struct {
	Janitor  *janitor.Janitor
	Operator *operator.Operator
	// Maintainer changes the app clients of brokered mode.
	Maintainer *provision.Maintainer
	// Adopter is nil in brokered mode, where no app client can be adopted.
	Adopter *direct.Adopter
}

// New returns the use cases. c is what environment.AppClients has read, at least;
// client is nil for http.DefaultTransport.
func New(c *environment.Config, sdk aws.Config, store Store, client *http.Client, log *slog.Logger) (*UseCases, error) {
	current, err := documents.Policy(c, sdk, log)
	if err != nil {
		return nil, err
	}
	apps, err := registrar.AppClients(c, sdk, store)
	if err != nil {
		return nil, err
	}
	u := new(UseCases)
	if u.Maintainer, err = provision.NewMaintainer(provision.MaintainerConfig{Store: store, Pool: apps, Now: time.Now, Log: log}); err != nil {
		return nil, err
	}
	var grants broker.GrantEnder
	if c.Mode == broker.ModeDirect {
		u.Adopter, err = direct.NewAdopter(direct.AdopterConfig{
			Store: store, Pool: apps, Deployment: c.DeploymentID, Policy: current, Issuer: c.Issuer, Now: time.Now, Log: log,
		})
	} else {
		grants, err = newEnder(c, sdk, store, client, log)
	}
	if err != nil {
		return nil, err
	}
	u.Janitor, err = janitor.New(janitor.Config{
		Store: store, Pool: apps, Grower: u.Maintainer, Grants: grants, Deployment: c.DeploymentID,
		Branding: c.Mode == broker.ModeBrokered && c.LoginVersion == 2, Policy: current, Now: time.Now, Log: log,
		Modes: broker.ByMode[janitor.Reconciler]{
			Direct:   direct.NewReconciler(store, apps, time.Now, log),
			Brokered: brokered.NewReconciler(store, u.Maintainer, time.Now, log),
		},
	})
	if err != nil {
		return nil, err
	}
	oc := operator.Config{
		Store: store, Grants: grants, Deployment: c.DeploymentID, Policy: current, Now: time.Now, Log: log,
		Modes: broker.ByMode[operator.Lifecycle]{
			Direct:   direct.NewSwitch(store, time.Now, log),
			Brokered: brokered.NewSwitch(store, time.Now, log),
		},
	}
	if c.Mode == broker.ModeBrokered {
		oc.NewRegistration = brokered.NewRegistration
	}
	u.Operator, err = operator.New(oc)
	return u, err
}

// newEnder returns what ends grants.
func newEnder(c *environment.Config, sdk aws.Config, store Store, client *http.Client, log *slog.Logger) (*grants.Ender, error) {
	keys, err := documents.NewKeys(c, sdk, log)
	if err != nil {
		return nil, err
	}
	e, err := grants.New(grants.Config{
		Store:      store,
		AppClients: grants.NewAppClients(store, time.Now),
		Cognito:    cognitoauth.New(cognitoauth.Config{RevocationEndpoint: c.CognitoBackChannel + "/oauth2/revoke", HTTP: client}),
		Keys:       keys.Ring,
		Now:        time.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("operate: %w", err)
	}
	return e, nil
}
