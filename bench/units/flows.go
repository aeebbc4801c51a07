package units

import (
	"fmt"
	"net/http"
	"net/url"
	"time"
)

const day = 24 * time.Hour

// site and machine are the metadata of clients that need an initial access token.
var (
	site = map[string]any{"client_name": "Example site", "redirect_uris": []any{"https://app.example.com/callback"},
		"grant_types": []any{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": "client_secret_basic", "scope": "mcp/read"}
	machine = map[string]any{"client_name": "Nightly job", "grant_types": []any{"client_credentials"}, "response_types": []any{},
		"token_endpoint_auth_method": "client_secret_basic", "scope": "mcp/read"}
)

// newInitialAccessToken returns a token for a number of registrations; 0 is any.
func (d *deployment) newInitialAccessToken(uses int) string {
	return d.dcrctl("iat", "create", "--profile", "trusted", "--label", "measurement", "--created-by", "operator", "--uses", fmt.Sprint(uses))
}

// brokered runs the flows of brokered mode.
func brokered(d *deployment) {
	d.measureConfiguration(func() { d.register(d.metadata("vscode", nil), "") })
	registrations(d)
	signIns(d)
	confidential(d)
	operator(d)
}

func registrations(d *deployment) {
	// The limit of creations in an hour is for each redirect rule. Cursor's preset is
	// one, and loopback is another.
	d.register(d.metadata("cursor", nil), "")
	claudeCode := d.metadata("claude-code", nil)
	numbered := func(i int) map[string]any {
		return d.metadata("claude-code", map[string]any{"client_name": fmt.Sprintf("Claude Code (server-%03d)", i)})
	}
	d.measure("open registration, the first new client of an hour", func() { d.register(claudeCode, "") })
	d.measure("open registration, a new client", func() { d.register(numbered(2), "") })
	d.measure("open registration, the same client again", func() { d.register(claudeCode, "") })
	d.restart()
	d.measure("open registration, the same client again, in another process", func() { d.register(claudeCode, "") })
	for i := 3; i < 100; i++ {
		d.register(numbered(i), "")
	}
	d.measure("open registration, the hundredth new client of an hour", func() { d.register(numbered(100), "") })
	d.later(2 * time.Hour)
}

func signIns(d *deployment) {
	local, web := d.register(d.metadata("claude-code", nil), ""), d.register(d.metadata("claude-hosted", nil), "")
	d.measure("sign-in that makes an app client", func() { d.authorize(d.browser("alice"), local) })
	d.measure("sign-in, client on the user's device", func() { d.authorize(d.browser("alice"), local) })
	var code string
	d.measure("sign-in, web client, which remembers the consent", func() { code = d.authorize(d.browser("alice"), web) })
	var tokens map[string]any
	d.measure("code to tokens, first tokens of a client", func() { tokens = d.redeem(web, code) })
	d.measure("sign-in, web client, consent remembered before", func() { code = d.authorize(d.browser("alice"), web) })
	d.measure("code to tokens, first use of a client in an hour", func() { tokens = d.redeem(web, code) })
	code = d.authorize(d.browser("alice"), web)
	d.measure("code to tokens", func() { tokens = d.redeem(web, code) })
	d.measure("introspection", func() {
		form := url.Values{"token": {text(tokens, "access_token")}}
		if got := d.call("POST", "/introspect", form, basic(introspectionID, introspectionSecret), http.StatusOK); got["active"] != true && d.err == nil {
			d.err = fmt.Errorf("introspection: the token is not active: %v", got)
		}
	})
	d.later(3*time.Hour + 5*time.Minute)
	other := d.signIn("bob", local) // so that the function has answered a request
	d.measure("refresh, first use of a client in an hour", func() { tokens = d.refresh(web, tokens) })
	d.measure("refresh, again soon after", func() { tokens = d.refresh(web, tokens) })
	d.measure("revocation", func() {
		d.call("POST", "/revoke", local.authenticated(url.Values{"token": {text(other, "refresh_token")}}), "", http.StatusOK)
	})
}

func confidential(d *deployment) {
	many, counted := d.newInitialAccessToken(0), d.newInitialAccessToken(1000)
	d.register(site, many)
	var c client
	d.measure("registration with an initial access token", func() { c = d.register(site, many) })
	var machines []client
	for range 99 {
		machines = append(machines, d.register(machine, counted))
	}
	d.measure("registration with an initial access token, the hundredth of 1,000", func() { machines = append(machines, d.register(machine, counted)) })
	for _, m := range machines { // so that most clients of the table are unused, as usual
		d.call("DELETE", "/register/"+m.id, nil, "Bearer "+m.management, http.StatusNoContent)
	}
	bearer := "Bearer " + c.management
	d.measure("RFC 7592, read", func() { d.call("GET", "/register/"+c.id, nil, bearer, http.StatusOK) })
	d.measure("RFC 7592, update", func() {
		body := fmt.Sprintf(`{"client_id":%q,"client_name":"Renamed site","redirect_uris":["https://app.example.com/callback"],`+
			`"token_endpoint_auth_method":"client_secret_basic","scope":"mcp/read"}`, c.id)
		if next := text(d.call("PUT", "/register/"+c.id, body, bearer, http.StatusOK), "registration_access_token"); next != "" {
			bearer = "Bearer " + next
		}
	})
	d.measure("RFC 7592, delete", func() { d.call("DELETE", "/register/"+c.id, nil, bearer, http.StatusNoContent) })
	used := d.register(site, many)
	d.signIn("alice", used)
	d.measure("RFC 7592, delete, client with a grant and an app client", func() {
		d.call("DELETE", "/register/"+used.id, nil, "Bearer "+used.management, http.StatusNoContent)
	})
	m := d.register(machine, many)
	form := func() url.Values { return url.Values{"grant_type": {"client_credentials"}, "scope": {"mcp/read"}} }
	d.measure("client_credentials, first token, which makes an app client", func() { d.token(m, form()) })
	d.measure("client_credentials, second token", func() { d.token(m, form()) })
}

func operator(d *deployment) {
	vscode := d.register(d.metadata("vscode", nil), "")
	for _, user := range []string{"alice", "bob", "carol"} {
		d.signIn(user, vscode)
	}
	d.measure("operator ends the 3 grants of a client", func() { d.dcrctl("grant", "revoke", "--client", vscode.id, "--yes") })
	for _, name := range []string{"claude-code", "claude-hosted", "mcp-inspector-web"} {
		d.signIn("dave", d.register(d.metadata(name, nil), ""))
	}
	d.measure("operator ends the 3 grants of a user", func() { d.dcrctl("grant", "revoke", "--user", "dave", "--yes") })
	d.measure("operator makes an initial access token", func() { d.newInitialAccessToken(1) })
	d.measure("operator lists all clients", func() { d.dcrctl("client", "list") })
	d.measure("operator lists all initial access tokens", func() { d.dcrctl("iat", "list") })
}

// profiles are those of the example that ships, for these clients, with remembered
// consents and lifetimes.
const profiles = `{
	"open":{"redirect_uris":{"presets":["claude","claude-code","cursor","inspector","vscode"],"loopback":true},
		"limits":{"app_clients":500,"creations_per_hour":100},"consent":"remember","lifetimes":{"inactive":"10d"}},
	"trusted":{"redirect_uris":{"any_https":true},"app_client":"dedicated","grant_types":["authorization_code","refresh_token","client_credentials"],
		"token_endpoint_auth_methods":["client_secret_basic"],"consent":"remember","lifetimes":{"inactive":"20d"}}}`

// directProfiles are profiles for direct mode.
const directProfiles = `{"open":{"redirect_uris":{"presets":["claude-code","cursor"],"loopback":true},
	"limits":{"app_clients":500,"creations_per_hour":100}}}`

// lifetimes runs the janitor on a table with two clients, of which each has a
// grant. One shares the app client of its profile, the other has its own.
func lifetimes(d *deployment) {
	d.signIn("alice", d.register(d.metadata("claude-hosted", nil), ""))
	d.signIn("alice", d.register(site, d.newInitialAccessToken(1)))
	d.sweep(0)
	d.measure("sweep, nothing is due", func() { d.sweep(0) })
	// Each sweep looks at what has not been looked at for a week.
	d.later(9 * day)
	d.sweep(0)
	d.later(10*day + time.Hour)
	d.measure("sweep that removes a client", func() { d.sweep(1) })
	d.later(19 * day)
	d.sweep(0)
	d.later(20*day + time.Hour)
	d.measure("sweep that removes a client and its app client", func() { d.sweep(1) })
}

// direct runs the flows of direct mode, in which browsers go to Cognito.
func direct(d *deployment) {
	d.measureConfiguration(func() { d.register(d.metadata("cursor", nil), "") })
	var c client
	d.measure("direct mode: open registration", func() { c = d.register(d.metadata("claude-code", nil), "") })
	bearer := "Bearer " + c.management
	d.measure("direct mode: RFC 7592, update", func() {
		body := fmt.Sprintf(`{"client_id":%q,"client_name":"Claude Code (renamed)","redirect_uris":["http://localhost:3118/callback"],`+
			`"token_endpoint_auth_method":"none","scope":"mcp/read"}`, c.id)
		if next := text(d.call("PUT", "/register/"+c.id, body, bearer, http.StatusOK), "registration_access_token"); next != "" {
			bearer = "Bearer " + next
		}
	})
	code := d.visit(d.browser("alice"), cognito+"/oauth2/authorize", c)
	var tokens map[string]any
	d.measure("direct mode: code to tokens, first use of a client in an hour", func() { tokens = d.redeem(c, code) })
	d.measure("direct mode: refresh", func() { d.refresh(c, tokens) })
	d.measure("direct mode: RFC 7592, delete", func() { d.call("DELETE", "/register/"+c.id, nil, bearer, http.StatusNoContent) })
}
