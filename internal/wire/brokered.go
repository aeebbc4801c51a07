package wire

import (
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/dcr-broker/dcr-broker/internal/accesstoken"
	"github.com/dcr-broker/dcr-broker/internal/authorize"
	"github.com/dcr-broker/dcr-broker/internal/config"
	"github.com/dcr-broker/dcr-broker/internal/grants"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/internal/provision"
	"github.com/dcr-broker/dcr-broker/internal/upstream"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/grant"
)

// Brokered is what the functions of brokered mode have in common.
type Brokered struct {
	Config *config.Config
	SDK    aws.Config
	// Store holds registrations, app clients and grants.
	Store interface {
		broker.Store
		grant.Store
	}
	Keys *Keys
	// Provisioner makes app clients: in the cloud a private function.
	Provisioner broker.Provisioner
	Log         *slog.Logger
}

// InvokedProvisioner is the private function that c names.
func InvokedProvisioner(c *config.Config, sdk aws.Config) broker.Provisioner {
	return provision.NewFunction(lambda.NewFromConfig(sdk, func(o *lambda.Options) {
		o.Region = c.Region
		if endpoint := os.Getenv("LAMBDA_ENDPOINT"); endpoint != "" {
			o.BaseEndpoint = aws.String(endpoint)
		}
	}), c.ProvisionFunction)
}

// AuthorizeRoutes adds the authorization endpoint and its pages to rt.
func (b *Brokered) AuthorizeRoutes(rt *httpapi.Router) error {
	c := b.Config
	brand := pages.Brand{Name: c.BrandName, Accent: c.BrandAccent}
	if c.BrandLogo != "" {
		var err error
		if brand.Logo, err = os.ReadFile(c.BrandLogo); err != nil {
			return err
		}
	}
	p, err := pages.New(brand)
	if err != nil {
		return err
	}
	current, err := Policy(c, b.SDK, b.Log)
	if err != nil {
		return err
	}
	front, err := authorize.New(authorize.Config{
		Issuer:            c.Issuer,
		Clients:           broker.NewBrokeredClients(b.Store, time.Now),
		AppClients:        b.Store,
		Grants:            b.Store,
		Provisioner:       b.Provisioner,
		Policy:            current,
		Keys:              &b.Keys.ring,
		Cognito:           b.cognito(),
		Pages:             p,
		Resources:         authorizeResources(c),
		ScopeDescriptions: c.ScopeDescriptions,
		ResourceBinding:   c.ResourceBinding,
		LoginVersion:      c.LoginVersion,
		RefreshLifetime:   c.RefreshTokenLifetime,
		Now:               time.Now,
	})
	if err != nil {
		return err
	}
	front.Mount(rt)
	return nil
}

// TokenRoutes adds the token, revocation and introspection endpoints to rt.
func (b *Brokered) TokenRoutes(rt *httpapi.Router) error {
	c := b.Config
	ender, err := grants.NewEnder(grants.EnderConfig{Grants: b.Store, AppClients: b.Store, Cognito: b.cognito(), Ring: &b.Keys.ring})
	if err != nil {
		return err
	}
	tokens, err := accesstoken.New(accesstoken.Config{Issuer: c.CognitoIssuer, KeySet: c.CognitoIssuer + "/.well-known/jwks.json"})
	if err != nil {
		return err
	}
	gc := grants.Config{
		Ender:        ender,
		Clients:      broker.NewBrokeredClients(b.Store, time.Now),
		Provisioner:  b.Provisioner,
		AccessTokens: tokens,
	}
	for _, r := range c.ProtectedResources {
		gc.Resources = append(gc.Resources, grants.Resource{URL: r.Resource, Scopes: r.Scopes})
	}
	for _, i := range c.IntrospectionClients {
		secret, err := credential.ParseHash(i.SecretSHA256)
		if err != nil {
			return err
		}
		gc.Introspectors = append(gc.Introspectors, grants.Introspector{ID: i.ID, Secret: secret, Resource: i.Resource})
	}
	e, err := grants.New(gc)
	if err != nil {
		return err
	}
	rt.Handle(http.MethodPost, "/token", e.Token())
	rt.Handle(http.MethodPost, "/revoke", e.Revoke())
	rt.Handle(http.MethodPost, "/introspect", e.Introspect())
	return nil
}

func (b *Brokered) cognito() *upstream.Cognito {
	c := b.Config
	return upstream.New(upstream.Config{
		AuthorizeEndpoint:  c.CognitoDomain + "/oauth2/authorize",
		LogoutEndpoint:     c.CognitoDomain + "/logout",
		TokenEndpoint:      c.CognitoBackChannel + "/oauth2/token",
		RevocationEndpoint: c.CognitoBackChannel + "/oauth2/revoke",
	})
}

func authorizeResources(c *config.Config) []authorize.Resource {
	resources := make([]authorize.Resource, len(c.ProtectedResources))
	for i, r := range c.ProtectedResources {
		resources[i] = authorize.Resource{URL: r.Resource, Name: r.Name, Scopes: r.Scopes}
	}
	return resources
}
