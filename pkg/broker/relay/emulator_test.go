package relay_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/must"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// pool has the endpoints with a local Cognito, which checks requests as Cognito
// does.
type pool struct {
	*stack
	cognito *world.Cognito
	base    string
}

func newPool(t *testing.T) *pool {
	t.Helper()
	cognito := world.NewCognito(t, emulator.Config{
		ResourceServers: []emulator.ResourceServer{{Identifier: "https://mcp.example.com", Scopes: []string{"read", "write"}}},
	})
	return &pool{stack: newStack(t, cognito.URL, forwardResource), cognito: cognito, base: cognito.URL}
}

// register makes an app client with the broker's settings, and a registration
// for it.
func (p *pool) register(method, secret string, grants ...string) (clientID, clientSecret string) {
	p.t.Helper()
	in := map[string]any{
		"UserPoolId": "us-east-1_local00001", "ClientName": "test", "AllowedOAuthFlowsUserPoolClient": true,
		"AllowedOAuthScopes": []string{readScope, writeScope}, "SupportedIdentityProviders": []string{"COGNITO"},
		"ExplicitAuthFlows": []string{"ALLOW_ADMIN_USER_PASSWORD_AUTH"}, "EnableTokenRevocation": true,
	}
	if secret != "" {
		in["ClientSecret"] = secret
	} else {
		in["GenerateSecret"] = method != dcr.AuthNone
	}
	scope := readScope + " " + writeScope
	if grants[0] == dcr.GrantClientCredentials {
		in["AllowedOAuthFlows"] = []string{"client_credentials"}
	} else {
		in["AllowedOAuthFlows"] = []string{"code"}
		in["CallbackURLs"] = []string{callback, "cursor://anysphere.cursor-mcp/oauth/callback"}
		in["AllowedOAuthScopes"] = []string{"openid", readScope, writeScope}
		in["RefreshTokenRotation"] = map[string]any{"Feature": "ENABLED", "RetryGracePeriodSeconds": 0}
		scope = "openid " + scope
	}
	body := must.Marshal(p.t, in)
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "AWSCognitoIdentityProviderService.CreateUserPoolClient")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=local")
	rec := httptest.NewRecorder()
	p.cognito.ServeHTTP(rec, r)
	var out struct {
		UserPoolClient struct{ ClientId, ClientSecret string }
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil || out.UserPoolClient.ClientId == "" {
		p.t.Fatalf("CreateUserPoolClient: %d %s", rec.Code, rec.Body)
	}
	id := out.UserPoolClient.ClientId
	p.clients.add(id, method, scope, grants...)
	return id, out.UserPoolClient.ClientSecret
}

// signIn goes through the sign-in page and returns the code.
func (p *pool) signIn(clientID string, params url.Values) string {
	p.t.Helper()
	challenge := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {callback}, "state": {"s"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	for name, v := range params {
		q[name] = v
	}
	back, err := emulator.NewBrowser().SignIn(p.t.Context(), p.base+"/oauth2/authorize?"+q.Encode(), "alice", "Correct-Horse-9")
	if err != nil {
		p.t.Fatalf("sign in: %v", err)
	}
	code := back.Query().Get("code")
	if code == "" {
		p.t.Fatalf("sign in: no code in %s", back)
	}
	return code
}

func redemption(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}
}

func refreshing(a answer) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.text("refresh_token")}}
}

// by returns the form with the client's id in it.
func by(id string, form url.Values) string {
	form.Set("client_id", id)
	return form.Encode()
}

func (a answer) wantTokens(t *testing.T, scope string, names ...string) {
	t.Helper()
	if a.status != http.StatusOK || a.text("token_type") != "Bearer" || a.body["expires_in"] != 3600.0 || !sameScopes(a.text("scope"), scope) {
		t.Fatalf("got %d %s, want a bearer token for an hour with scope %q", a.status, a.raw, scope)
	}
	for _, name := range names {
		if a.text(name) == "" {
			t.Errorf("no %s: %s", name, a.raw)
		}
	}
}

