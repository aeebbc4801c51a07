// Package token is wiring: the token, revocation and introspection endpoints with
// the use case of the mode and its adapters.
package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/adapter/cognitoauth"
	"github.com/dcr-broker/dcr-broker/internal/adapter/jwt"
	endpoint "github.com/dcr-broker/dcr-broker/internal/endpoint/token"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/grants"
	"github.com/dcr-broker/dcr-broker/pkg/broker/relay"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
)

// Routes adds the endpoints of the configured mode to rt.
func Routes(rt *httpapi.Router, p *wire.Parts) error {
	route := routesBrokered
	if p.Environment.Mode == broker.ModeDirect {
		route = routesDirect
	}
	if err := route(rt, p); err != nil {
		return fmt.Errorf("wire token: %w", err)
	}
	return nil
}

func routesDirect(rt *httpapi.Router, p *wire.Parts) error {
	issuer, err := relay.New(relay.Config{
		Clients:         clients.New(broker.ModeDirect, p.Store, p.Now),
		Cognito:         newCognito(p),
		Log:             p.Log,
		ForwardResource: func(ctx context.Context) (bool, error) { return forwardResource(ctx, p) },
	})
	if err != nil {
		return err
	}
	endpoint.Routes(rt, issuer)
	return nil
}

// forwardResource reports whether Cognito gets the parameter resource.
func forwardResource(ctx context.Context, p *wire.Parts) (bool, error) {
	conf, err := p.InForce(ctx)
	if err != nil {
		return false, err
	}
	return conf.ForwardResource, nil
}

func routesBrokered(rt *httpapi.Router, p *wire.Parts) error {
	cognito, apps := newCognito(p), grants.NewAppClients(p.Store, p.Now)
	ender, err := grants.New(grants.Config{Store: p.Store, AppClients: apps, Cognito: cognito, Keys: p.Keys, Now: p.Now})
	if err != nil {
		return err
	}
	verifier, err := jwt.NewAccessTokens(jwt.AccessTokensConfig{Issuer: p.Environment.CognitoIssuer, KeySet: keySet(p.Environment), Now: p.Now, HTTP: p.HTTP})
	if err != nil {
		return err
	}
	issuer, err := token.New(token.Config{
		Store:         p.Store,
		Clients:       clients.New(broker.ModeBrokered, p.Store, p.Now),
		AppClients:    apps,
		Ender:         ender,
		Cognito:       cognito,
		Provisioner:   wire.Provisioner(p),
		AccessTokens:  AccessTokens{verifier},
		Configuration: p.Configuration,
		Keys:          p.Keys,
		Now:           p.Now,
		Log:           p.Log,
	})
	if err != nil {
		return err
	}
	endpoint.Routes(rt, issuer)
	rt.Handle(http.MethodPost, "/introspect", endpoint.Introspect(issuer))
	return nil
}

func newCognito(p *wire.Parts) *cognitoauth.Client {
	return cognitoauth.New(cognitoauth.Config{
		TokenEndpoint:      p.Environment.CognitoBackChannel + "/oauth2/token",
		RevocationEndpoint: p.Environment.CognitoBackChannel + "/oauth2/revoke",
		HTTP:               p.HTTP,
	})
}

// keySet returns the URL of the pool's keys, which is beside its discovery
// document.
func keySet(c *environment.Environment) string {
	beside, ok := strings.CutSuffix(c.CognitoDiscovery, "/openid-configuration")
	if !ok {
		beside = c.CognitoIssuer + "/.well-known"
	}
	return beside + "/jwks.json"
}

// AccessTokens is the verifier of package jwt as the port of package token. Each
// has its own Claims, with the same fields: a use case imports no adapter, and
// MCP servers link jwt (pkg/mcpauth), so it imports nothing of the broker.
type AccessTokens struct{ *jwt.AccessTokens }

// Verify implements token.AccessTokens.
func (a AccessTokens) Verify(ctx context.Context, text string) (token.Claims, error) {
	c, err := a.AccessTokens.Verify(ctx, text)
	if errors.Is(err, jwt.ErrInvalid) {
		return token.Claims{}, fmt.Errorf("%w: %w", token.ErrInvalidAccessToken, err)
	}
	return token.Claims(c), err
}
