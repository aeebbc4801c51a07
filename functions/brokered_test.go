package functions

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
)

const (
	publicMetadata       = `{"client_name":"Example client"}`
	confidentialMetadata = `{"client_name":"Example site","token_endpoint_auth_method":"client_secret_basic"}`
	machineMetadata      = `{"client_name":"Nightly job","grant_types":["client_credentials"],"response_types":[],"token_endpoint_auth_method":"client_secret_basic","scope":"mcp/read"}`
	siteURI              = "https://app.example.com/callback"
)

// The whole flow of brokered mode on the real bootstraps. Each has its own
// role.
func TestBrokeredModeOnBootstraps(t *testing.T) {
	t.Parallel()
	d := deployWith(t, 3, dedicated)
	t.Run("identical open registrations are one client, without a call of Cognito", func(t *testing.T) { testOpenRegistration(t, d) })
	t.Run("the whole flow through the shared app client", func(t *testing.T) { testSharedFlow(t, d) })
	t.Run("a dedicated app client", func(t *testing.T) { testDedicated(t, d) })
	d.finish()
}

// dedicated gives the clients of the profile trusted an app client each.
func dedicated(w *world) { w.profile("trusted")["app_client"] = "dedicated" }

// finish checks that no function has called Cognito's API unless the test has
// checked its calls, and that the logs have no secrets.
func (d *deployment) finish() {
	t := d.tb()
	t.Helper()
	if others := d.control.remaining(); len(others) > 0 {
		t.Errorf("functions other than provision and janitor called Cognito's API: %v", others)
	}
	d.finishUncounted()
}

// finishUncounted is finish for a test that does not count calls of Cognito's API.
func (d *deployment) finishUncounted() {
	t := d.tb()
	t.Helper()
	for name, f := range d.all {
		f.Close()
		if f.Starts() > 1 {
			t.Errorf("%s: %d processes, want 1", name, f.Starts())
		}
		checkLines(t, name, f.Logs(), d.hidden())
	}
}

func testOpenRegistration(t *testing.T, d *deployment) {
	first := d.register(publicMetadata, "http://127.0.0.1:40001/callback", "")
	again := d.register(publicMetadata, "http://127.0.0.1:40002/callback", "")
	if first.id != again.id || first.management != "" || first.secret != "" {
		t.Errorf("registered as %+v and %+v, want one public client without a registration access token", first, again)
	}
	other := d.register(strings.Replace(publicMetadata, "Example", "Another", 1), "http://127.0.0.1:40001/callback", "")
	if other.id == first.id {
		t.Errorf("another client has the same client_id %s", other.id)
	}
	if made := d.private.recent(); len(made) > 0 {
		t.Errorf("registering led to %q, want no invocation", made)
	}
	if others := d.control.remaining(); len(others) > 0 {
		t.Errorf("registering led to calls of Cognito's API: %v", others)
	}
}

func testSharedFlow(t *testing.T, d *deployment) {
	r := d.register(publicMetadata, "http://127.0.0.1:40003/callback", "")
	r.redirectURI = "http://127.0.0.1:51234/callback" // loopback ports are not compared
	b := d.browser()
	shared, at := d.begin(b, r)
	d.invoked(t, `authorize invokes dcr-provision with {"key":"profile/open"}`)
	d.called(t, "provision", map[string]int{"CreateUserPoolClient": 1, "CreateManagedLoginBranding": 1})

	got := d.consent(b, r, at)
	tok := d.tokens(r, got.Get("code"))
	claims := claimsOf(t, text(tok, "access_token"))
	if claims.ClientID != shared || claims.Audience != mcpServer || text(tok, "scope") != "mcp/read" || tok["id_token"] != nil {
		t.Errorf("tokens = %v with claims %+v, want Cognito's for %s, for the MCP server, and no ID token", tok, claims, shared)
	}
	if !d.active(text(tok, "access_token")) {
		t.Error("the access token is not active")
	}
	next := d.token(r, http.StatusOK, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text(tok, "refresh_token")}})
	if rt := text(next, "refresh_token"); !strings.HasPrefix(rt, "dcr_rt_") || rt == text(tok, "refresh_token") {
		t.Errorf("refreshing gave %v, want another refresh token of the broker", next)
	}
	d.call("POST", "/revoke", url.Values{"token": {text(next, "refresh_token")}, "client_id": {r.id}}, "", http.StatusOK)
	if d.active(text(next, "access_token")) {
		t.Error("the access token is active after revoking")
	}
	d.token(r, http.StatusBadRequest, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text(next, "refresh_token")}})

	// Another client in another browser uses the same app client.
	other := d.register(strings.Replace(publicMetadata, "Example", "Another", 1), "http://127.0.0.1:40001/callback", "")
	ob := d.browser()
	second, at := d.begin(ob, other)
	if second != shared {
		t.Errorf("another open registration uses the app client %s, want the shared %s", second, shared)
	}
	d.invoked(t)

	// The callback works only in the browser that began the authorization.
	back, err := ob.pool.SignIn(t.Context(), at.String(), username, password)
	if err != nil {
		t.Fatal(err)
	}
	for _, stranger := range []*browser{b, d.browser()} {
		if a := d.send(stranger.Client, "GET", back.RequestURI(), nil, ""); a.Header.Get("Location") != "/callback?problem=other_browser" {
			t.Errorf("GET /callback in another browser = %d to %q, want the page that explains it", a.Status, a.Header.Get("Location"))
		}
	}
	if a := d.send(ob.Client, "GET", back.RequestURI(), nil, ""); !strings.HasPrefix(a.Header.Get("Location"), "/consent?") {
		t.Errorf("GET /callback in the same browser = %d to %q, want the consent page", a.Status, a.Header.Get("Location"))
	}
}

