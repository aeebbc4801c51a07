package authorize

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// A user who is signed in at Cognito and has allowed one client does not get to
// another client without a consent page. The broker asks for a consent for each
// client; a sign-in is not a consent.
func TestAnotherClientNeedsItsOwnConsent(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	known := w.register("open", nil, webURI)
	w.wantCode(b.decide(b.arrive(requestOf(known, webURI), "alice"), "allow").target(t), webURI)
	if b.signInAgain(known, webURI, "alice") {
		t.Error("a consent page for the client whose consent is remembered")
	}
	before := len(w.AllGrants())

	attacker := w.register("open", nil, evilURI)
	for _, changes := range [][]string{nil, {"login_hint", "alice"}, {"scope", "notes/read"}} {
		callback, err := b.cognito.Open(t.Context(), b.authorize(requestOf(attacker, evilURI, changes...)).location)
		if err != nil {
			t.Fatalf("alice is no longer signed in at Cognito: %v", err)
		}
		if a := b.get(callback.String()); !a.asks() {
			t.Errorf("the callback went to %q, want the consent page", a.location)
		}
		// The page writes the host in parts, so that a long one wraps at its dots.
		wantPage(t, b.consent(), http.StatusOK, "evil.")
	}
	a := b.authorize(requestOf(attacker, evilURI, "prompt", "none"))
	if a.status == http.StatusSeeOther {
		callback, err := b.cognito.Open(t.Context(), a.location)
		if err != nil {
			t.Fatal(err)
		}
		a = b.get(callback.String())
		if u := a.at(t); u.Query().Has("code") {
			t.Errorf("prompt=none led to %s", u)
		}
	}
	if n := len(w.AllGrants()); n != before {
		t.Errorf("%d new grants, want none", n-before)
	}
}

// The id of an app client is in every access token. The broker does not accept
// it as the id of a client.
func TestIDsOfAppClientsAreNotClientIDs(t *testing.T) {
	w := newWorld(t)
	w.browser().authorize(requestOf(w.register("asking", nil, webURI), webURI))
	app := w.AppClient(broker.SharedAppClientKey("asking"))
	for _, id := range []string{app.CognitoID, app.Key, app.Marker} {
		for _, uri := range []string{webURI, evilURI, w.issuer + broker.CallbackPath} {
			a := w.browser().authorize(requestOf(id, uri))
			wantPage(t, a, http.StatusBadRequest, "register again")
			if a.header.Get("Set-Cookie") != "" {
				t.Errorf("client_id %s: a transaction was begun", id)
			}
		}
	}
}

// A request to /authorize changes no app client and calls no API of Cognito: the
// broker compares redirect URIs itself and gives none of them to Cognito.
func TestAuthorizeChangesNoAppClient(t *testing.T) {
	w := newWorld(t)
	id := w.register("open", nil, deskURI)
	w.browser().authorize(requestOf(id, deskURI))
	for _, uri := range []string{"http://127.0.0.1:1/callback", "http://127.0.0.1:65535/callback", "http://localhost:1/callback", evilURI, appURI} {
		w.browser().authorize(requestOf(id, uri))
	}
	for op, want := range map[string]int{
		"CreateUserPoolClient": 1, "CreateManagedLoginBranding": 1, "UpdateUserPoolClient": 0, "DescribeUserPoolClient": 0,
		"DeleteUserPoolClient": 0, "ListUserPoolClients": 0,
	} {
		if got := w.cognito.Calls(op); got != want {
			t.Errorf("%s was called %d times, want %d", op, got, want)
		}
	}
	for _, a := range w.cognito.AppClients() {
		if len(a.CallbackURLs) != 1 || a.CallbackURLs[0] != w.issuer+broker.CallbackPath || len(a.LogoutURLs) != 1 || a.LogoutURLs[0] != w.issuer+broker.SignedOutPath {
			t.Errorf("app client %s has callbacks %q and sign-out URLs %q, want ours alone", a.ClientID, a.CallbackURLs, a.LogoutURLs)
		}
	}
}

