// Package authorize is wiring: the authorization endpoint of brokered mode and
// its pages.
package authorize

import (
	"github.com/dcr-broker/dcr-broker/internal/adapter/cognitoauth"
	"github.com/dcr-broker/dcr-broker/internal/endpoint/authorize"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
)

// Routes adds the endpoint and its pages to rt.
func Routes(rt *httpapi.Router, p *wire.Parts) error {
	c := p.Environment
	look, err := newLooks(p)
	if err != nil {
		return err
	}
	flow, err := authorization.New(authorization.Config{
		Issuer:        c.Issuer,
		Clients:       clients.New(broker.ModeBrokered, p.Store, p.Now),
		Store:         p.Store,
		Provisioner:   wire.Provisioner(p),
		Configuration: p.Configuration,
		Keys:          p.Keys,
		Cognito: cognitoauth.New(cognitoauth.Config{
			AuthorizeEndpoint:  c.CognitoDomain + "/oauth2/authorize",
			LogoutEndpoint:     c.CognitoDomain + "/logout",
			TokenEndpoint:      c.CognitoBackChannel + "/oauth2/token",
			RevocationEndpoint: c.CognitoBackChannel + "/oauth2/revoke",
			UserInfoEndpoint:   c.CognitoBackChannel + "/oauth2/userInfo",
			HTTP:               p.HTTP,
		}),
		LoginVersion: c.LoginVersion,
		Now:          p.Now,
		Pause:        broker.Pause,
		Log:          p.Log,
	})
	if err != nil {
		return err
	}
	e, err := authorize.New(authorize.Config{Issuer: c.Issuer, Flow: flow, Look: look.now})
	if err != nil {
		return err
	}
	e.Mount(rt)
	return nil
}
