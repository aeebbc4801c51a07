// Package metadata is wiring: the well-known documents of a broker from its
// configuration. It links no AWS SDK, so it does not use package wire.
package metadata

import (
	"log/slog"

	"github.com/dcr-broker/dcr-broker/internal/adapter/wellknown"
	"github.com/dcr-broker/dcr-broker/internal/endpoint/metadata"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/clock"
	"github.com/dcr-broker/dcr-broker/pkg/discovery"
)

// Routes adds the well-known documents of the broker that c describes to rt.
func Routes(rt *httpapi.Router, c *environment.Config, log *slog.Logger) error {
	fallback, err := discovery.CognitoUpstream(c.CognitoIssuer, c.CognitoDomain)
	if err != nil {
		return err
	}
	upstream, err := wellknown.New(wellknown.Config{URL: c.CognitoDiscovery, Issuer: c.CognitoIssuer, Now: clock.Now, Log: log})
	if err != nil {
		return err
	}
	e, err := metadata.New(metadata.Config{Server: server(c), Resources: resources(c), Upstream: upstream, Fallback: fallback})
	if err != nil {
		return err
	}
	e.Mount(rt)
	return nil
}

func server(c *environment.Config) discovery.Server {
	s := discovery.Server{
		Issuer:               c.Issuer,
		TokenEndpoint:        c.Issuer + "/token",
		RegistrationEndpoint: c.Issuer + "/register",
		RevocationEndpoint:   c.Issuer + "/revoke",
		Scopes:               c.ScopesSupported,
		GrantTypes:           c.GrantTypesSupported,
		AuthMethods:          []string{"none", "client_secret_basic", "client_secret_post"},
	}
	if c.Mode == broker.ModeBrokered {
		s.AuthorizationEndpoint = c.Issuer + "/authorize"
		s.IntrospectionEndpoint = c.Issuer + "/introspect"
		s.IssInResponse = true
	}
	return s
}

func resources(c *environment.Config) []discovery.ProtectedResource {
	rs := make([]discovery.ProtectedResource, len(c.ProtectedResources))
	for i, r := range c.ProtectedResources {
		rs[i] = discovery.ProtectedResource{Resource: r.URL, Scopes: r.Scopes, Name: r.Name}
	}
	return rs
}
