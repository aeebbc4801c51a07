package e2e

import (
	"net/url"
	"strings"
	"testing"
)

// code returns a token request with an invalid code.
func code(clientID string) string {
	return "grant_type=authorization_code&code=00000000-0000-0000-0000-000000000000&code_verifier=" + anyVerifier +
		"&redirect_uri=" + url.QueryEscape("http://127.0.0.1:33418/callback") + "&client_id=" + clientID
}

func TestTokenRequestsOfUnknownClients(t *testing.T) { each(t, testTokenRequestsOfUnknownClients) }

func testTokenRequestsOfUnknownClients(t *testing.T, d *deployment) {
	unknown := map[string]string{"error": "invalid_client"}
	challenged := map[string]string{"WWW-Authenticate": `Basic .*`}
	none := map[string]string{"WWW-Authenticate": ""} // a browser would ask for a password
	refresh := "grant_type=refresh_token&refresh_token=a"
	d.run(t, []exchange{
		{name: "no client", send: "POST /token", header: []string{formBody}, body: refresh, status: 401, members: unknown, headers: none},
		{name: "in the body", send: "POST /token", header: []string{formBody}, body: code("unknown"), status: 401, members: unknown, headers: none},
		{name: "with a secret in the body", send: "POST /token", header: []string{formBody}, body: refresh + "&client_id=unknown&client_secret=a", status: 401, members: unknown, headers: none},
		{name: "in the header", send: "POST /token", header: []string{formBody, basic("unknown", "secret")}, body: refresh, status: 401, members: unknown, headers: challenged},
		{name: "with invalid Base64 in the header", send: "POST /token", header: []string{formBody, "Authorization: Basic ???"}, body: refresh, status: 401, members: unknown, headers: challenged},
		{name: "with an impossible id", send: "POST /token", header: []string{formBody}, body: refresh + "&client_id=%22%3Cscript%3E", status: 401, members: unknown},
		{name: "at the revocation endpoint", send: "POST /revoke", header: []string{formBody}, body: "token=a&client_id=unknown", status: 401, members: unknown},
		{name: "in two ways", send: "POST /token", header: []string{formBody, basic("a", "b")}, body: refresh + "&client_id=a&client_secret=b", status: 400, members: map[string]string{"error": "invalid_request"}},
	})
}

func TestMalformedTokenRequests(t *testing.T) { each(t, testMalformedTokenRequests) }

func testMalformedTokenRequests(t *testing.T, d *deployment) {
	bad := map[string]string{"error": "invalid_request"}
	d.run(t, []exchange{
		{name: "JSON", send: "POST /token", header: []string{jsonBody}, body: `{"grant_type":"refresh_token"}`, status: 415},
		{name: "too large", send: "POST /token", header: []string{formBody}, body: "grant_type=refresh_token&x=" + strings.Repeat("a", 64<<10), status: 413},
		{name: "a parameter twice", send: "POST /token", header: []string{formBody}, body: "grant_type=refresh_token&client_id=a&client_id=b", status: 400, members: bad},
		{name: "half an escape", send: "POST /token", header: []string{formBody}, body: "grant_type=refresh_token&client_id=%4", status: 400, members: bad},
	})
}

func TestTokenRequestsOfAPublicClient(t *testing.T) { each(t, testTokenRequestsOfAPublicClient) }

func testTokenRequestsOfAPublicClient(t *testing.T, d *deployment) {
	r := d.register(t, publicClient)
	id := "&client_id=" + r.id
	bad := map[string]string{"error": "invalid_request"}
	d.run(t, []exchange{
		{name: "no grant type", send: "POST /token", header: []string{formBody}, body: id[1:], status: 400, members: bad},
		{name: "an unsupported grant type", send: "POST /token", header: []string{formBody}, body: "grant_type=password&username=a&password=b" + id, status: 400, members: map[string]string{"error": "unsupported_grant_type"}},
		{name: "a grant type of other clients", send: "POST /token", header: []string{formBody}, body: "grant_type=client_credentials" + id, status: 400, members: map[string]string{"error": "unauthorized_client"}},
		{name: "no code", send: "POST /token", header: []string{formBody}, body: "grant_type=authorization_code&code_verifier=" + anyVerifier + id, status: 400, members: bad},
		// Cognito would accept it, OAuth 2.1 does not.
		{name: "no verifier", send: "POST /token", header: []string{formBody}, body: strings.Replace(code(r.id), "&code_verifier="+anyVerifier, "", 1), status: 400, members: bad},
		{name: "an unknown code", send: "POST /token", header: []string{formBody}, body: code(r.id), status: 400, members: map[string]string{"error": "invalid_grant"}},
		{name: "several resources", send: "POST /token", header: []string{formBody}, body: code(r.id) + "&resource=https%3A%2F%2Fa.example&resource=https%3A%2F%2Fb.example", status: 400, members: map[string]string{"error": "invalid_(grant|target)"}},
		{name: "an unknown refresh token", send: "POST /token", header: []string{formBody}, body: "grant_type=refresh_token&refresh_token=a" + id, status: 400, members: map[string]string{"error": "invalid_grant"}},
		{name: "a secret for a public client", send: "POST /token", header: []string{formBody}, body: code(r.id) + "&client_secret=a", status: 401, members: map[string]string{"error": "invalid_client"}},
	})
}

