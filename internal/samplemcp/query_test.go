package samplemcp

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// A URL is logged and remembered where a header is not (MCP authorization,
// "Token Requirements").
func TestTokensInTheQueryAreNoTokens(t *testing.T) {
	key := testKey()
	h := newHandler(t, testConfig(newKeyServer(t, key)))
	token := sign(t, key, jose.RS256, "k1", goodClaims())
	if w := post(h, listTools, "Bearer "+token); w.Code != 200 {
		t.Fatalf("in the header: %d, want 200", w.Code)
	}
	r := httptest.NewRequest("POST", testResource+"?access_token="+token, strings.NewReader(listTools))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if got := w.Header().Get("WWW-Authenticate"); w.Code != 401 || strings.Contains(got, "error=") {
		t.Errorf("in the query: %d with challenge %q, want 401 as if there was none", w.Code, got)
	}
}
