package samplemcp

import (
	"encoding/json"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// metadataPath is where RFC 9728 section 3 puts the metadata of a resource
// without a path; the path of another resource follows it. Clients that were not
// told the URL ask for both (MCP authorization, "Protected Resource Metadata
// Discovery Requirements").
const metadataPath = "/.well-known/oauth-protected-resource"

func metadataDocument(cfg Config) ([]byte, error) {
	return json.MarshalIndent(oauthex.ProtectedResourceMetadata{
		Resource:               cfg.Resource,
		AuthorizationServers:   []string{cfg.AuthorizationServer},
		ScopesSupported:        cfg.Scopes,
		BearerMethodsSupported: []string{"header"},
		ResourceName:           "Sample MCP server",
	}, "", "  ")
}

func (s *resource) serveMetadata(w http.ResponseWriter, r *http.Request) {
	const methods = "GET, HEAD, OPTIONS"
	switch r.Method {
	case http.MethodOptions:
		preflight(w, methods)
	case http.MethodGet, http.MethodHead:
		w.Header().Set("Content-Type", "application/json")
		// Short, because whoever tries things out changes addresses.
		w.Header().Set("Cache-Control", "public, max-age=60")
		w.Write(s.metadata)
	default:
		w.Header().Set("Allow", methods)
		writeError(w, http.StatusMethodNotAllowed, "invalid_request", "this path allows "+methods)
	}
}
