package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/internal/tool/walk"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// needsLocalCognito skips the test for a real Cognito, which must not be
// attacked.
func (d *deployment) needsLocalCognito(t *testing.T) {
	t.Helper()
	if d.stack == nil {
		t.Skip("not run: needs the local Cognito")
	}
}

// atCognito sends a form to an endpoint of the local Cognito's domain, and
// returns the status and the error code.
func (d *deployment) atCognito(t *testing.T, path string, form url.Values, header ...string) (int, string) {
	t.Helper()
	req := must.Request(t, http.MethodPost, d.stack.Cognito+path, form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return d.sendToCognito(t, req, header, "error")
}

// initiateAuth begins a sign-in at Cognito's API, which needs no AWS rights.
func (d *deployment) initiateAuth(t *testing.T, app, flow string, params map[string]string) (int, string) {
	t.Helper()
	body := must.Marshal(t, map[string]any{"ClientId": app, "AuthFlow": flow, "AuthParameters": params})
	req := must.Request(t, http.MethodPost, d.stack.Cognito+"/", string(body))
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	return d.sendToCognito(t, req, []string{"X-Amz-Target: AWSCognitoIdentityProviderService.InitiateAuth"}, "__type")
}

func (d *deployment) sendToCognito(t *testing.T, req *http.Request, header []string, code string) (int, string) {
	t.Helper()
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	a := answerOf(t, req.URL.Path, res)
	return a.status, a.member(code)
}

// Every access token has the client_id of the broker's app client. That id
// gives an attacker nothing: Cognito's endpoints require the secret as well,
// and Cognito redirects only to the broker.
func TestTheAppClientIDOfATokenGivesNoAccess(t *testing.T) {
	each(t, testTheAppClientIDOfATokenGivesNoAccess, broker.ModeBrokered)
}

func testTheAppClientIDOfATokenGivesNoAccess(t *testing.T, d *deployment) {
	d.needsLocalCognito(t)
	outcome := d.walk(t, walk.Options{})
	app := appClientOf(t, outcome)
	signIn := url.Values{
		"response_type": {"code"}, "client_id": {app}, "redirect_uri": {d.base + "/callback"}, "scope": {"openid mcp/read"}, "state": {"x"},
		"code_challenge": {anyChallenge}, "code_challenge_method": {"S256"},
	}
	with := func(name, value string) string {
		v := url.Values{}
		for k := range signIn {
			v.Set(k, signIn.Get(k))
		}
		v.Set(name, value)
		return d.stack.Cognito + "/oauth2/authorize?" + v.Encode()
	}

	t.Run("no other redirect URI", func(t *testing.T) {
		for _, uri := range []string{"https://evil.example.com/cb", redirectURI, d.base + "/callback/x", d.base + "/", "http://localhost:1/callback"} {
			if to, err := emulator.NewBrowser().SignIn(t.Context(), with("redirect_uri", uri), d.username, d.password); err == nil {
				t.Errorf("redirect_uri %s: redirected to %s", uri, to)
			}
		}
	})
	t.Run("no implicit flow", func(t *testing.T) {
		to, err := emulator.NewBrowser().SignIn(t.Context(), with("response_type", "token"), d.username, d.password)
		if err == nil && (strings.Contains(to.Fragment, "access_token") || to.Query().Has("code")) {
			t.Errorf("sent to %s", to)
		}
	})
	t.Run("a code of the attacker", func(t *testing.T) {
		// The attacker signs in with their own verifier and state. Cognito sends
		// the code to the broker; assume that the attacker intercepts it.
		to, err := emulator.NewBrowser().SignIn(t.Context(), with("state", "x"), d.username, d.password)
		if err != nil {
			t.Fatal(err)
		}
		code := to.Query().Get("code")
		// The broker accepts it only from a browser that it has redirected to
		// Cognito, and removes it from the address bar.
		a := d.fetch(t, "GET /callback?"+to.RawQuery, "")
		if location := a.header.Get("Location"); a.status != http.StatusSeeOther || strings.Contains(location, code) || !strings.HasPrefix(location, "/callback?problem=") {
			t.Errorf("the callback = %d to %q, want a page of the broker without the code", a.status, location)
		}
		form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {d.base + "/callback"}, "code_verifier": {anyVerifier}, "client_id": {app}}
		for _, secret := range []string{"", "-", "x", outcome.ClientID} {
			if form.Set("client_secret", secret); secret == "-" {
				form.Del("client_secret")
			}
			if status, code := d.atCognito(t, "/oauth2/token", form); status == http.StatusOK || code != "invalid_client" {
				t.Errorf("Cognito redeems the code without the secret: %d %q, want invalid_client", status, code)
			}
		}
		form.Set("client_id", outcome.ClientID)
		if a := d.send(t, "POST /token", form.Encode(), formBody); a.status == http.StatusOK || a.member("access_token") != "" {
			t.Errorf("the broker redeems Cognito's code: %d %s", a.status, a.body)
		}
	})
	t.Run("no token without the secret", func(t *testing.T) {
		for _, form := range []url.Values{
			{"grant_type": {"client_credentials"}, "client_id": {app}},
			{"grant_type": {"client_credentials"}, "client_id": {app}, "client_secret": {"x"}, "scope": {"mcp/read"}},
			{"grant_type": {"refresh_token"}, "client_id": {app}, "refresh_token": {outcome.RefreshToken}},
			{"grant_type": {"password"}, "client_id": {app}, "username": {d.username}, "password": {d.password}},
		} {
			if status, code := d.atCognito(t, "/oauth2/token", form); status == http.StatusOK {
				t.Errorf("%s = %d %q", form.Get("grant_type"), status, code)
			}
		}
	})
	t.Run("no sign-in without the broker", func(t *testing.T) {
		password := map[string]string{"USERNAME": d.username, "PASSWORD": d.password, "SRP_A": "1"}
		for _, flow := range []string{"USER_PASSWORD_AUTH", "USER_SRP_AUTH", "CUSTOM_AUTH", "USER_AUTH", "ADMIN_USER_PASSWORD_AUTH"} {
			if status, code := d.initiateAuth(t, app, flow, password); status == http.StatusOK || code != "InvalidParameterException" {
				t.Errorf("%s = %d %q, want a flow that is not enabled", flow, status, code)
			}
		}
		for _, token := range []string{outcome.RefreshToken, outcome.AccessToken, "x"} {
			if status, code := d.initiateAuth(t, app, "REFRESH_TOKEN_AUTH", map[string]string{"REFRESH_TOKEN": token}); status == http.StatusOK {
				t.Errorf("REFRESH_TOKEN_AUTH = %d %q", status, code)
			}
		}
	})
	t.Run("not a client of the broker", func(t *testing.T) {
		d.openPage(t, "GET /authorize?"+signIn.Encode(), http.StatusBadRequest, "register again")
		for _, form := range []string{"grant_type=client_credentials", "grant_type=refresh_token&refresh_token=" + outcome.RefreshToken} {
			if a := d.send(t, "POST /token", form+"&client_id="+app, formBody); a.status != http.StatusUnauthorized || a.member("error") != "invalid_client" {
				t.Errorf("%s = %d %s, want 401 invalid_client", form, a.status, a.body)
			}
		}
	})
}

