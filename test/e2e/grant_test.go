package e2e

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/tool/walk"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// grantedClient is a client after a walk, with its tokens.
type grantedClient struct {
	walk.Outcome
	d *deployment
}

// grant walks and keeps the client registered. It deletes the client when the
// test ends, if that is possible. The zero Options mean open registration.
func (d *deployment) grant(t *testing.T, o walk.Options) *grantedClient {
	t.Helper()
	o.Keep = true
	p := &grantedClient{d.walk(t, o), d}
	if p.ManageURI != "" {
		d.deleteAfter(t, &registration{token: p.ManageToken, path: strings.TrimPrefix(p.ManageURI, d.base)})
	}
	return p
}

// post sends a form as the client.
func (p *grantedClient) post(t *testing.T, path string, form ...string) answer {
	t.Helper()
	v := url.Values{}
	for i := 0; i < len(form); i += 2 {
		v.Add(form[i], form[i+1])
	}
	header := []string{formBody}
	if p.ClientSecret == "" {
		v.Set("client_id", p.ClientID)
	} else {
		header = append(header, basic(p.ClientID, p.ClientSecret))
	}
	return p.d.send(t, "POST "+path, v.Encode(), header...)
}

// refresh uses a refresh token, and returns the new one.
func (p *grantedClient) refresh(t *testing.T, token string) string {
	t.Helper()
	a := p.post(t, "/token", "grant_type", "refresh_token", "refresh_token", token)
	if a.status != 200 {
		t.Fatalf("POST /token = %d %s, want 200", a.status, a.body)
	}
	for name, pattern := range map[string]string{
		"access_token": `[^.]+\.[^.]+\.[^.]+`, "token_type": "Bearer", "expires_in": `[1-9]\d*`, "scope": `\S.*`,
	} {
		match(t, name, a.member(name), pattern)
	}
	p.AccessToken = a.member("access_token")
	if !p.d.brokered() {
		// Without rotation Cognito returns no new token.
		if next := a.member("refresh_token"); next != "" {
			return next
		}
		return token
	}
	match(t, "refresh_token", a.member("refresh_token"), "dcr_rt_[a-z2-7]{78}")
	match(t, "id_token", a.member("id_token"), "")
	if next := a.member("refresh_token"); next == token {
		t.Error("the refresh token stays the same, want a new one")
	}
	return a.member("refresh_token")
}

// wantError checks that the answer is the error.
func wantError(t *testing.T, what string, a answer, status int, code string) {
	t.Helper()
	if a.status != status || a.member("error") != code {
		t.Errorf("%s = %d %s, want %d %s", what, a.status, a.body, status, code)
	}
}

func (p *grantedClient) wantRefreshError(t *testing.T, what, token string) {
	t.Helper()
	wantError(t, what, p.post(t, "/token", "grant_type", "refresh_token", "refresh_token", token), 400, "invalid_grant")
}

// kinds runs f with the kinds of clients that differ at the token endpoint.
func (d *deployment) kinds(t *testing.T, f func(*testing.T, *grantedClient)) {
	t.Run("public client", func(t *testing.T) { f(t, d.grant(t, walk.Options{})) })
	t.Run("confidential client", func(t *testing.T) { f(t, d.confidential(t)) })
}

// confidential returns a confidential client with a new grant. In brokered mode
// it is always the same client, since a deployment under test may have dedicated
// app clients, and each uses one of the pool's 20 branding styles until the
// janitor's next run.
func (d *deployment) confidential(t *testing.T) *grantedClient {
	t.Helper()
	d.needsInitialAccessToken(t)
	if !d.brokered() { // a registered client could not use another port
		return d.grant(t, walk.Options{InitialAccessToken: d.initialAccessToken})
	}
	if d.confidentialClient == nil {
		p := d.walk(t, walk.Options{InitialAccessToken: d.initialAccessToken, Keep: true})
		d.confidentialClient = &registration{id: p.ClientID, secret: p.ClientSecret, token: p.ManageToken, path: strings.TrimPrefix(p.ManageURI, d.base)}
		return &grantedClient{p, d}
	}
	return d.grant(t, walk.Options{ClientID: d.confidentialClient.id, ClientSecret: d.confidentialClient.secret})
}

func TestRefresh(t *testing.T) { each(t, testRefresh) }

func testRefresh(t *testing.T, d *deployment) {
	d.kinds(t, func(t *testing.T, p *grantedClient) {
		before := p.AccessToken
		next := p.refresh(t, p.RefreshToken)
		if p.AccessToken == before {
			t.Error("the access token stays the same, want a new one")
		}
		p.refresh(t, next)
	})
}

