package e2e

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// Direct mode does not have the endpoints of brokered mode.
func TestDirectModeHasNoAuthorizationEndpoint(t *testing.T) {
	each(t, func(t *testing.T, d *deployment) {
		d.run(t, []exchange{
			{name: "authorize", send: "GET /authorize?client_id=a", status: 404},
			{name: "callback", send: "GET /callback?code=a&state=b", status: 404},
			{name: "consent", send: "GET /consent", status: 404},
			{name: "decision", send: "POST /authorize", header: []string{formBody}, body: "decision=allow", status: 404},
			{name: "introspection", send: "POST /introspect", header: []string{formBody}, body: "token=a", status: 404},
		})
	}, broker.ModeDirect)
}

// A correct request is redirected to Cognito with the broker's own app client,
// callback, state and PKCE.
func TestAuthorizationRequests(t *testing.T) {
	each(t, testAuthorizationRequests, broker.ModeBrokered)
}

func testAuthorizationRequests(t *testing.T, d *deployment) {
	needs(t, "E2E_MCP_URL", d.mcp)
	r := d.register(t, publicClient)
	for _, tt := range []struct {
		name   string
		change func(url.Values)
		sent   map[string]string // parameters sent to Cognito
	}{
		{"a correct request", func(url.Values) {}, nil},
		{"another port", func(q url.Values) { q.Set("redirect_uri", "http://127.0.0.1:50001/callback") }, nil},
		{"no port", func(q url.Values) { q.Set("redirect_uri", "http://127.0.0.1/callback") }, nil},
		{"no state", func(q url.Values) { q.Del("state") }, nil},
		{"a resource with a slash at the end", func(q url.Values) { q.Set("resource", d.mcp+"/") }, nil},
		{"one scope", func(q url.Values) { q.Set("scope", "mcp/read") }, map[string]string{"scope": "openid mcp/read"}},
		{"scopes that are not for clients", func(q url.Values) { q.Set("scope", "mcp/read offline_access nothing/of-ours") }, map[string]string{"scope": "openid mcp/read"}},
		{"no scope", func(q url.Values) { q.Set("scope", "") }, map[string]string{"scope": "openid .+"}},
		{"only scopes that are not for clients", func(q url.Values) { q.Set("scope", "openid offline_access nothing/of-ours") }, map[string]string{"scope": "openid .+"}},
		{"hints", func(q url.Values) {
			q.Set("login_hint", "alice")
			q.Set("ui_locales", "de en")
			q.Set("nonce", "n-0S6")
		}, map[string]string{"login_hint": "alice", "lang": "de", "nonce": "n-0S6"}},
		{"an unknown parameter", func(q url.Values) { q.Set("audience", "x") }, map[string]string{"audience": ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := d.request(r.id)
			tt.change(q)
			a := d.fetch(t, "GET /authorize?"+q.Encode(), "")
			to := location(t, a)
			if a.status != http.StatusSeeOther || strings.HasPrefix(to.String(), d.base) || !strings.HasSuffix(to.Path, "/oauth2/authorize") {
				t.Fatalf("GET /authorize = %d to %s %s, want 303 to Cognito", a.status, to, a.body)
			}
			for name, pattern := range map[string]string{
				"response_type":         "code",
				"redirect_uri":          regexp.QuoteMeta(d.base + "/callback"),
				"code_challenge":        "[A-Za-z0-9_-]{43}",
				"code_challenge_method": "S256",
				"state":                 `[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{43}`,
			} {
				match(t, name, to.Query().Get(name), pattern)
			}
			for name, pattern := range tt.sent {
				match(t, name, to.Query().Get(name), pattern)
			}
			for _, name := range []string{"client_id", "code_challenge", "state"} {
				if got := to.Query().Get(name); got == q.Get(name) {
					t.Errorf("%s = %q as the client sent it, want the broker's own", name, got)
				}
			}
			d.checkCookie(t, a)
		})
	}
}

// checkCookie checks that the transaction is tied to the browser, by a cookie
// that no other host can set or read.
func (d *deployment) checkCookie(t *testing.T, a answer) {
	t.Helper()
	const attributes = `; Path=/; Max-Age=600; HttpOnly; `
	want := `dcr_tx_[A-Za-z0-9_-]{16}=[A-Za-z0-9_-]{51}` + attributes + `SameSite=Lax` // a browser accepts it from http://localhost
	if strings.HasPrefix(d.base, "https:") {
		want = `__Host-dcr_tx_[A-Za-z0-9_-]{16}=[A-Za-z0-9_-]{51}` + attributes + `Secure; SameSite=Lax`
	}
	match(t, "Set-Cookie", strings.Join(a.header.Values("Set-Cookie"), ", "), want)
}