// sameScopes compares without order: Cognito returns the scopes of an app client
// in an order of its own.
func sameScopes(a, b string) bool {
	return slices.Equal(slices.Sorted(strings.FieldsSeq(a)), slices.Sorted(strings.FieldsSeq(b)))
}

func TestPublicClientAtTheLocalCognito(t *testing.T) {
	p := newPool(t)
	id, _ := p.register(dcr.AuthNone, "", dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)

	code := p.signIn(id, url.Values{"scope": {"openid " + readScope}})
	first := p.post("/token", "", by(id, redemption(code)))
	first.wantTokens(t, "openid "+readScope, "access_token", "id_token", "refresh_token")
	p.post("/token", "", by(id, redemption(code))).wantRefusal(t, 400, "invalid_grant")

	second := p.post("/token", "", by(id, refreshing(first)))
	second.wantTokens(t, "openid "+readScope, "access_token", "id_token", "refresh_token")
	if second.text("refresh_token") == first.text("refresh_token") {
		t.Error("the refresh token was not rotated")
	}
	p.post("/token", "", by(id, refreshing(first))).wantRefusal(t, 400, "invalid_grant")

	token := url.Values{"token": {second.text("access_token")}, "token_type_hint": {"access_token"}}
	p.post("/revoke", "", by(id, token)).wantRefusal(t, 400, "unsupported_token_type")
	token.Set("token", second.text("refresh_token"))
	for range 2 { // revoking again is a success (RFC 7009 §2.2)
		if a := p.post("/revoke", "", by(id, token)); a.status != 200 {
			t.Errorf("revoke: got %d %s, want 200", a.status, a.raw)
		}
	}
	p.post("/token", "", by(id, refreshing(second))).wantRefusal(t, 400, "invalid_grant")
}

