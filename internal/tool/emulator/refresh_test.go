package emulator_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
)

func refreshForm(client, token string) url.Values {
	return formOf("grant_type", "refresh_token", "client_id", client, "refresh_token", token)
}

func TestRefreshWithoutRotation(t *testing.T) {
	l := start(t, nil)
	a := *l.create(refreshingClient()).ClientId
	b := *l.create(refreshingClient()).ClientId
	first := l.redeem(a, l.code(a, nil), nil)
	token := first.text("refresh_token")
	_, before := l.claims(first.text("access_token"))
	l.clock.Advance(time.Hour)
	got := l.post("/oauth2/token", refreshForm(a, token), "", "")
	if got.status != 200 || got.body["refresh_token"] != nil || got.text("id_token") == "" {
		t.Fatalf("got %d %v, want new tokens and no refresh token", got.status, slices.Sorted(maps.Keys(got.body)))
	}
	_, after := l.claims(got.text("access_token"))
	for _, same := range []string{"sub", "scope", "origin_jti", "event_id", "auth_time"} {
		if before[same] != after[same] {
			t.Errorf("%s = %v after the refresh, want %v", same, after[same], before[same])
		}
	}
	if before["jti"] == after["jti"] || after["iat"] != before["iat"].(float64)+3600 {
		t.Errorf("jti, iat = %v, %v, want new ones", after["jti"], after["iat"])
	}
	wantOAuthError(t, l.post("/oauth2/token", refreshForm(b, token), "", ""), 400, "invalid_grant")
	l.clock.Advance(30*24*time.Hour - time.Hour)
	wantOAuthError(t, l.post("/oauth2/token", refreshForm(a, token), "", ""), 400, "invalid_grant")
}