// Every use returns a new refresh token. The previous token still works for a
// while, because replies get lost, and returns a sibling. Use of an older token
// means that a token was stolen, and ends the grant (RFC 9700 §4.14.2).
func TestRefreshTokenRotation(t *testing.T) { each(t, testRefreshTokenRotation, broker.ModeBrokered) }

func testRefreshTokenRotation(t *testing.T, d *deployment) {
	d.kinds(t, func(t *testing.T, p *grantedClient) {
		first := p.RefreshToken
		second := p.refresh(t, first)
		sibling := p.refresh(t, first)
		if sibling == second {
			t.Error("the sibling is the same token, want another")
		}
		third := p.refresh(t, second)
		d.wantActive(t, p.AccessToken)

		p.wantRefreshError(t, "the sibling after the other was used", sibling)
		p.wantRefreshError(t, "the newest token after the replay", third)
		d.wantInactive(t, p.AccessToken, "an access token of a grant that a replay ended")
	})
}

// A refresh token of another client, and a request for more than was granted,
// are errors, and do not invalidate the token.
func TestRefreshTokenOfAnotherClient(t *testing.T) {
	each(t, testRefreshTokenOfAnotherClient, broker.ModeBrokered)
}

func testRefreshTokenOfAnotherClient(t *testing.T, d *deployment) {
	p := d.confidential(t)
	other := d.grant(t, walk.Options{})
	other.wantRefreshError(t, "the refresh token of another client", p.RefreshToken)
	wantError(t, "revocation by another client", other.post(t, "/revoke", "token", p.RefreshToken), 400, "invalid_grant")
	wantError(t, "without the secret", d.send(t, "POST /token", url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {p.RefreshToken}, "client_id": {p.ClientID},
	}.Encode(), formBody), 401, "invalid_client")
	wantError(t, "another resource", p.post(t, "/token", "grant_type", "refresh_token", "refresh_token", p.RefreshToken,
		"resource", "https://mcp.example.com/other"), 400, "invalid_target")
	for _, made := range []string{"dcr_rt_" + strings.Repeat("a", 78), p.RefreshToken[:len(p.RefreshToken)-1] + "0", p.RefreshToken + "a", other.AccessToken} {
		p.wantRefreshError(t, "an invalid refresh token", made)
	}
	p.refresh(t, p.RefreshToken)
}

// A code is bound to client, redirect URI, verifier and resource. A request
// with a wrong value does not invalidate it; a second use ends the grant of the
// first (RFC 6749 §4.1.2).
func TestCodeWorksOnce(t *testing.T) { each(t, testCodeWorksOnce, broker.ModeBrokered) }

func testCodeWorksOnce(t *testing.T, d *deployment) {
	r := d.register(t, publicClient)
	other := d.register(t, strings.Replace(publicClient, `"e2e"`, `"e2e, another"`, 1))
	p := &grantedClient{walk.Outcome{ClientID: r.id}, d}
	form := func(code string, changes ...string) []string {
		v := map[string]string{"grant_type": "authorization_code", "code": code, "redirect_uri": redirectURI, "code_verifier": anyVerifier, "resource": d.mcp}
		for i := 0; i < len(changes); i += 2 {
			v[changes[i]] = changes[i+1]
		}
		var list []string
		for name, value := range v {
			list = append(list, name, value)
		}
		return list
	}
	code := d.authorize(t, d.browser(), d.request(r.id)).Get("code")
	for _, tt := range []struct{ name, parameter, value, want string }{
		{"another verifier", "code_verifier", strings.Repeat("a", 43), "invalid_grant"},
		{"no verifier", "code_verifier", "", "invalid_request"},
		{"another redirect URI", "redirect_uri", "http://127.0.0.1:33419/callback", "invalid_grant"},
		{"no redirect URI", "redirect_uri", "", "invalid_(grant|request)"},
		{"another resource", "resource", "https://mcp.example.com/other", "invalid_target"},
		{"another code", "code", code[:len(code)-1] + "0", "invalid_grant"},
	} {
		a := p.post(t, "/token", form(code, tt.parameter, tt.value)...)
		match(t, tt.name+": error", a.member("error"), tt.want)
	}
	thief := &grantedClient{walk.Outcome{ClientID: other.id}, d}
	wantError(t, "another client", thief.post(t, "/token", form(code)...), 400, "invalid_grant")

	a := p.post(t, "/token", form(code)...)
	if a.status != 200 {
		t.Fatalf("POST /token = %d %s, want 200: the code is still valid", a.status, a.body)
	}
	refresh := p.refresh(t, a.member("refresh_token"))
	wantError(t, "the code again", p.post(t, "/token", form(code)...), 400, "invalid_grant")
	p.wantRefreshError(t, "a refresh token of a code that was used twice", refresh)
	d.wantInactive(t, p.AccessToken, "an access token of a code that was used twice")
}

