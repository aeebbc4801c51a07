package metadata

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/discovery"
)

const (
	cacheLong = "public, max-age=3600"
	// cacheBriefly is for documents made from the fallback, which clients must
	// not use for long after Cognito's document can be read.
	cacheBriefly = "public, max-age=60"
)

// Upstream reads Cognito's discovery document.
type Upstream interface {
	// Current returns the document as it was last read, or nil if it could not
	// be read yet. A document never changes: as long as Current returns the same
	// pointer, responses made from it are up to date.
	Current(context.Context) *discovery.Upstream
}

// Config configures an Endpoint.
type Config struct {
	// Server is the broker.
	Server discovery.Server
	// Resources are the MCP servers that name the broker as their authorization
	// server.
	Resources []discovery.ProtectedResource
	Upstream  Upstream
	// Fallback is used until Upstream returns a document.
	Fallback discovery.Upstream
}

// Endpoint serves the well-known documents. Its handlers serve GET and HEAD, are
// safe for concurrent use, and write errors with httpapi.WriteError.
type Endpoint struct {
	server    discovery.Server
	upstream  Upstream
	fallback  *merged
	latest    atomic.Pointer[merged] // made from Cognito's document; nil at first
	resources map[string]*response   // by path
}

// merged has the documents that were made from one document of Cognito.
type merged struct {
	from     *discovery.Upstream
	server   *response // RFC 8414
	provider *response // OpenID Connect
}

// New returns the endpoint. The error joins all faults of documents that cannot
// be published. Two resources with the same path are a fault even if their hosts
// differ: requests for their metadata arrive at the broker's host, so the host
// does not tell them apart.
func New(c Config) (*Endpoint, error) {
	c.Server.Scopes = slices.Clone(c.Server.Scopes)
	c.Server.GrantTypes = slices.Clone(c.Server.GrantTypes)
	c.Server.AuthMethods = slices.Clone(c.Server.AuthMethods)
	e := &Endpoint{server: c.Server, upstream: c.Upstream, resources: make(map[string]*response)}
	var err error
	e.fallback, err = e.merge(&c.Fallback, cacheBriefly)
	errs := []error{err}
	for i, p := range c.Resources {
		if err := e.addResource(p); err != nil {
			errs = append(errs, fmt.Errorf("metadata: resources[%d]: %w", i, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	// A client that does not know the address of the metadata requests it at the
	// root last (MCP authorization, "Protected Resource Metadata Discovery").
	// With one server the root can answer.
	if len(c.Resources) == 1 {
		for _, doc := range e.resources {
			e.resources[""] = doc
		}
	}
	return e, nil
}

func (e *Endpoint) addResource(p discovery.ProtectedResource) error {
	body, err := discovery.ProtectedResourceMetadata(e.server.Issuer, p)
	if err != nil {
		return err
	}
	path, err := p.Path()
	if err != nil {
		return err
	}
	if e.resources[path] != nil {
		return fmt.Errorf("%s: another resource has the path %q", p.Resource, path)
	}
	e.resources[path] = newResponse(body, cacheLong)
	return nil
}

// Mount adds the documents to rt.
func (e *Endpoint) Mount(rt *httpapi.Router) {
	rt.Handle(http.MethodGet, discovery.AuthorizationServerPath, e.AuthorizationServer())
	rt.Handle(http.MethodGet, discovery.OpenIDConfigurationPath, e.OpenIDConfiguration())
	rt.Handle(http.MethodGet, discovery.ProtectedResourcePath, e.ProtectedResource())
	rt.Handle(http.MethodGet, discovery.ProtectedResourcePath+"/{path...}", e.ProtectedResource())
}

// AuthorizationServer serves the RFC 8414 document.
func (e *Endpoint) AuthorizationServer() http.Handler {
	return e.serveMerged(func(m *merged) *response { return m.server })
}

// OpenIDConfiguration serves the OpenID provider configuration.
func (e *Endpoint) OpenIDConfiguration() http.Handler {
	return e.serveMerged(func(m *merged) *response { return m.provider })
}

// ProtectedResource serves the RFC 9728 document of the resource whose path
// follows discovery.ProtectedResourcePath, with or without a trailing slash. The
// host is not compared, because the resource may have another host than the
// broker.
func (e *Endpoint) ProtectedResource() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, discovery.ProtectedResourcePath)
		doc := e.resources[strings.TrimSuffix(path, "/")]
		if doc == nil {
			httpapi.WriteError(w, r, &httpapi.Error{
				Status:      http.StatusNotFound,
				Code:        "invalid_request",
				Description: "no protected resource with this path is configured",
			})
			return
		}
		doc.serve(w, r)
	})
}

func (e *Endpoint) serveMerged(pick func(*merged) *response) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, err := e.current(r.Context())
		if err != nil {
			httpapi.WriteError(w, r, err)
			return
		}
		pick(m).serve(w, r)
	})
}

// current returns the documents made from Cognito's current one.
func (e *Endpoint) current(ctx context.Context) (*merged, error) {
	up := e.upstream.Current(ctx)
	if up == nil {
		return e.fallback, nil
	}
	if m := e.latest.Load(); m != nil && m.from == up {
		return m, nil
	}
	m, err := e.merge(up, cacheLong)
	if err == nil {
		e.latest.Store(m)
	}
	return m, err
}

func (e *Endpoint) merge(up *discovery.Upstream, cacheControl string) (*merged, error) {
	server, err := discovery.AuthorizationServer(e.server, *up)
	if err != nil {
		return nil, err
	}
	provider, err := discovery.OpenIDConfiguration(e.server, *up)
	if err != nil {
		return nil, err
	}
	return &merged{from: up, server: newResponse(server, cacheControl), provider: newResponse(provider, cacheControl)}, nil
}
