package mcpauth

import (
	"encoding/json"
	"net/http"
)

// metadataPath is where RFC 9728 section 3 puts the metadata of a resource
// without a path; the path of another resource follows it. Clients that were not
// told the URL ask for both (MCP authorization, "Protected Resource Metadata
// Discovery Requirements").
const metadataPath = "/.well-known/oauth-protected-resource"

// metadataDocument is RFC 9728 section 2, as far as it says something here.
func metadataDocument(cfg Config) ([]byte, error) {
	scopes := cfg.ScopesSupported
	if len(scopes) == 0 {
		scopes = cfg.Scopes
	}
	return json.MarshalIndent(struct {
		Resource             string   `json:"resource"`
		AuthorizationServers []string `json:"authorization_servers"`
		Scopes               []string `json:"scopes_supported"`
		BearerMethods        []string `json:"bearer_methods_supported"`
		Name                 string   `json:"resource_name,omitempty"`
	}{cfg.Resource, []string{cfg.AuthorizationServer}, scopes, []string{"header"}, cfg.Name}, "", "  ")
}

// Metadata serves the protected resource metadata, whatever the path. It belongs
// at /.well-known/oauth-protected-resource and, if the resource has a path, there
// with that path behind it; Handler has it at both.
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
