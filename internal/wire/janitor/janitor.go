// Package janitor is wiring: the janitor with both modes, because records
// outlive a change of the mode. It needs rights at Cognito's API, and in
// brokered mode the keys of the refresh tokens that it revokes.
package janitor

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/dcr-broker/dcr-broker/internal/adapter/cognito"
	"github.com/dcr-broker/dcr-broker/internal/adapter/cognitoauth"
	"github.com/dcr-broker/dcr-broker/internal/adapter/lambdahttp"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/pool"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/brokered"
	"github.com/dcr-broker/dcr-broker/pkg/broker/direct"
	"github.com/dcr-broker/dcr-broker/pkg/broker/grants"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker/provision"
)

// Janitor is the janitor with the parts that an operator's use cases share with
// it.
type Janitor struct {
	*janitor.Janitor
	AppClients *cognito.AppClients
	// Maintainer changes the app clients of brokered mode.
	Maintainer *provision.Maintainer
	// Grants ends grants; in direct mode it is broker.NoGrants.
	Grants broker.GrantEnder
}

// Handler returns the handler of the schedule's events. It ignores their
// content.
func Handler(p *wire.Parts) (any, error) {
	j, err := New(p)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (janitor.Report, error) {
		ctx, end := lambdahttp.BeginInvocation(ctx, p.Log, "swept")
		done, err := j.Sweep(wire.Pin(ctx), janitor.Options{})
		end(err, slog.Any("done", done))
		return done, err
	}, nil
}

// New returns the janitor. The configuration of p needs at least the part that
// environment.AppClients reads.
func New(p *wire.Parts) (*Janitor, error) {
	c, j := p.Environment, &Janitor{Grants: broker.NoGrants{}}
	var err error
	if j.AppClients, err = pool.AppClients(p); err != nil {
		return nil, err
	}
	if j.Maintainer, err = provision.NewMaintainer(provision.MaintainerConfig{Store: p.Store, Pool: j.AppClients, Operator: p.Operator, Now: p.Now, Log: p.Log}); err != nil {
		return nil, err
	}
	if c.Mode == broker.ModeBrokered {
		if j.Grants, err = newEnder(p); err != nil {
			return nil, err
		}
	}
	trail := broker.AuditTrail{Log: p.Log, Operator: p.Operator}
	j.Janitor, err = janitor.New(janitor.Config{
		Store:      p.Store,
		Pool:       j.AppClients,
		Grower:     j.Maintainer,
		Grants:     j.Grants,
		Deployment: c.DeploymentID,
		Branding:   c.Mode == broker.ModeBrokered && c.LoginVersion == 2,
		Operator:   p.Operator,
		Policy:     p.Policy,
		Now:        p.Now,
		Log:        p.Log,
		Modes: broker.ByMode[janitor.Reconciler]{
			Direct:   direct.NewReconciler(p.Store, j.AppClients, p.Now, trail),
			Brokered: brokered.NewReconciler(p.Store, j.Maintainer, p.Now, trail),
		},
	})
	return j, err
}

// newEnder returns the ender of grants.
func newEnder(p *wire.Parts) (*grants.Ender, error) {
	e, err := grants.New(grants.Config{
		Store:      p.Store,
		AppClients: grants.NewAppClients(p.Store, p.Now),
		Cognito:    cognitoauth.New(cognitoauth.Config{RevocationEndpoint: p.Environment.CognitoBackChannel + "/oauth2/revoke", HTTP: p.HTTP}),
		Keys:       p.Keys,
		Now:        p.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("wire janitor: %w", err)
	}
	return e, nil
}
