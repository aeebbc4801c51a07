package httpapi

import "net/http"

// allowCORS lets a page of any origin read the response. These routes do not
// depend on cookies, and some MCP clients run in a browser (MCP Inspector).
func allowCORS(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After, ETag")
	h.Set("X-Content-Type-Options", "nosniff")
}

// preflight answers a CORS preflight request, and any other OPTIONS.
func preflight(w http.ResponseWriter, allow string) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", allow)
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, MCP-Protocol-Version")
	h.Set("Access-Control-Max-Age", "3600")
	h.Set("Allow", allow)
	w.WriteHeader(http.StatusNoContent)
}