func TestTokenRequestsOfAConfidentialClient(t *testing.T) {
	each(t, testTokenRequestsOfAConfidentialClient)
}

func testTokenRequestsOfAConfidentialClient(t *testing.T, d *deployment) {
	d.needsInitialAccessToken(t)
	r := d.register(t, `{"redirect_uris":["http://127.0.0.1:33418/callback"]}`, bearer(d.initialAccessToken))
	noGrant := map[string]string{"error": "invalid_grant"} // the client was authenticated
	noClient := map[string]string{"error": "invalid_client"}
	body := code(r.id)
	header := strings.Replace(body, "&client_id="+r.id, "", 1)
	d.run(t, []exchange{
		{name: "secret in the header", send: "POST /token", header: []string{formBody, basic(r.id, r.secret)}, body: header, status: 400, members: noGrant},
		{name: "secret in the header, form-encoded", send: "POST /token", header: []string{formBody, basic(url.QueryEscape(r.id), url.QueryEscape(r.secret))}, body: header, status: 400, members: noGrant},
		{name: "secret in the body", send: "POST /token", header: []string{formBody}, body: body + "&client_secret=" + url.QueryEscape(r.secret), status: 400, members: noGrant},
		{name: "no secret", send: "POST /token", header: []string{formBody}, body: body, status: 401, members: noClient},
		// Cognito answers 400, after which clients do not register again.
		{name: "another secret in the header", send: "POST /token", header: []string{formBody, basic(r.id, "another")}, body: header, status: 401, members: noClient, headers: map[string]string{"WWW-Authenticate": "Basic .*"}},
		{name: "another secret in the body", send: "POST /token", header: []string{formBody}, body: body + "&client_secret=another", status: 401, members: noClient},
	})
}

func TestClientCredentials(t *testing.T) { each(t, testClientCredentials) }

func testClientCredentials(t *testing.T, d *deployment) {
	d.needsInitialAccessToken(t)
	r := d.register(t, `{"grant_types":["client_credentials"]}`, bearer(d.initialAccessToken))
	exchange{
		send: "POST /token", header: []string{formBody, basic(r.id, r.secret)}, body: "grant_type=client_credentials", status: 200,
		headers: map[string]string{"Cache-Control": "no-store", "Content-Type": "application/json"},
		members: map[string]string{"access_token": `[^.]+\.[^.]+\.[^.]+`, "token_type": "Bearer", "expires_in": `\d+`, "scope": `\S.*`, "refresh_token": "", "id_token": ""},
	}.run(t, d)
	d.run(t, []exchange{
		{name: "a code", send: "POST /token", header: []string{formBody, basic(r.id, r.secret)}, body: strings.Replace(code(r.id), "&client_id="+r.id, "", 1),
			status: 400, members: map[string]string{"error": "unauthorized_client"}},
	})
	unknown := exchange{name: "a scope that does not exist", send: "POST /token", header: []string{formBody, basic(r.id, r.secret)},
		body: "grant_type=client_credentials&scope=nothing%2Fof-ours", status: 400, members: map[string]string{"error": "invalid_scope"}}
	if d.brokered() { // it gets the default
		unknown.status, unknown.members = 200, map[string]string{"scope": `mcp/\S.*`}
	}
	d.run(t, []exchange{unknown})
}

func TestRevocation(t *testing.T) { each(t, testRevocation) }

func testRevocation(t *testing.T, d *deployment) {
	r := d.register(t, publicClient)
	d.run(t, []exchange{
		{name: "no token", send: "POST /revoke", header: []string{formBody}, body: "client_id=" + r.id, status: 400, members: map[string]string{"error": "invalid_request"}},
		// RFC 7009 §2.2: an invalid token is not an error.
		{name: "an unknown token", send: "POST /revoke", header: []string{formBody}, body: "token=a&client_id=" + r.id, status: 200},
	})
}