func TestRefreshNeedsItsFlowOrRotation(t *testing.T) {
	l := start(t, nil)
	a := l.create(refreshingClient()).ClientId
	token := l.redeem(*a, l.code(*a, nil), nil).text("refresh_token")
	in := &cip.UpdateUserPoolClientInput{
		UserPoolId: aws.String(pool), ClientId: a, AllowedOAuthFlowsUserPoolClient: true, AllowedOAuthFlows: []types.OAuthFlowType{"code"},
		AllowedOAuthScopes: []string{"openid", "email", apiScope}, CallbackURLs: []string{callback}, SupportedIdentityProviders: []string{"COGNITO"},
	}
	update := func() {
		t.Helper()
		if _, err := l.sdk.UpdateUserPoolClient(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	update() // without flows
	wantOAuthError(t, l.post("/oauth2/token", refreshForm(*a, token), "", ""), 400, "unauthorized_client")
	in.RefreshTokenRotation = &types.RefreshTokenRotationType{Feature: "ENABLED"}
	update()
	if got := l.post("/oauth2/token", refreshForm(*a, token), "", ""); got.status != 200 {
		t.Errorf("with rotation: %d %s, want 200", got.status, got.raw)
	}
}

func TestRefreshWithRotation(t *testing.T) {
	l := start(t, nil)
	in := publicClient()
	in.RefreshTokenRotation = &types.RefreshTokenRotationType{Feature: "ENABLED", RetryGracePeriodSeconds: aws.Int32(10)}
	a := *l.create(in).ClientId
	first := l.redeem(a, l.code(a, nil), nil).text("refresh_token")
	second := l.post("/oauth2/token", refreshForm(a, first), "", "").text("refresh_token")
	if second == "" || second == first {
		t.Fatalf("the refresh brought no new refresh token")
	}
	l.clock.Advance(9 * time.Second)
	if got := l.post("/oauth2/token", refreshForm(a, first), "", ""); got.status != 200 {
		t.Errorf("the old token in its grace period: %d %s, want 200", got.status, got.raw)
	}
	l.clock.Advance(time.Second)
	wantOAuthError(t, l.post("/oauth2/token", refreshForm(a, first), "", ""), 400, "invalid_grant")

	l.clock.Advance(29 * 24 * time.Hour)
	third := l.post("/oauth2/token", refreshForm(a, second), "", "").text("refresh_token")
	if third == "" {
		t.Fatal("on day 29 the refresh brought no refresh token")
	}
	l.clock.Advance(24 * time.Hour) // one day old, but its sign-in is 30 days old
	wantOAuthError(t, l.post("/oauth2/token", refreshForm(a, third), "", ""), 400, "invalid_grant")
}

func TestRotationWithoutGraceRetiresImmediately(t *testing.T) {
	l := start(t, nil)
	in := publicClient()
	in.RefreshTokenRotation = &types.RefreshTokenRotationType{Feature: "ENABLED"}
	a := *l.create(in).ClientId
	token := l.redeem(a, l.code(a, nil), nil).text("refresh_token")
	if got := l.post("/oauth2/token", refreshForm(a, token), "", ""); got.status != 200 {
		t.Fatalf("got %d %s", got.status, got.raw)
	}
	wantOAuthError(t, l.post("/oauth2/token", refreshForm(a, token), "", ""), 400, "invalid_grant")
}

func TestRevoke(t *testing.T) {
	l := start(t, nil)
	in := publicClient()
	in.RefreshTokenRotation = &types.RefreshTokenRotationType{Feature: "ENABLED"}
	a := *l.create(in).ClientId
	first := l.redeem(a, l.code(a, nil), nil)
	second := l.post("/oauth2/token", refreshForm(a, first.text("refresh_token")), "", "")
	revoke := func(client, token string) answer {
		return l.post("/oauth2/revoke", formOf("client_id", client, "token", token), "", "")
	}
	wantOAuthError(t, revoke(a, second.text("access_token")), 400, "unsupported_token_type")
	wantOAuthError(t, revoke(a, ""), 400, "invalid_request")
	wantOAuthError(t, revoke("unknown", second.text("refresh_token")), 400, "invalid_client")
	wantOAuthError(t, revoke(*l.create(publicClient()).ClientId, second.text("refresh_token")), 400, "invalid_request")
	if got := revoke(a, "never-was-a-token"); got.status != 200 {
		t.Errorf("an unknown token: %d %s, want 200", got.status, got.raw)
	}
	bearer := http.Header{"Authorization": {"Bearer " + second.text("access_token")}}
	if got := l.get("/oauth2/userInfo", bearer); got.status != 200 {
		t.Fatalf("userInfo before the revocation: %d %s", got.status, got.raw)
	}

	for range 2 { // the second time it is no longer valid, which is not an error
		if got := revoke(a, second.text("refresh_token")); got.status != 200 || got.raw != "" {
			t.Errorf("revoke: %d %q, want 200 and no body", got.status, got.raw)
		}
	}
	wantOAuthError(t, l.post("/oauth2/token", refreshForm(a, second.text("refresh_token")), "", ""), 400, "invalid_grant")
	wantOAuthError(t, l.get("/oauth2/userInfo", bearer), 401, "invalid_token")

	in = publicClient()
	in.EnableTokenRevocation = aws.Bool(false)
	b := *l.create(in).ClientId
	wantOAuthError(t, revoke(b, l.redeem(b, l.code(b, nil), nil).text("refresh_token")), 400, "invalid_request")
}

func TestUserInfo(t *testing.T) {
	l := start(t, nil)
	a := *l.create(publicClient()).ClientId
	tok := l.redeem(a, l.code(a, formOf("scope", "openid email")), nil)
	got := l.get("/oauth2/userInfo", http.Header{"Authorization": {"Bearer " + tok.text("access_token")}})
	_, claims := l.claims(tok.text("access_token"))
	if got.status != 200 || got.text("email") != "alice@example.com" || got.body["email_verified"] != "true" || got.body["sub"] != claims["sub"] {
		t.Errorf("got %d %s, want the e-mail address and email_verified as a string", got.status, got.raw)
	}
	noOpenID := l.redeem(a, l.code(a, formOf("scope", apiScope)), nil)
	for name, header := range map[string]string{
		"nothing":         "",
		"an ID token":     "Bearer " + tok.text("id_token"),
		"a changed token": "Bearer " + tok.text("access_token") + "x",
		"no openid scope": "Bearer " + noOpenID.text("access_token"),
	} {
		got := l.get("/oauth2/userInfo", http.Header{"Authorization": {header}})
		wantOAuthError(t, got, 401, "invalid_token")
		if !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%s: WWW-Authenticate = %q", name, got.header.Get("WWW-Authenticate"))
		}
	}
	l.clock.Advance(time.Hour)
	wantOAuthError(t, l.get("/oauth2/userInfo", http.Header{"Authorization": {"Bearer " + tok.text("access_token")}}), 401, "invalid_token")
}
