// Package metadata is wiring: the well-known documents of a broker from its
// environment and configuration. It links no client of an AWS service, so it does
// not use package wire.
package metadata

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/dcr-broker/dcr-broker/internal/adapter/wellknown"
	"github.com/dcr-broker/dcr-broker/internal/endpoint/metadata"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/clock"
	"github.com/dcr-broker/dcr-broker/pkg/discovery"
)

// Get returns the configuration in force.
type Get = func(context.Context) (*configuration.Configuration, error)

// Routes adds the well-known documents of the broker that c describes to rt.
func Routes(rt *httpapi.Router, c *environment.Environment, conf Get, log *slog.Logger) error {
	upstream, err := wellknown.New(wellknown.Config{URL: c.CognitoDiscovery, Issuer: c.CognitoIssuer, Now: clock.Now, Log: log})
	if err != nil {
		return err
	}
	return routes(rt, c, conf, upstream, log)
}

func routes(rt *httpapi.Router, c *environment.Environment, conf Get, upstream metadata.Upstream, log *slog.Logger) error {
	fallback, err := discovery.CognitoUpstream(c.CognitoIssuer, c.CognitoDomain)
	if err != nil {
		return err
	}
	p := &publisher{environment: c, configuration: conf}
	e, err := metadata.New(metadata.Config{Published: p.published, Upstream: upstream, Fallback: fallback, Log: log})
	if err != nil {
		return err
	}
	e.Mount(rt)
	return nil
}

// publisher has what is published under the configuration in force.
type publisher struct {
	environment   *environment.Environment
	configuration Get
	latest        atomic.Pointer[published]
}

// published has the configuration from which it was made.
type published struct {
	from *configuration.Configuration
	metadata.Published
}

func (p *publisher) published(ctx context.Context) (*metadata.Published, error) {
	conf, err := p.configuration(ctx)
	if err != nil {
		return nil, err
	}
	if latest := p.latest.Load(); latest != nil && latest.from == conf {
		return &latest.Published, nil
	}
	made := &published{conf, metadata.Published{Server: server(p.environment, conf), Resources: resources(conf)}}
	p.latest.Store(made)
	return &made.Published, nil
}

func server(c *environment.Environment, conf *configuration.Configuration) discovery.Server {
	s := discovery.Server{
		Issuer:               c.Issuer,
		TokenEndpoint:        c.Issuer + "/token",
		RegistrationEndpoint: c.Issuer + "/register",
		RevocationEndpoint:   c.Issuer + "/revoke",
		Scopes:               conf.ScopesSupported,
		GrantTypes:           conf.GrantTypesSupported,
		AuthMethods:          []string{"none", "client_secret_basic", "client_secret_post"},
	}
	if c.Mode == broker.ModeBrokered {
		s.AuthorizationEndpoint = c.Issuer + "/authorize"
		s.IntrospectionEndpoint = c.Issuer + "/introspect"
		s.IssInResponse = true
	}
	return s
}

func resources(conf *configuration.Configuration) []discovery.ProtectedResource {
	rs := make([]discovery.ProtectedResource, len(conf.Resources))
	for i, r := range conf.Resources {
		rs[i] = discovery.ProtectedResource{Resource: r.URL, Scopes: r.Scopes, Name: r.Name}
	}
	return rs
}