func location(t *testing.T, a answer) *url.URL {
	t.Helper()
	u := must.ParseURL(t, a.header.Get("Location"))
	return u
}

// If client and redirect URI are valid, errors are returned to the client, with
// its state and the issuer (RFC 6749 §4.1.2.1, RFC 9207).
func TestAuthorizationErrorsGoToTheClient(t *testing.T) {
	each(t, testAuthorizationErrorsGoToTheClient, broker.ModeBrokered)
}

func testAuthorizationErrorsGoToTheClient(t *testing.T, d *deployment) {
	const claude = "https://claude.ai/api/mcp/auth_callback"
	r := d.register(t, strings.Replace(publicClient, `"redirect_uris":[`, `"redirect_uris":["`+claude+`",`, 1))
	set := func(name, value string) func(url.Values) { return func(q url.Values) { q.Set(name, value) } }
	for _, tt := range []struct {
		name   string
		change func(url.Values)
		want   string
	}{
		{"no response type", set("response_type", ""), "invalid_request"},
		{"response type token", set("response_type", "token"), "unsupported_response_type"},
		{"response type with id_token", set("response_type", "code id_token"), "unsupported_response_type"},
		{"response mode fragment", set("response_mode", "fragment"), "invalid_request"},
		{"no PKCE", func(q url.Values) { q.Del("code_challenge"); q.Del("code_challenge_method") }, "invalid_request"},
		{"plain PKCE", set("code_challenge_method", "plain"), "invalid_request"},
		{"PKCE without a method, which is plain", set("code_challenge_method", ""), "invalid_request"},
		{"a challenge that is not a SHA-256", set("code_challenge", "abc"), "invalid_request"},
		{"an unknown resource", set("resource", "https://mcp.example.com/other"), "invalid_target"},
		{"a resource with the same beginning", set("resource", d.mcp+".evil.example"), "invalid_target"},
		{"two resources", func(q url.Values) { q.Add("resource", "https://mcp.example.com/other") }, "invalid_target"},
		{"an unknown prompt", set("prompt", "create"), "invalid_request"},
		{"two prompts, one of them none", set("prompt", "none login"), "invalid_request"},
		{"a request object", set("request", "eyJhbGciOiJub25lIn0.e30."), "request_not_supported"},
		{"a request object elsewhere", set("request_uri", "https://evil.example/"), "request_uri_not_supported"},
		{"a parameter twice", func(q url.Values) { q.Add("scope", "a"); q.Add("scope", "b") }, "invalid_request"},
		{"a long state", set("state", strings.Repeat("s", 2049)), "invalid_request"},
		// Any program on the machine can pose as the client (RFC 8252 §8.6).
		{"prompt none for a loopback redirect URI", set("prompt", "none"), "(consent|login)_required"},
		{"prompt none without a stored consent", func(q url.Values) { q.Set("prompt", "none"); q.Set("redirect_uri", claude) }, "(consent|login)_required"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := d.request(r.id)
			tt.change(q)
			a := d.fetch(t, "GET /authorize?"+q.Encode(), "")
			to := location(t, a)
			got := to.Query()
			to.RawQuery = ""
			if a.status != http.StatusSeeOther || to.String() != q.Get("redirect_uri") {
				t.Fatalf("GET /authorize = %d to %s %s, want 303 to %s", a.status, to, a.body, q.Get("redirect_uri"))
			}
			match(t, "error", got.Get("error"), tt.want)
			match(t, "iss", got.Get("iss"), regexp.QuoteMeta(d.base))
			match(t, "state", got.Get("state"), regexp.QuoteMeta(q.Get("state")))
			match(t, "code", got.Get("code"), "")
			match(t, "Referrer-Policy", a.header.Get("Referrer-Policy"), "no-referrer")
		})
	}
}

// If client or redirect URI is invalid, the broker shows a page and does not
// redirect.
func TestAuthorizationErrorsOnPages(t *testing.T) {
	each(t, testAuthorizationErrorsOnPages, broker.ModeBrokered)
}

