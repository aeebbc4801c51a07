package mcpauth

import (
	"encoding/json"
	"net/http"
)

// metadataPath is where a client looks for the metadata of a resource without a
// path; the path of another resource follows it (RFC 9728 §3.1). A client that
// did not get the URL in a challenge tries both (MCP authorization, "Protected
// Resource Metadata Discovery Requirements").
const metadataPath = "/.well-known/oauth-protected-resource"

// resourceMetadata is the metadata of the server as a protected resource
// (RFC 9728 §2).
type resourceMetadata struct {
	// Resource is the identifier of the resource: its URL. REQUIRED.
	Resource string `json:"resource"`
	// AuthorizationServers are the issuers whose tokens the resource accepts.
	// OPTIONAL in the RFC, REQUIRED by MCP authorization.
	AuthorizationServers []string `json:"authorization_servers"`
	// ScopesSupported are the scopes with which a client requests access to the
	// resource. RECOMMENDED.
	ScopesSupported []string `json:"scopes_supported"`
	// BearerMethodsSupported are the places of a request where the resource
	// accepts a token. OPTIONAL; MCP allows only the header.
	BearerMethodsSupported []string `json:"bearer_methods_supported"`
	// ResourceName is the name of the resource for people. RECOMMENDED.
	ResourceName string `json:"resource_name,omitempty"`
}

func metadataDocument(cfg Config) ([]byte, error) {
	scopes := cfg.ScopesSupported
	if len(scopes) == 0 {
		scopes = cfg.Scopes
	}
	return json.MarshalIndent(resourceMetadata{
		Resource:               cfg.Resource,
		AuthorizationServers:   []string{cfg.AuthorizationServer},
		ScopesSupported:        scopes,
		BearerMethodsSupported: []string{"header"},
		ResourceName:           cfg.Name,
	}, "", "  ")
}

// Metadata serves the protected resource metadata at every path. Mount it at
// /.well-known/oauth-protected-resource and, if the resource has a path, also
// there with that path appended; Handler does both.
func (g *Guard) Metadata() http.Handler {
	const methods = "GET, HEAD, OPTIONS"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowCORS(w.Header())
		switch r.Method {
		case http.MethodOptions:
			preflight(w, methods)
		case http.MethodGet, http.MethodHead:
			w.Header().Set("Content-Type", "application/json")
			// Short, so that a change of scopes reaches clients soon.
			w.Header().Set("Cache-Control", "public, max-age=60")
			w.Write(g.metadata)
		default:
			w.Header().Set("Allow", methods)
			writeError(w, http.StatusMethodNotAllowed, "invalid_request", "this path allows "+methods)
		}
	})
}
