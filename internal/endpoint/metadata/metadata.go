package metadata

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/discovery"
)

const (
	// cacheLong is short enough that clients soon see a changed configuration.
	cacheLong = "public, max-age=300"
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

// Published is what the configuration says about the documents.
type Published struct {
	// Server is the broker.
	Server discovery.Server
	// Resources are the MCP servers that name the broker as their authorization
	// server. One that cannot be published is left out.
	Resources []discovery.ProtectedResource
}

// Config configures an Endpoint. All fields are REQUIRED.
type Config struct {
	// Published returns what to publish now, or an error that clients see. The
	// same pointer means the same documents.
	Published func(context.Context) (*Published, error)
	Upstream  Upstream
	// Fallback is used until Upstream returns a document.
	Fallback discovery.Upstream
	Log      *slog.Logger
}

// Endpoint serves the well-known documents. Its handlers serve GET and HEAD, are
// safe for concurrent use, and write errors with httpapi.WriteError.
type Endpoint struct {
	c      Config
	latest atomic.Pointer[documents] // nil at first
}

// documents are the documents that were made from one configuration and one
// document of Cognito.
type documents struct {
	published *Published
	upstream  *discovery.Upstream  // nil if it could not be read yet
	server    *response            // RFC 8414
	provider  *response            // OpenID Connect
	resources map[string]*response // RFC 9728, by path
}

// New returns the endpoint.
func New(c Config) (*Endpoint, error) {
	if c.Published == nil || c.Upstream == nil || c.Log == nil {
		return nil, errors.New("metadata: a required field of Config is missing")
	}
	return &Endpoint{c: c}, nil
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
	return e.serve(func(d *documents, _ string) *response { return d.server })
}

// OpenIDConfiguration serves the OpenID provider configuration.
func (e *Endpoint) OpenIDConfiguration() http.Handler {
	return e.serve(func(d *documents, _ string) *response { return d.provider })
}

// ProtectedResource serves the RFC 9728 document of the resource whose path
// follows discovery.ProtectedResourcePath, with or without a trailing slash. The
// host is not compared, because the resource may have another host than the
// broker. The document of a path that several resources have is not served.
func (e *Endpoint) ProtectedResource() http.Handler {
	return e.serve(func(d *documents, path string) *response {
		path = strings.TrimPrefix(path, discovery.ProtectedResourcePath)
		return d.resources[strings.TrimSuffix(path, "/")]
	})
}

func (e *Endpoint) serve(pick func(*documents, string) *response) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, err := e.current(r.Context())
		if err != nil {
			httpapi.WriteError(w, r, err)
			return
		}
		doc := pick(d, r.URL.Path)
		if doc == nil {
			httpapi.WriteError(w, r, &httpapi.Error{
				Status:      http.StatusNotFound,
				Code:        "invalid_request",
				Description: "no protected resource has this path, or several have it",
			})
			return
		}
		doc.serve(w, r)
	})
}

// current returns the documents made from the current configuration and
// Cognito's current document.
func (e *Endpoint) current(ctx context.Context) (*documents, error) {
	p, err := e.c.Published(ctx)
	if err != nil {
		return nil, err
	}
	up, latest := e.c.Upstream.Current(ctx), e.latest.Load()
	if latest != nil && latest.published == p && latest.upstream == up {
		return latest, nil
	}
	d := &documents{published: p, upstream: up}
	if latest != nil && latest.published == p { // only Cognito's document is new
		d.resources = latest.resources
	} else {
		d.resources = e.protectedResources(ctx, p)
	}
	if err := e.merge(d); err != nil {
		return nil, err
	}
	e.latest.Store(d)
	return d, nil
}

// merge makes the documents that depend on Cognito's.
func (e *Endpoint) merge(d *documents) error {
	upstream, cacheControl := d.upstream, cacheLong
	if upstream == nil {
		upstream, cacheControl = &e.c.Fallback, cacheBriefly
	}
	server, err := discovery.AuthorizationServer(d.published.Server, *upstream)
	if err != nil {
		return err
	}
	provider, err := discovery.OpenIDConfiguration(d.published.Server, *upstream)
	if err != nil {
		return err
	}
	d.server, d.provider = newResponse(server, cacheControl), newResponse(provider, cacheControl)
	return nil
}

// protectedResources returns the documents of p.Resources by path. Requests for
// them arrive at the broker's host, so the path of a request alone does not tell
// two resources on different hosts apart: their path has no document.
func (e *Endpoint) protectedResources(ctx context.Context, p *Published) map[string]*response {
	byPath := make(map[string]*response)
	for _, r := range p.Resources {
		path, err := r.Path()
		var body []byte
		if err == nil {
			body, err = discovery.ProtectedResourceMetadata(p.Server.Issuer, r)
		}
		if err != nil {
			e.c.Log.ErrorContext(ctx, "protected resource not published", "resource", r.Resource, "error", err)
			continue
		}
		if _, collides := byPath[path]; collides {
			byPath[path] = nil
			continue
		}
		byPath[path] = newResponse(body, cacheLong)
	}
	// A client that does not know the address of the metadata requests it at the
	// root last (MCP authorization, "Protected Resource Metadata Discovery").
	// With one server the root can answer.
	if len(p.Resources) == 1 {
		for _, doc := range byPath {
			byPath[""] = doc
		}
	}
	return byPath
}
