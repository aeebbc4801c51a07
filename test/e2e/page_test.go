package e2e

import (
	"html"
	"net/url"
	"strings"
	"testing"
)

// openPage makes a request whose answer must be a page with the text, and
// checks what every page must have.
func (d *deployment) openPage(t *testing.T, line string, status int, text string, header ...string) answer {
	t.Helper()
	a := d.fetch(t, line, "", header...)
	if a.status != status {
		t.Fatalf("%s = %d %s, want %d", line, a.status, a.body, status)
	}
	if !strings.Contains(html.UnescapeString(string(a.body)), text) {
		t.Errorf("%s = %s, want a page with %q", line, a.body, text)
	}
	d.checkPage(t, line, a)
	return a
}

// checkPage checks that the page cannot be framed, cached or read by other
// origins, and that it loads and runs nothing from other origins.
func (d *deployment) checkPage(t *testing.T, line string, a answer) {
	t.Helper()
	for name, pattern := range map[string]string{
		"Content-Type":                 "text/html; charset=utf-8",
		"Cache-Control":                "no-store",
		"Referrer-Policy":              "no-referrer",
		"X-Content-Type-Options":       "nosniff",
		"Cross-Origin-Opener-Policy":   "", // cuts web clients that sign in through a popup
		"Access-Control-Allow-Origin":  "",
		"Access-Control-Allow-Headers": "",
	} {
		match(t, line+": header "+name, a.header.Get(name), pattern)
	}
	policy := a.header.Get("Content-Security-Policy")
	for _, directive := range []string{"default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, directive) {
			t.Errorf("%s: Content-Security-Policy = %q, want %s in it", line, policy, directive)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(string(a.body), "<script") {
		t.Errorf("%s: scripts are possible: %q", line, policy)
	}
}

// request returns an authorization request of a client that is registered with
// publicClient.
func (d *deployment) request(clientID string) url.Values {
	q := url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {redirectURI}, "state": {anyState},
		"code_challenge": {anyChallenge}, "code_challenge_method": {"S256"},
	}
	if d.mcp != "" {
		q.Set("resource", d.mcp)
	}
	return q
}

const (
	redirectURI  = "http://127.0.0.1:33418/callback"
	anyState     = "state of the client: &#+%"
	anyVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	anyChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // of anyVerifier, RFC 7636 appendix B
)
