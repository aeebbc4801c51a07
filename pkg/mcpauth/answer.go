package mcpauth

import (
	"encoding/json"
	"net/http"
	"strings"
)

// bearer returns the token in the Authorization header (RFC 6750 §2.1), and
// whether the header has the scheme Bearer. A malformed header gives a token
// that no verifier accepts.
func bearer(r *http.Request) (token string, sent bool) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	if len(values) > 1 {
		return "", true
	}
	return strings.Trim(token, " "), true
}

// challenge responds with WWW-Authenticate (RFC 6750 §3, RFC 9728 §5.1). Its
// scope has exactly the scopes that the request needs; the client adds the
// scopes that it already has (MCP authorization, "Scope Challenge Handling").
func (g *Guard) challenge(w http.ResponseWriter, status int, code, description string, needed []string) {
	description = quoted(description)
	params := []string{`resource_metadata="` + g.metadataURL + `"`, `scope="` + strings.Join(needed, " ") + `"`}
	if code != "" {
		params = append([]string{`error="` + code + `"`, `error_description="` + description + `"`}, params...)
	} else {
		code = "invalid_token" // the body needs a code
	}
	w.Header().Set("WWW-Authenticate", "Bearer "+strings.Join(params, ", "))
	writeError(w, status, code, description)
}

// maxDescription is the maximum length of a description, in characters.
const maxDescription = 200

// quoted returns s in the characters of error_description: printable ASCII
// without double quote and backslash (RFC 6750 §3). Error texts of libraries
// contain quotes.
func quoted(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < 0x20 || r > 0x7e:
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), maxDescription)]
}

// writeError writes an error in OAuth's JSON form (RFC 6749 §5.2). The
// description must be ASCII.
func writeError(w http.ResponseWriter, status int, code, description string) {
	body, err := json.Marshal(map[string]string{"error": code, "error_description": description})
	if err != nil { // cannot happen with strings
		panic(err)
	}
	writeJSON(w, status, body)
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(body)
}

// allowCORS lets a page of any origin read the response and its challenge: no
// response depends on cookies, and MCP Inspector and other clients run in a
// browser.
func allowCORS(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version")
	h.Set("X-Content-Type-Options", "nosniff")
}

// preflight allows the headers of the Streamable HTTP transport. The asterisk
// is for Mcp-Param-*, which tools may define, and for headers of later
// revisions. It does not cover Authorization (Fetch standard, "CORS
// non-wildcard request-header name").
func preflight(w http.ResponseWriter, methods string) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name, Last-Event-ID, *")
	h.Set("Access-Control-Max-Age", "3600")
	h.Set("Allow", methods)
	w.WriteHeader(http.StatusNoContent)
}