// Issuer and callback are configuration. Headers of a request do not change them.
func TestHeadersDoNotChooseAddresses(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	send := func(v url.Values) answer {
		r := must.Request(t, http.MethodGet, w.issuer+"/authorize?"+v.Encode(), "")
		r.Host = "evil.example.com"
		for name, value := range map[string]string{
			"X-Forwarded-Host": "evil.example.com", "X-Forwarded-Proto": "http", "Forwarded": "host=evil.example.com;proto=http",
			"X-Original-URL": "https://evil.example.com/", "Origin": "https://evil.example.com",
		} {
			r.Header.Set(name, value)
		}
		return w.browser().do(r)
	}
	if got := send(requestOf(id, webURI)).at(t).Query().Get("redirect_uri"); got != w.issuer+broker.CallbackPath {
		t.Errorf("the callback in the request to Cognito is %s, want %s", got, w.issuer+broker.CallbackPath)
	}
	w.wantError(send(requestOf(id, webURI, "code_challenge", "-")).at(t), webURI, "invalid_request")
}

// Another host of the same domain can set a cookie for ours, but not a cookie
// with a name that begins with __Host- (RFC 6265bis §4.1.3.2). With such a
// cookie an attacker could put a victim into a transaction whose secret the
// attacker knows.
func TestACookieThatAnotherHostCouldHaveSetIsIgnored(t *testing.T) {
	w := newWorld(t, func(s *setup) { s.tls = true })
	attacker := w.browser()
	attacker.arrive(requestOf(w.register("asking", nil, webURI), webURI), "alice")
	id, secret := attacker.transaction()
	for prefix, want := range map[string]int{
		"__Host-dcr_tx_": http.StatusOK, "dcr_tx_": http.StatusBadRequest, "__host-dcr_tx_": http.StatusBadRequest, "__Secure-dcr_tx_": http.StatusBadRequest,
	} {
		r := must.Request(t, http.MethodGet, w.issuer+consentAddress(id), "")
		r.Header.Set("Cookie", prefix+id+"="+secret)
		if a := w.browser().do(r); a.status != want {
			t.Errorf("the cookie as %s: status %d, want %d", prefix+id, a.status, want)
		}
	}
}

// Scopes are compared as whole words and with their case. They are not
// patterns.
func TestScopesAreComparedWhole(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	for _, scope := range []string{"notes/rea", "notes/", "notes", "read", "notes/readx", "NOTES/READ", "notes/*", "*", "notes/read,notes/write"} {
		a := w.browser().authorize(requestOf(id, webURI, "scope", scope+" email"))
		if got := a.at(t).Query().Get("scope"); got != "openid email" {
			t.Errorf("scope %q grants %q, want openid email", scope+" email", got)
		}
	}
	a := w.browser().authorize(requestOf(id, webURI, "scope", "notes/read aws.cognito.signin.user.admin notes/*"))
	if got := a.at(t).Query().Get("scope"); got != "openid notes/read" {
		t.Errorf("scope = %q, want openid notes/read", got)
	}
}

// No other site can frame or read our pages: the consent page, an error page, and
// the page that leads to the client with the code.
func TestNoPageCanBeFramedOrRead(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	b := w.browser()
	page := b.arrive(requestOf(id, webURI), "alice")
	for name, a := range map[string]answer{
		"consent": page, "decision": b.decide(page, "allow"), "error": b.get("/authorize"), "method": b.get("/nothing/here"),
	} {
		policy := a.header.Get("Content-Security-Policy")
		if name != "method" && (!strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "default-src 'none'") ||
			strings.Contains(policy, "unsafe") || a.header.Get("X-Frame-Options") != "DENY") {
			t.Errorf("%s: headers %v", name, a.header)
		}
		if got := a.header.Get("Access-Control-Allow-Credentials"); got != "" {
			t.Errorf("%s: Access-Control-Allow-Credentials = %q", name, got)
		}
	}
}
