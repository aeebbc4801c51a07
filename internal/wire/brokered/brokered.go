// Package brokered puts together the authorization endpoint of brokered mode with
// its pages.
package brokered

import (
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/dcr-broker/dcr-broker/internal/adapter/cognitoauth"
	"github.com/dcr-broker/dcr-broker/internal/endpoint/authorize"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/documents"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
)

// Parts are what the endpoint is made of.
type Parts struct {
	Config *environment.Config
	SDK    aws.Config
	// Store holds registrations, app clients and grants.
	Store interface {
		broker.Store
		broker.GrantStore
	}
	Keys *documents.Keys
	// Provisioner makes app clients: in the cloud a private function.
	Provisioner broker.Provisioner
	// HTTP asks Cognito's endpoints; nil is a client with http.DefaultTransport.
	HTTP *http.Client
	Log  *slog.Logger
}

// New returns the parts in the cloud: with the table as store, and the private
// function that c names to make app clients.
func New(c *environment.Config, sdk aws.Config, log *slog.Logger) (*Parts, error) {
	keys, err := documents.NewKeys(c, sdk, log)
	if err != nil {
		return nil, err
	}
	return &Parts{Config: c, SDK: sdk, Store: wire.Store(c, sdk), Keys: keys, Provisioner: wire.Provisioner(c, sdk), Log: log}, nil
}

// AuthorizeRoutes adds the authorization endpoint and its pages to rt.
func (p *Parts) AuthorizeRoutes(rt *httpapi.Router) error {
	c := p.Config
	brand := pages.Brand{Name: c.BrandName, Accent: c.BrandAccent}
	if c.BrandLogo != "" {
		var err error
		if brand.Logo, err = os.ReadFile(c.BrandLogo); err != nil {
			return err
		}
	}
	look, err := pages.New(brand)
	if err != nil {
		return err
	}
	current, err := documents.Policy(c, p.SDK, p.Log)
	if err != nil {
		return err
	}
	flow, err := authorization.New(authorization.Config{
		Issuer:          c.Issuer,
		Clients:         clients.New(broker.ModeBrokered, p.Store, time.Now),
		Store:           p.Store,
		Provisioner:     p.Provisioner,
		Policy:          current,
		Keys:            p.Keys.Ring,
		Cognito:         p.cognito(),
		Resources:       c.ProtectedResources,
		ResourceBinding: c.ResourceBinding,
		LoginVersion:    c.LoginVersion,
		RefreshLifetime: c.RefreshTokenLifetime,
		Now:             time.Now,
		Pause:           broker.Pause,
		Log:             p.Log,
	})
	if err != nil {
		return err
	}
	endpoint, err := authorize.New(authorize.Config{Issuer: c.Issuer, Flow: flow, Pages: look, ScopeDescriptions: c.ScopeDescriptions})
	if err != nil {
		return err
	}
	endpoint.Mount(rt)
	return nil
}

func (p *Parts) cognito() *cognitoauth.Client {
	c := p.Config
	return cognitoauth.New(cognitoauth.Config{
		AuthorizeEndpoint:  c.CognitoDomain + "/oauth2/authorize",
		LogoutEndpoint:     c.CognitoDomain + "/logout",
		TokenEndpoint:      c.CognitoBackChannel + "/oauth2/token",
		RevocationEndpoint: c.CognitoBackChannel + "/oauth2/revoke",
		HTTP:               p.HTTP,
	})
}
