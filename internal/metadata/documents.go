package metadata

import (
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
	keep = "public, max-age=3600"
	// A document made from assumptions must not outlive them by much.
	keepBriefly = "public, max-age=60"
)

// Documents answers requests for the well-known documents. Its handlers serve GET
// and HEAD, are safe for concurrent use, and write anything but success through
// httpapi.WriteError.
type Documents struct {
	server    discovery.Server
	source    *Source
	merged    atomic.Pointer[merged]
	resources map[string]*document // by path
}

// merged are the documents made from one snapshot.
type merged struct {
	of       *Snapshot
	server   *document // RFC 8414
	provider *document // OpenID Connect
}

// NewDocuments returns the documents of a broker and of the MCP servers that name
// it as their authorization server. The error joins everything that cannot be
// published, and resources that differ in their host alone: requests for their
// metadata arrive at the broker's host and could not be told apart.
func NewDocuments(server discovery.Server, resources []discovery.ProtectedResource, source *Source) (*Documents, error) {
	server.Scopes = slices.Clone(server.Scopes)
	server.GrantTypes = slices.Clone(server.GrantTypes)
	server.AuthMethods = slices.Clone(server.AuthMethods)
	d := &Documents{server: server, source: source, resources: make(map[string]*document)}

	_, err := d.merge(source.assumed)
	errs := []error{err}
	for i, p := range resources {
		if err := d.addResource(p); err != nil {
			errs = append(errs, fmt.Errorf("metadata: resources[%d]: %w", i, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	// A client that was not told where the metadata is asks at the root last
	// (MCP authorization, "Protected Resource Metadata Discovery"); with one
	// server there is only one answer.
	if len(resources) == 1 {
		for _, doc := range d.resources {
			d.resources[""] = doc
		}
	}
	return d, nil
}

func (d *Documents) addResource(p discovery.ProtectedResource) error {
	body, err := discovery.ProtectedResourceMetadata(d.server.Issuer, p)
	if err != nil {
		return err
	}
	path, err := p.Path()
	if err != nil {
		return err
	}
	if d.resources[path] != nil {
		return fmt.Errorf("%s: another resource has the path %q", p.Resource, path)
	}
	d.resources[path] = newDocument(body, keep)
	return nil
}

// Mount adds the documents to a router.
func (d *Documents) Mount(rt *httpapi.Router) {
	rt.Handle(http.MethodGet, discovery.AuthorizationServerPath, d.AuthorizationServer())
	rt.Handle(http.MethodGet, discovery.OpenIDConfigurationPath, d.OpenIDConfiguration())
	rt.Handle(http.MethodGet, discovery.ProtectedResourcePath, d.ProtectedResource())
	rt.Handle(http.MethodGet, discovery.ProtectedResourcePath+"/{path...}", d.ProtectedResource())
}

// AuthorizationServer serves the RFC 8414 document.
func (d *Documents) AuthorizationServer() http.Handler {
	return d.serveMerged(func(m *merged) *document { return m.server })
}

// OpenIDConfiguration serves the OpenID provider configuration.
func (d *Documents) OpenIDConfiguration() http.Handler {
	return d.serveMerged(func(m *merged) *document { return m.provider })
}

// ProtectedResource serves the RFC 9728 document of the resource whose path
// follows discovery.ProtectedResourcePath, with or without a trailing slash. The
// host is not compared: the resource may be on another one.
func (d *Documents) ProtectedResource() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, discovery.ProtectedResourcePath)
		doc := d.resources[strings.TrimSuffix(path, "/")]
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

func (d *Documents) serveMerged(pick func(*merged) *document) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		snapshot := d.source.Current(r.Context())
		m := d.merged.Load()
		if m == nil || m.of != snapshot {
			var err error
			if m, err = d.merge(snapshot); err != nil {
				httpapi.WriteError(w, r, err)
				return
			}
			d.merged.Store(m)
		}
		pick(m).serve(w, r)
	})
}

func (d *Documents) merge(snapshot *Snapshot) (*merged, error) {
	server, err := discovery.AuthorizationServer(d.server, snapshot.Upstream)
	if err != nil {
		return nil, err
	}
	provider, err := discovery.OpenIDConfiguration(d.server, snapshot.Upstream)
	if err != nil {
		return nil, err
	}
	cacheControl := keep
	if snapshot.Assumed {
		cacheControl = keepBriefly
	}
	return &merged{
		of:       snapshot,
		server:   newDocument(server, cacheControl),
		provider: newDocument(provider, cacheControl),
	}, nil
}