// In brokered mode the functions that face the internet have no permission on
// Cognito's API: registering, changing and deleting clients does not call it.
func TestRegistrationCallsNothingAtCognito(t *testing.T) {
	each(t, testRegistrationCallsNothingAtCognito, broker.ModeBrokered)
}

func testRegistrationCallsNothingAtCognito(t *testing.T, d *deployment) {
	d.needsLocalCognito(t)
	operations := []string{"CreateUserPoolClient", "UpdateUserPoolClient", "CreateManagedLoginBranding"}
	before := make(map[string]int)
	for _, op := range operations {
		before[op] = d.stack.Pool.Calls(op)
	}
	d.register(t, publicClient)
	d.send(t, "POST /register", `{"redirect_uris":["https://evil.example.com/cb"]}`, jsonBody)
	managed := d.registerManaged(t, publicClient)
	d.send(t, "GET "+managed.path, "", bearer(managed.token))
	d.send(t, "PUT "+managed.path, managed.update(`"client_name":"changed","token_endpoint_auth_method":"none"`), jsonBody, bearer(managed.token))
	d.send(t, "DELETE "+managed.path, "", bearer(managed.token))
	machine := d.register(t, `{"grant_types":["client_credentials"],"scope":"mcp/read"}`, bearer(d.initialAccessToken))
	d.send(t, "DELETE "+machine.path, "", bearer(machine.token))
	for _, op := range operations {
		if n := d.stack.Pool.Calls(op) - before[op]; n != 0 {
			t.Errorf("%s was called %d times, want 0", op, n)
		}
	}
}

// A token in a query would appear in logs and browser histories (RFC 7662 §4).
func TestTokensInTheQueryAreRefused(t *testing.T) {
	each(t, testTokensInTheQueryAreRefused, broker.ModeBrokered)
}

func testTokensInTheQueryAreRefused(t *testing.T, d *deployment) {
	d.run(t, []exchange{
		{name: "introspection", send: "GET /introspect?token=a", status: 405, headers: map[string]string{"Allow": ".*POST.*"}},
		{name: "revocation", send: "GET /revoke?token=a&client_id=b", status: 405, headers: map[string]string{"Allow": ".*POST.*"}},
		{name: "token", send: "POST /token?grant_type=refresh_token&refresh_token=a&client_id=b", header: []string{formBody}, status: 401,
			members: map[string]string{"error": "invalid_client"}},
	})
}