// Revoking either token ends the grant (RFC 7009 §2.1).
func TestRevocationEndsTheGrant(t *testing.T) {
	each(t, testRevocationEndsTheGrant, broker.ModeBrokered)
}

func testRevocationEndsTheGrant(t *testing.T, d *deployment) {
	for _, tt := range []struct {
		name  string
		token func(*grantedClient) string
	}{
		{"refresh token", func(p *grantedClient) string { return p.RefreshToken }},
		{"access token", func(p *grantedClient) string { return p.AccessToken }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d.kinds(t, func(t *testing.T, p *grantedClient) {
				d.wantActive(t, p.AccessToken)
				for range 2 { // the second revocation has no effect
					if a := p.post(t, "/revoke", "token", tt.token(p)); a.status != 200 {
						t.Errorf("POST /revoke = %d %s, want 200", a.status, a.body)
					}
				}
				p.wantRefreshError(t, "a refresh token that was revoked", p.RefreshToken)
				d.wantInactive(t, p.AccessToken, "an access token of a grant that was revoked")
			})
		})
	}
}

// Deleting the client ends its grants.
func TestDeletionEndsTheGrant(t *testing.T) { each(t, testDeletionEndsTheGrant, broker.ModeBrokered) }

func testDeletionEndsTheGrant(t *testing.T, d *deployment) {
	d.needsInitialAccessToken(t)
	p := d.grant(t, walk.Options{InitialAccessToken: d.initialAccessToken})
	d.wantActive(t, p.AccessToken)
	exchange{send: "DELETE " + strings.TrimPrefix(p.ManageURI, d.base), header: []string{bearer(p.ManageToken)}, status: 204}.run(t, d)
	wantError(t, "refresh", p.post(t, "/token", "grant_type", "refresh_token", "refresh_token", p.RefreshToken), 401, "invalid_client")
	d.wantInactive(t, p.AccessToken, "an access token of a deleted client")
	if d.stack == nil {
		return
	}
	// The app client stays after the janitor's next run: other clients share it.
	if err := d.stack.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := d.grant(t, walk.Options{InitialAccessToken: d.initialAccessToken})
	if got, want := appClientOf(t, other.Outcome), appClientOf(t, p.Outcome); got != want {
		t.Errorf("app client = %s of another client, want %s, that of the deleted one", got, want)
	}
}

// An app client of a client with client_credentials ends with its registration.
func TestDeletionEndsTheAppClientOfAMachine(t *testing.T) {
	each(t, testDeletionEndsTheAppClientOfAMachine, broker.ModeBrokered)
}

func testDeletionEndsTheAppClientOfAMachine(t *testing.T, d *deployment) {
	d.needsInitialAccessToken(t)
	if d.stack == nil {
		t.Skip("not run: needs the local stack, without E2E_BASE_URL")
	}
	r := d.register(t, `{"grant_types":["client_credentials"]}`, bearer(d.initialAccessToken))
	exchange{send: "POST /token", header: []string{formBody, basic(r.id, r.secret)}, body: "grant_type=client_credentials", status: 200}.run(t, d)
	before := d.stack.Pool.Calls("DeleteUserPoolClient")
	exchange{send: "DELETE " + r.path, header: []string{bearer(r.token)}, status: 204}.run(t, d)
	if err := d.stack.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := d.stack.Pool.Calls("DeleteUserPoolClient"); got != before+1 {
		t.Errorf("%d app clients deleted, want 1", got-before)
	}
}

// introspect introspects a token as the MCP server does.
func (d *deployment) introspect(t *testing.T, token string) answer {
	t.Helper()
	needs(t, "E2E_INTROSPECTION_ID", d.introspection.id)
	needs(t, "E2E_INTROSPECTION_SECRET", d.introspection.secret)
	return exchange{
		send: "POST /introspect", header: []string{formBody, basic(d.introspection.id, d.introspection.secret)},
		body: url.Values{"token": {token}}.Encode(), status: 200, headers: map[string]string{"Cache-Control": "no-store"},
	}.run(t, d)
}

