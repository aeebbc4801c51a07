// Package authorize is wiring: the authorization endpoint of brokered mode and
// its pages.
package authorize

import (
	"os"

	"github.com/dcr-broker/dcr-broker/internal/adapter/cognitoauth"
	"github.com/dcr-broker/dcr-broker/internal/endpoint/authorize"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
)

// Routes adds the endpoint and its pages to rt.
func Routes(rt *httpapi.Router, p *wire.Parts) error {
	c := p.Config
	branded, err := newPages(c)
	if err != nil {
		return err
	}
	flow, err := authorization.New(authorization.Config{
		Issuer:      c.Issuer,
		Clients:     clients.New(broker.ModeBrokered, p.Store, p.Now),
		Store:       p.Store,
		Provisioner: wire.Provisioner(p),
		Policy:      p.Policy,
		Keys:        p.Keys,
		Cognito: cognitoauth.New(cognitoauth.Config{
			AuthorizeEndpoint:  c.CognitoDomain + "/oauth2/authorize",
			LogoutEndpoint:     c.CognitoDomain + "/logout",
			TokenEndpoint:      c.CognitoBackChannel + "/oauth2/token",
			RevocationEndpoint: c.CognitoBackChannel + "/oauth2/revoke",
			HTTP:               p.HTTP,
		}),
		Resources:       c.ProtectedResources,
		ResourceBinding: c.ResourceBinding,
		LoginVersion:    c.LoginVersion,
		RefreshLifetime: c.RefreshTokenLifetime,
		Now:             p.Now,
		Pause:           broker.Pause,
		Log:             p.Log,
	})
	if err != nil {
		return err
	}
	e, err := authorize.New(authorize.Config{Issuer: c.Issuer, Flow: flow, Pages: branded, ScopeDescriptions: c.ScopeDescriptions})
	if err != nil {
		return err
	}
	e.Mount(rt)
	return nil
}

// newPages returns the pages with the operator's brand.
func newPages(c *environment.Config) (*pages.Pages, error) {
	brand := pages.Brand{Name: c.BrandName, Accent: c.BrandAccent}
	if c.BrandLogo != "" {
		var err error
		if brand.Logo, err = os.ReadFile(c.BrandLogo); err != nil {
			return nil, err
		}
	}
	return pages.New(brand)
}