// testDedicated fills the pool with app clients, and makes room again.
func testDedicated(t *testing.T, d *deployment) {
	bearer := "Bearer " + d.initial
	site := d.register(confidentialMetadata, siteURI, bearer)
	second := d.register(confidentialMetadata, siteURI, bearer)
	if site.secret == "" || site.management == "" || site.id == second.id {
		t.Fatalf("registered %+v and %+v, want two confidential clients", site, second)
	}
	machine := d.call("POST", "/register", machineMetadata, bearer, http.StatusCreated)
	d.invoked(t)

	b := d.browser()
	appClient, at := d.begin(b, site)
	d.called(t, "provision", map[string]int{"CreateUserPoolClient": 1, "CreateManagedLoginBranding": 1})
	tok := d.tokens(site, d.consent(b, site, at).Get("code"))
	if got := claimsOf(t, text(tok, "access_token")).ClientID; got != appClient {
		t.Errorf("client_id in the access token = %s, want the dedicated %s", got, appClient)
	}
	d.invokedFor(t, "authorize", site.id)

	// For client_credentials the app client is created with the first token.
	m := registration{id: text(machine, "client_id"), secret: text(machine, "client_secret")}
	own := claimsOf(t, text(d.token(m, http.StatusOK, url.Values{"grant_type": {"client_credentials"}}), "access_token"))
	if own.ClientID == appClient || own.ClientID == "" {
		t.Errorf("client_id in the machine's access token = %q, want another one", own.ClientID)
	}
	d.invokedFor(t, "token", m.id)
	d.called(t, "provision", map[string]int{"CreateUserPoolClient": 1}) // no user signs in through it

	// The pool is full now: shared, site, machine.
	a := d.send(d.browser().Client, "GET", second.authorizePath(), nil, "")
	if a.Status != http.StatusServiceUnavailable || !isPage(a) || a.Header.Get("Retry-After") != "300" {
		t.Errorf("GET /authorize on a full pool = %d, Retry-After %q, %s; want a page with 503 and 300 s", a.Status, a.Header.Get("Retry-After"), a.Body)
	}
	d.invokedFor(t, "authorize", second.id)
	d.called(t, "provision", map[string]int{"CreateUserPoolClient": 1})

	// Deleting a registration ends its grants at once. The janitor deletes its
	// app client in the next run.
	before := d.cognito.Calls("DeleteUserPoolClient")
	d.call("DELETE", "/register/"+site.id, nil, "Bearer "+site.management, http.StatusNoContent)
	d.token(site, http.StatusUnauthorized, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text(tok, "refresh_token")}})
	if d.active(text(tok, "access_token")) {
		t.Error("the access token is active although the registration was deleted")
	}
	if n := d.cognito.Calls("DeleteUserPoolClient") - before; n != 0 {
		t.Errorf("DELETE led to %d deletions at Cognito, want 0: the janitor deletes app clients", n)
	}
	if done := d.janitor(t); done.Removed != 1 || done.Failed != 0 {
		t.Errorf("the janitor did %+v, want one removed", done)
	}
	calls := d.control.callsOf("janitor")
	if calls["DeleteUserPoolClient"] != 1 || calls["CreateUserPoolClient"] != 0 {
		t.Errorf("the janitor called %v, want one deletion and no creation", calls)
	}
	if _, err := b.pool.SignIn(t.Context(), at.String(), username, password); err == nil {
		t.Error("the app client of the deleted registration still signs users in")
	}

	// There is room again, and the same link works now.
	if got, _ := d.begin(d.browser(), second); got == appClient {
		t.Errorf("app client = %s, which was deleted", got)
	}
	d.invokedFor(t, "authorize", second.id)
	d.called(t, "provision", map[string]int{"CreateUserPoolClient": 1, "CreateManagedLoginBranding": 1})
}