func (d *deployment) wantActive(t *testing.T, token string) {
	t.Helper()
	if d.introspection.id == "" {
		return // the test still checks the token endpoint
	}
	if a := d.introspect(t, token); a.member("active") != "true" {
		t.Errorf("POST /introspect = %s, want it active", a.body)
	}
}

func (d *deployment) wantInactive(t *testing.T, token, what string) {
	t.Helper()
	if d.introspection.id == "" {
		return
	}
	// The answer must not give a reason or a client (RFC 7662 §2.2).
	if a := d.introspect(t, token); a.member("active") != "false" || len(a.object) != 1 {
		t.Errorf("POST /introspect of %s = %s, want only that it is inactive", what, a.body)
	}
}

func TestIntrospection(t *testing.T) { each(t, testIntrospection, broker.ModeBrokered) }

func testIntrospection(t *testing.T, d *deployment) {
	p := d.grant(t, walk.Options{})
	a := d.introspect(t, p.AccessToken)
	for name, pattern := range map[string]string{
		"active":     "true",
		"client_id":  p.ClientID, // the broker's client, not the app client in the token
		"username":   ".+",
		"sub":        ".+",
		"scope":      `mcp/\S+( mcp/\S+)*`, // openid is not a scope of resources
		"aud":        regexp.QuoteMeta(d.mcp),
		"token_type": "Bearer",
		"exp":        `\d+`,
		"iat":        `\d+`,
	} {
		match(t, name, a.member(name), pattern)
	}

	d.wantInactive(t, p.RefreshToken, "a refresh token")
	d.wantInactive(t, "anything", "no token")
	signature := strings.LastIndex(p.AccessToken, ".") + 1
	d.wantInactive(t, p.AccessToken[:signature]+strings.Repeat("A", len(p.AccessToken)-signature), "a token with another signature")

	credentials := basic(d.introspection.id, d.introspection.secret)
	form := "token=" + url.QueryEscape(p.AccessToken)
	unknown, challenged := map[string]string{"error": "invalid_client"}, map[string]string{"WWW-Authenticate": "Basic .*"}
	d.run(t, []exchange{
		{name: "credentials in the body", send: "POST /introspect", header: []string{formBody}, status: 200, members: map[string]string{"active": "true"},
			body: form + "&client_id=" + url.QueryEscape(d.introspection.id) + "&client_secret=" + url.QueryEscape(d.introspection.secret)},
		{name: "no credentials", send: "POST /introspect", header: []string{formBody}, body: form, status: 401, members: unknown},
		{name: "another secret", send: "POST /introspect", header: []string{formBody, basic(d.introspection.id, "another")}, body: form, status: 401, members: unknown, headers: challenged},
		{name: "an unknown resource", send: "POST /introspect", header: []string{formBody, basic("unknown", d.introspection.secret)}, body: form, status: 401, members: unknown, headers: challenged},
		{name: "the client itself", send: "POST /introspect", header: []string{formBody}, body: form + "&client_id=" + p.ClientID, status: 401, members: unknown},
		{name: "no token", send: "POST /introspect", header: []string{formBody, credentials}, body: "token=", status: 400, members: map[string]string{"error": "invalid_request"}},
		{name: "JSON", send: "POST /introspect", header: []string{jsonBody, credentials}, body: `{"token":"a"}`, status: 415},
		{name: "GET", send: "GET /introspect", status: 405, headers: map[string]string{"Allow": ".*POST.*"}},
	})
}

// sub of a client credentials token is the client.
func TestIntrospectionOfClientCredentials(t *testing.T) {
	each(t, testIntrospectionOfClientCredentials, broker.ModeBrokered)
}

func testIntrospectionOfClientCredentials(t *testing.T, d *deployment) {
	d.needsInitialAccessToken(t)
	r := d.register(t, `{"grant_types":["client_credentials"]}`, bearer(d.initialAccessToken))
	a := d.send(t, "POST /token", "grant_type=client_credentials", formBody, basic(r.id, r.secret))
	token := a.member("access_token")
	got := d.introspect(t, token)
	for name, pattern := range map[string]string{"active": "true", "client_id": r.id, "sub": r.id, "scope": `mcp/\S+( mcp/\S+)*`} {
		match(t, name, got.member(name), pattern)
	}
	exchange{send: "DELETE " + r.path, header: []string{bearer(r.token)}, status: 204}.run(t, d)
	d.wantInactive(t, token, "an access token of a deleted client")
}
