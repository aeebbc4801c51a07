package emulator_test

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// The example of RFC 7636 appendix B.
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// formOf makes url.Values of names and values in turn.
func formOf(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

func pkce() url.Values {
	return formOf("code_challenge", challenge, "code_challenge_method", "S256")
}

func TestCodeFlowIssuesTokens(t *testing.T) {
	l := start(t, nil)
	a := *l.create(publicClient()).ClientId
	extra := pkce()
	extra.Set("nonce", "n-1")
	extra.Set("scope", "openid email "+apiScope)
	got := l.redeem(a, l.code(a, extra), formOf("code_verifier", verifier))
	if got.status != 200 {
		t.Fatalf("token: %d %s", got.status, got.raw)
	}
	members := slices.Sorted(maps.Keys(got.body))
	if want := []string{"access_token", "expires_in", "id_token", "refresh_token", "token_type"}; !slices.Equal(members, want) {
		t.Errorf("token response has %v, want %v", members, want)
	}
	if got.body["expires_in"] != 3600.0 || got.text("token_type") != "Bearer" {
		t.Errorf("expires_in, token_type = %v, %v, want 3600, Bearer", got.body["expires_in"], got.body["token_type"])
	}
	if n := len(strings.Split(got.text("refresh_token"), ".")); n != 5 || len(got.text("refresh_token")) < 1500 {
		t.Errorf("refresh token has %d parts and %d characters, want 5 and some 1700", n, len(got.text("refresh_token")))
	}

	header, access := l.claims(got.text("access_token"))
	if want := []string{"alg", "kid"}; !slices.Equal(slices.Sorted(maps.Keys(header)), want) {
		t.Errorf("token header = %v, want alg and kid only", header)
	}
	wantClaims := []string{
		"auth_time", "client_id", "cognito:groups", "event_id", "exp", "iat", "iss", "jti", "origin_jti", "scope", "sub",
		"token_use", "username", "version",
	}
	if got := slices.Sorted(maps.Keys(access)); !slices.Equal(got, wantClaims) {
		t.Errorf("access token claims = %v, want %v", got, wantClaims)
	}
	now := float64(l.clock.Now().Unix())
	for name, want := range map[string]any{
		"iss": l.base + "/" + pool, "client_id": a, "token_use": "access", "username": "alice", "version": 2.0,
		"scope": "openid email " + apiScope, "iat": now, "auth_time": now, "exp": now + 3600,
	} {
		if access[name] != want {
			t.Errorf("access token: %s = %v, want %v", name, access[name], want)
		}
	}
	_, id := l.claims(got.text("id_token"))
	sum := sha256.Sum256([]byte(got.text("access_token")))
	if want := base64.RawURLEncoding.EncodeToString(sum[:16]); id["at_hash"] != want {
		t.Errorf("at_hash = %v, want %q (OpenID Connect Core 3.1.3.6)", id["at_hash"], want)
	}
	for name, want := range map[string]any{
		"aud": a, "token_use": "id", "cognito:username": "alice", "nonce": "n-1", "email": "alice@example.com",
		"email_verified": true, "sub": access["sub"], "origin_jti": access["origin_jti"], "event_id": access["event_id"],
	} {
		if id[name] != want {
			t.Errorf("ID token: %s = %v, want %v", name, id[name], want)
		}
	}
}

func TestTokensFollowTheScopes(t *testing.T) {
	l := start(t, nil)
	a := *l.create(publicClient()).ClientId
	got := l.redeem(a, l.code(a, formOf("scope", apiScope)), nil)
	if got.body["id_token"] != nil || got.body["refresh_token"] == nil {
		t.Errorf("without openid: %v, want a refresh token and no ID token", slices.Sorted(maps.Keys(got.body)))
	}
	// Without scope the client gets all of its scopes.
	_, access := l.claims(l.redeem(a, l.code(a, nil), nil).text("access_token"))
	if scope, _ := access["scope"].(string); !sameSet(strings.Fields(scope), publicClient().AllowedOAuthScopes) {
		t.Errorf("scope = %v, want the scopes %q", access["scope"], publicClient().AllowedOAuthScopes)
	}
	in := publicClient()
	in.EnableTokenRevocation = aws.Bool(false)
	b := *l.create(in).ClientId
	if _, access = l.claims(l.redeem(b, l.code(b, nil), nil).text("access_token")); access["origin_jti"] != nil {
		t.Errorf("origin_jti = %v with revocation off, want none", access["origin_jti"])
	}
}

func TestCodeIsRefused(t *testing.T) {
	l := start(t, nil)
	a := *l.create(publicClient()).ClientId
	b := *l.create(publicClient()).ClientId
	t.Run("used twice", func(t *testing.T) {
		code := l.code(a, nil)
		if got := l.redeem(a, code, nil); got.status != 200 {
			t.Fatalf("first use: %d %s", got.status, got.raw)
		}
		wantOAuthError(t, l.redeem(a, code, nil), 400, "invalid_grant")
	})
	t.Run("after five minutes", func(t *testing.T) {
		code := l.code(a, nil)
		l.clock.Advance(5*time.Minute - time.Second)
		if got := l.redeem(a, code, nil); got.status != 200 {
			t.Errorf("after 4:59: %d %s, want 200", got.status, got.raw)
		}
		code = l.code(a, nil)
		l.clock.Advance(5 * time.Minute)
		wantOAuthError(t, l.redeem(a, code, nil), 400, "invalid_grant")
	})
	t.Run("from another client", func(t *testing.T) {
		code := l.code(a, nil)
		wantOAuthError(t, l.redeem(b, code, nil), 400, "invalid_grant")
		if got := l.redeem(a, code, nil); got.status != 200 {
			t.Errorf("its own client afterwards: %d %s, want 200", got.status, got.raw)
		}
	})
	t.Run("with another redirect URI", func(t *testing.T) {
		got := l.redeem(a, l.code(a, nil), formOf("redirect_uri", callback+"/"))
		wantOAuthError(t, got, 400, "unauthorized_client")
		if d := got.text("error_description"); d != "invalid_redirect" {
			t.Errorf("error_description = %q, want invalid_redirect", d)
		}
	})
	t.Run("with no verifier", func(t *testing.T) {
		wantOAuthError(t, l.redeem(a, l.code(a, pkce()), nil), 400, "invalid_grant")
	})
	t.Run("with a wrong verifier", func(t *testing.T) {
		wantOAuthError(t, l.redeem(a, l.code(a, pkce()), formOf("code_verifier", verifier+"x")), 400, "invalid_grant")
	})
	t.Run("when the client may not read the attributes", func(t *testing.T) {
		in := publicClient()
		in.ReadAttributes = []string{"email"} // email_verified is missing
		c := *l.create(in).ClientId
		wantOAuthError(t, l.redeem(c, l.code(c, formOf("scope", "openid email")), nil), 400, "invalid_grant")
	})
}

func TestClientAuthentication(t *testing.T) {
	l := start(t, nil)
	pub := *l.create(publicClient()).ClientId
	in := publicClient()
	in.GenerateSecret = true
	made := l.create(in)
	conf, secret := *made.ClientId, *made.ClientSecret

	grant := func(pairs ...string) url.Values {
		return formOf(append([]string{"grant_type", "authorization_code", "code", "made-up"}, pairs...)...)
	}
	for _, tt := range []struct {
		name           string
		form           url.Values
		user, password string
		want           string
	}{
		// An authenticated client with an unknown code gets invalid_grant.
		{"public, id in the body", grant("client_id", pub), "", "", "invalid_grant"},
		{"public with a secret", grant("client_id", pub, "client_secret", "x"), "", "", "invalid_client"},
		{"public with an empty secret", grant("client_id", pub, "client_secret", ""), "", "", "invalid_client"},
		{"public with Basic", grant(), pub, "", "invalid_client"},
		{"confidential with Basic", grant(), conf, secret, "invalid_grant"},
		{"confidential with Basic and its id", grant("client_id", conf), conf, secret, "invalid_grant"},
		{"confidential with post", grant("client_id", conf, "client_secret", secret), "", "", "invalid_grant"},
		{"confidential without secret", grant("client_id", conf), "", "", "invalid_client"},
		{"a wrong secret with Basic", grant(), conf, secret + "x", "invalid_client"},
		{"a wrong secret with post", grant("client_id", conf, "client_secret", "x"), "", "", "invalid_client"},
		{"Basic for one client, the body for another", grant("client_id", pub), conf, secret, "invalid_client"},
		{"Basic and post", grant("client_id", conf, "client_secret", secret), conf, secret, "invalid_grant"},
		{"Basic and a wrong secret with post", grant("client_secret", "x"), conf, secret, "invalid_client"},
		{"post and a wrong secret with Basic", grant("client_secret", secret), conf, "x", "invalid_client"},
		{"no client_id", grant(), "", "", "invalid_request"},
		{"an unknown client", grant("client_id", "unknown"), "", "", "invalid_client"},
		{"no grant type", formOf("client_id", pub), "", "", "invalid_request"},
		{"another grant type", formOf("client_id", pub, "grant_type", "password"), "", "", "unsupported_grant_type"},
		{"a grant the client lacks", formOf("client_id", pub, "grant_type", "client_credentials"), "", "", "unauthorized_client"},
		{"no code", formOf("client_id", pub, "grant_type", "authorization_code"), "", "", "invalid_request"},
		{"two codes", grant("client_id", pub, "code", "another"), "", "", "invalid_request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := l.post("/oauth2/token", tt.form, tt.user, tt.password)
			wantOAuthError(t, got, 400, tt.want)
			if o := got.header.Get("Access-Control-Allow-Origin"); o != "*" {
				t.Errorf("Access-Control-Allow-Origin = %q, want *", o)
			}
		})
	}

	off := publicClient()
	off.AllowedOAuthFlowsUserPoolClient = false
	wantOAuthError(t, l.post("/oauth2/token", grant("client_id", *l.create(off).ClientId), "", ""), 400, "invalid_grant")

	got := l.get("/oauth2/token", nil)
	if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "POST" {
		t.Errorf("GET: %d with Allow %q, want 405 with POST", got.status, got.header.Get("Allow"))
	}
	req := must.Request(t, http.MethodPost, l.base+"/oauth2/token", `{"grant_type":"authorization_code"}`)
	req.Header.Set("Content-Type", "application/json")
	wantOAuthError(t, l.do(req), 400, "invalid_request")
}