func TestSecretClientAtTheLocalCognito(t *testing.T) {
	for _, secret := range []string{"", "plus+in+a+secret+of+our+own"} {
		p := newPool(t)
		id, secret := p.register(dcr.AuthSecretBasic, secret, dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
		ways := map[string]func(url.Values) answer{
			"raw header":     func(v url.Values) answer { return p.post("/token", basic(id, secret), v.Encode()) },
			"encoded header": func(v url.Values) answer { return p.post("/token", basic(id, url.QueryEscape(secret)), v.Encode()) },
			"body": func(v url.Values) answer {
				v.Set("client_secret", secret)
				return p.post("/token", "", by(id, v))
			},
		}
		for name, ask := range ways {
			first := ask(redemption(p.signIn(id, nil)))
			first.wantTokens(t, "openid "+readScope+" "+writeScope, "access_token", "id_token", "refresh_token")
			second := ask(refreshing(first))
			second.wantTokens(t, "openid "+readScope+" "+writeScope, "access_token", "refresh_token")
			v := url.Values{"token": {second.text("refresh_token")}, "client_secret": {secret}}
			if a := p.post("/revoke", "", by(id, v)); a.status != 200 {
				t.Errorf("%s: revoke: got %d %s, want 200", name, a.status, a.raw)
			}
		}

		wrong := basic(id, "wr0ngwr0ngwr0ngwr0ngwr0ng")
		a := p.post("/token", wrong, redemption(p.signIn(id, nil)).Encode())
		a.wantRefusal(t, 401, "invalid_client")
		if a.header.Get("WWW-Authenticate") == "" {
			t.Error("no challenge for a wrong secret in the header")
		}
		p.post("/revoke", wrong, "token=x").wantRefusal(t, 401, "invalid_client")
	}
}

func TestMachineClientAtTheLocalCognito(t *testing.T) {
	p := newPool(t)
	id, secret := p.register(dcr.AuthSecretPost, "", dcr.GrantClientCredentials)
	a := p.post("/token", basic(id, secret), "grant_type=client_credentials")
	a.wantTokens(t, readScope+" "+writeScope, "access_token")
	if a.text("refresh_token") != "" {
		t.Errorf("got a refresh token: %s", a.raw)
	}
	p.post("/token", basic(id, secret), "grant_type=client_credentials&resource="+calendar+"&scope="+readScope).
		wantTokens(t, readScope, "access_token")
	p.post("/token", basic(id, "wr0ngwr0ngwr0ngwr0ngwr0ng"), "grant_type=client_credentials").wantRefusal(t, 401, "invalid_client")
}

func TestCodesAtTheLocalCognitoAreBound(t *testing.T) {
	p := newPool(t)
	id, _ := p.register(dcr.AuthNone, "", dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
	other, _ := p.register(dcr.AuthNone, "", dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
	with := func(name, value string) url.Values {
		v := redemption(p.signIn(id, nil))
		v.Set(name, value)
		return v
	}
	p.post("/token", "", by(id, with("code_verifier", verifier[1:]+"x"))).wantRefusal(t, 400, "invalid_grant")
	p.post("/token", "", by(other, with("state", "s"))).wantRefusal(t, 400, "invalid_grant")
	// Registered, but not the one of the authorization request: Cognito answers
	// unauthorized_client.
	p.post("/token", "", by(id, with("redirect_uri", "cursor://anysphere.cursor-mcp/oauth/callback"))).wantRefusal(t, 400, "invalid_grant")

	// A request that the broker itself refuses does not use up the code.
	v := redemption(p.signIn(id, nil))
	v.Del("code_verifier")
	p.post("/token", "", by(id, v)).wantRefusal(t, 400, "invalid_request")
	v.Set("code_verifier", verifier)
	p.post("/token", "", by(id, v)).wantTokens(t, "openid "+readScope+" "+writeScope, "access_token")
}

func TestDeletedAppClientIsAnUnknownClient(t *testing.T) {
	p := newPool(t)
	p.clients.add("gone0000000000000000000000", dcr.AuthNone, "openid", dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
	p.post("/token", "", by("gone0000000000000000000000", redemption("x"))).wantRefusal(t, 401, "invalid_client")
	p.post("/revoke", "", by("gone0000000000000000000000", url.Values{"token": {"x"}})).wantRefusal(t, 401, "invalid_client")
}

func TestFaultsOfTheLocalCognito(t *testing.T) {
	for _, effect := range []emulator.Effect{
		emulator.FailBefore, emulator.FailAfter, emulator.CutBefore, emulator.CutAfter, emulator.Throttle,
	} {
		p := newPool(t)
		id, _ := p.register(dcr.AuthNone, "", dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
		form := by(id, redemption(p.signIn(id, nil)))
		p.cognito.Faults().Inject("token", emulator.Fault{Effect: effect, Times: 1})
		first := p.post("/token", "", form)
		first.wantRefusal(t, 503, "temporarily_unavailable")
		if got, want := first.text("error_description"), "start over with a new authorization request"; !strings.Contains(got, want) {
			t.Errorf("error_description = %q, want %q in it: the code may be used up", got, want)
		}
		again := p.post("/token", "", form)
		switch effect {
		case emulator.FailAfter, emulator.CutAfter:
			again.wantRefusal(t, 400, "invalid_grant") // the code was used up, and the client authorizes again
		default:
			again.wantTokens(t, "openid "+readScope+" "+writeScope, "access_token")
		}

		form = by(id, url.Values{"token": {"eyJ.of.no.known.kind"}})
		p.cognito.Faults().Inject("revoke", emulator.Fault{Effect: effect, Times: 1})
		p.post("/revoke", "", form).wantRefusal(t, 503, "temporarily_unavailable")
		if a := p.post("/revoke", "", form); a.status != 200 {
			t.Errorf("effect %d: revoke again: got %d %s, want 200", effect, a.status, a.raw)
		}
	}
}