// If the private function fails, the page does not say why, and the user can try
// again.
func TestProvisionThatFails(t *testing.T) {
	t.Parallel()
	d := deploy(t, 10)
	works := d.all["provision"]
	env := maps.Clone(d.env)
	env["KEYS"] = ""
	broken := start(t, "provision", env, 0)
	r := d.register(publicMetadata, "http://127.0.0.1:40001/callback", "")

	for name, deployed := range map[string]func(){
		"it cannot start":   func() { d.private.deploy(provisionFunction, broken) },
		"it does not exist": func() { d.private.deploy(provisionFunction, nil) },
	} {
		deployed()
		a := d.send(d.browser().Client, "GET", r.authorizePath(), nil, "")
		if a.Status != http.StatusServiceUnavailable || !isPage(a) || a.Header.Get("Retry-After") != "5" || len(a.Header.Values("Set-Cookie")) > 0 {
			t.Errorf("%s: GET /authorize = %d, Retry-After %q, cookies %q; want a page with 503 and 5 s, and no transaction",
				name, a.Status, a.Header.Get("Retry-After"), a.Header.Values("Set-Cookie"))
		}
		for _, hidden := range []string{"KEYS", "Function", provisionFunction} {
			if strings.Contains(string(a.Body), hidden) {
				t.Errorf("%s: the page has %q: %s", name, hidden, a.Body)
			}
		}
	}
	d.private.deploy(provisionFunction, works)
	b := d.browser()
	_, at := d.begin(b, r)
	d.tokens(r, d.consent(b, r, at).Get("code"))
	d.control.callsOf("provision")
	d.finish()
	if logs := d.all["authorize"].Logs(); !strings.Contains(logs, "KEYS: must be set") {
		t.Errorf("authorize did not log why provision failed:\n%s", logs)
	}
}

// janitor runs the janitor as its schedule does.
func (d *deployment) janitor(t *testing.T) janitor.Report {
	t.Helper()
	out, err := d.all["janitor"].Invoke(t.Context(), []byte(`{"detail-type":"Scheduled Event"}`))
	if err != nil {
		t.Fatal(err)
	}
	var done janitor.Report
	if err := json.Unmarshal(out, &done); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return done
}

// invoked checks the invocations since the last check.
func (d *deployment) invoked(t *testing.T, want ...string) {
	t.Helper()
	if got := d.private.recent(); !slices.Equal(got, want) {
		t.Errorf("invocations: %q, want %q", got, want)
	}
}

// invokedFor checks that there was one invocation since the last check, by the
// function for the client's dedicated app client.
func (d *deployment) invokedFor(t *testing.T, function, clientID string) {
	t.Helper()
	want := fmt.Sprintf(`%s invokes %s with {"key":"client/%s/`, function, provisionFunction, clientID)
	if got := d.private.recent(); len(got) != 1 || !strings.HasPrefix(got[0], want) || !strings.HasSuffix(got[0], `"}`) {
		t.Errorf("invocations: %q, want one: %s...", got, want)
	}
}

// called checks a function's calls of Cognito's API since the last check.
func (d *deployment) called(t *testing.T, function string, want map[string]int) {
	t.Helper()
	if got := d.control.callsOf(function); !reflect.DeepEqual(got, want) {
		t.Errorf("%s called %v, want %v", function, got, want)
	}
}

// claims are claims of Cognito's access tokens.
type claims struct {
	ClientID string `json:"client_id"`
	Audience string `json:"aud"`
}

func claimsOf(t *testing.T, accessToken string) claims {
	t.Helper()
	var c claims
	parts := strings.Split(accessToken, ".")
	if len(parts) != 3 {
		t.Fatalf("access token %.20q is not a JWT", accessToken)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}
