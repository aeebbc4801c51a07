package metadata

import (
	"log/slog"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/discovery"
)

// Configured returns the documents of the broker that c describes.
func Configured(c *environment.Config, log *slog.Logger) (*Documents, error) {
	fallback, err := discovery.CognitoUpstream(c.CognitoIssuer, c.CognitoDomain)
	if err != nil {
		return nil, err
	}
	source, err := NewSource(SourceConfig{URL: c.CognitoDiscovery, Fallback: fallback, Log: log})
	if err != nil {
		return nil, err
	}
	resources := make([]discovery.ProtectedResource, len(c.ProtectedResources))
	for i, r := range c.ProtectedResources {
		resources[i] = discovery.ProtectedResource{Resource: r.URL, Scopes: r.Scopes, Name: r.Name}
	}
	server := discovery.Server{
		Issuer:               c.Issuer,
		TokenEndpoint:        c.Issuer + "/token",
		RegistrationEndpoint: c.Issuer + "/register",
		RevocationEndpoint:   c.Issuer + "/revoke",
		Scopes:               c.ScopesSupported,
		GrantTypes:           c.GrantTypesSupported,
		AuthMethods:          []string{"none", "client_secret_basic", "client_secret_post"},
	}
	if c.Mode == broker.ModeBrokered {
		server.AuthorizationEndpoint = c.Issuer + "/authorize"
		server.IntrospectionEndpoint = c.Issuer + "/introspect"
		server.IssInResponse = true
	}
	return NewDocuments(server, resources, source)
}