func testAuthorizationErrorsOnPages(t *testing.T, d *deployment) {
	r := d.register(t, publicClient)
	const (
		unknown     = "This app has to register again"
		redirect    = "The return address is not registered"
		bad         = "This request cannot be understood"
		elsewhere   = "This browser does not know this sign-in"
		attackerURI = "https://evil.example/callback"
	)
	set := func(name, value string) func(url.Values) { return func(q url.Values) { q.Set(name, value) } }
	for _, tt := range []struct {
		name   string
		change func(url.Values)
		want   string
	}{
		{"no client_id", set("client_id", ""), bad},
		{"two clients", func(q url.Values) { q.Add("client_id", "another") }, bad},
		{"an unknown client", set("client_id", "dcr_"+strings.Repeat("a", 26)), unknown},
		{"an app client of Cognito", set("client_id", "10n43r0q97fta6g0k66z47oqho"), unknown},
		{"an impossible client id", set("client_id", `"><script>alert(1)</script>`), unknown},
		{"no redirect URI", set("redirect_uri", ""), redirect},
		{"two redirect URIs", func(q url.Values) { q.Add("redirect_uri", attackerURI) }, bad},
		{"a redirect URI of an attacker", set("redirect_uri", attackerURI), redirect},
		{"another path", set("redirect_uri", "http://127.0.0.1:33418/callback/"), redirect},
		{"another query", set("redirect_uri", redirectURI+"?a=b"), redirect},
		{"another scheme", set("redirect_uri", "https://127.0.0.1:33418/callback"), redirect},
		{"another name of the loopback host", set("redirect_uri", "http://localhost:33418/callback"), redirect},
		{"the loopback host as an account", set("redirect_uri", "http://127.0.0.1:33418@evil.example/callback"), redirect},
		{"the loopback host before a back slash", set("redirect_uri", `http://127.0.0.1:33418\@evil.example/callback`), redirect},
		{"a host with the same beginning", set("redirect_uri", "http://127.0.0.1.evil.example/callback"), redirect},
		{"a script", set("redirect_uri", "javascript:alert(1)"), redirect},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := d.request(r.id)
			tt.change(q)
			a := d.openPage(t, "GET /authorize?"+q.Encode(), http.StatusBadRequest, tt.want)
			if strings.Contains(string(a.body), `href="https://evil.example`) || strings.Contains(string(a.body), "<script") {
				t.Errorf("the page has a link or script of the request: %s", a.body)
			}
		})
	}

	t.Run("the page says how well-known clients register again", func(t *testing.T) {
		a := d.openPage(t, "GET /authorize?client_id=unknown", http.StatusBadRequest, unknown)
		for _, name := range []string{"Claude Code", "ChatGPT", "VS Code", "Cursor"} {
			if !strings.Contains(string(a.body), name) {
				t.Errorf("the page does not mention %s", name)
			}
		}
	})
	t.Run("no transaction", func(t *testing.T) {
		d.openPage(t, "GET /consent", http.StatusBadRequest, elsewhere)
		a := d.fetch(t, "POST /authorize", "decision=allow&csrf=a", formBody)
		if a.status != http.StatusBadRequest || !strings.Contains(string(a.body), elsewhere) {
			t.Errorf("POST /authorize = %d %s, want 400 and a page", a.status, a.body)
		}
		d.checkPage(t, "POST /authorize", a)
		d.openPage(t, "GET /signed-out", http.StatusOK, "You are signed out")
	})
	t.Run("a callback without a transaction", func(t *testing.T) {
		a := d.fetch(t, "GET /callback?code=00000000-0000-0000-0000-000000000000&state=a", "")
		to := location(t, a)
		if a.status != http.StatusSeeOther || to.Path != "/callback" || to.Query().Has("code") {
			t.Fatalf("GET /callback = %d to %s, want 303 to a page without the code in its address", a.status, to)
		}
		d.openPage(t, "GET "+to.RequestURI(), http.StatusBadRequest, elsewhere)
	})
	t.Run("another method", func(t *testing.T) {
		a := d.fetch(t, "PUT /authorize", "")
		match(t, "Allow", a.header.Get("Allow"), ".*GET.*POST.*")
		if a.status != http.StatusMethodNotAllowed {
			t.Errorf("PUT /authorize = %d, want 405", a.status)
		}
		d.checkPage(t, "PUT /authorize", a)
		if a := d.fetch(t, "HEAD /authorize?"+d.request(r.id).Encode(), ""); a.status != http.StatusNoContent || len(a.header.Values("Set-Cookie")) > 0 {
			t.Errorf("HEAD /authorize = %d with %q, want 204 and no transaction", a.status, a.header.Values("Set-Cookie"))
		}
	})
}