func TestClientCredentials(t *testing.T) {
	l := start(t, nil)
	a := l.create(machineClient())
	got := l.post("/oauth2/token", formOf("grant_type", "client_credentials"), *a.ClientId, *a.ClientSecret)
	if got.status != 200 || got.body["refresh_token"] != nil || got.body["id_token"] != nil {
		t.Fatalf("got %d %v, want 200 with an access token only", got.status, slices.Sorted(maps.Keys(got.body)))
	}
	_, claims := l.claims(got.text("access_token"))
	if claims["sub"] != *a.ClientId || claims["client_id"] != *a.ClientId || claims["scope"] != apiScope || claims["username"] != nil {
		t.Errorf("claims = %v", claims)
	}
	wantOAuthError(t, l.post("/oauth2/token", formOf("grant_type", "client_credentials", "scope", "openid"), *a.ClientId, *a.ClientSecret), 400, "invalid_scope")
	wantOAuthError(t, l.post("/oauth2/token", formOf("grant_type", "client_credentials"), *a.ClientId, "x"), 400, "invalid_client")
	got = l.post("/oauth2/token", formOf("grant_type", "client_credentials", "redirect_uri", "https://other.example/"), *a.ClientId, *a.ClientSecret)
	if got.status != 200 {
		t.Errorf("with a redirect_uri: %d %s, want 200", got.status, got.raw)
	}
}

func TestTokenEndpointReadsTheQuery(t *testing.T) {
	l := start(t, nil)
	a := *l.create(publicClient()).ClientId
	form := formOf("grant_type", "authorization_code", "client_id", a, "code", l.code(a, nil), "redirect_uri", callback)
	if got := l.post("/oauth2/token?"+form.Encode(), url.Values{}, "", ""); got.status != 200 || got.text("access_token") == "" {
		t.Errorf("got %d %s, want tokens", got.status, got.raw)
	}
	wantOAuthError(t, l.post("/oauth2/token?client_id="+a, form, "", ""), 400, "invalid_request") // repeated
}

func TestPreflightOfTheTokenEndpoint(t *testing.T) {
	l := start(t, nil)
	req := must.Request(t, http.MethodOptions, l.base+"/oauth2/token", "")
	got := l.do(req)
	if got.status != 204 || got.header.Get("Access-Control-Allow-Origin") != "*" || got.header.Get("Access-Control-Allow-Methods") != "POST" {
		t.Errorf("got %d %v, want 204 for POST from anywhere", got.status, got.header)
	}
	if n := l.Calls("token"); n != 0 {
		t.Errorf("Calls = %d, want a preflight not to count", n)
	}
}
