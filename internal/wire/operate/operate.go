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
	"github.com/dcr-broker/dcr-broker/pkg/broker/grants"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/usecase"
)

// Store holds registrations, app clients and grants.
type Store interface {
	broker.Store
	broker.GrantStore
}

// Service returns the use cases. c is what environment.AppClients has read, at least;
// jwts is nil for who registers nobody through them, and client nil for
// http.DefaultTransport.
func Service(c *environment.Config, sdk aws.Config, store Store, jwts policy.JWTVerifier, client *http.Client, log *slog.Logger) (*usecase.Service, error) {
	if c.Mode == broker.ModeDirect {
		return registrar.Operating(c, sdk, store, nil, jwts, log)
	}
	e, err := newEnder(c, sdk, store, client, log)
	if err != nil {
		return nil, err
	}
	return registrar.Operating(c, sdk, store, e, jwts, log)
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
