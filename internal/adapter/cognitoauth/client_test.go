package cognitoauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

var app = broker.AppCredentials{ID: "1a2b3c", Secret: "s3cret+/&%"}

func access(more map[string]any) string {
	claims := map[string]any{"sub": "alice-sub", "iat": 1_900_000_000, "exp": 1_900_003_600, "scope": "openid notes/read", "origin_jti": "origin"}
	for k, v := range more {
		claims[k] = v
	}
	return fake.JWT(claims)
}

func identity(more map[string]any) string {
	claims := map[string]any{"sub": "alice-sub", "aud": app.ID, "cognito:username": "alice", "email": "a@example.com", "email_verified": true, "cognito:groups": []string{"staff"}}
	for k, v := range more {
		claims[k] = v
	}
	return fake.JWT(claims)
}

// cognito is a server in place of Cognito, and a client for it. form, id and
// secret belong to the last request.
type cognito struct {
	*Client
	url    string
	answer http.HandlerFunc
	form   url.Values
	id     string
	secret string
}

func newCognito(t *testing.T, timeout time.Duration) *cognito {
	c := new(cognito)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/oauth2/token" && r.URL.Path != "/oauth2/revoke" {
			t.Errorf("got a request to %s, want one to the token or revocation endpoint", r.URL)
		}
		c.id, c.secret, _ = r.BasicAuth()
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		c.form = r.PostForm
		c.answer(w, r)
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	c.Client = New(Config{
		AuthorizeEndpoint: server.URL + "/oauth2/authorize", LogoutEndpoint: server.URL + "/logout",
		TokenEndpoint: server.URL + "/oauth2/token", RevocationEndpoint: server.URL + "/oauth2/revoke", Timeout: timeout,
	})
	return c
}

// respond returns a handler that always sends this response.
func respond(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		w.Write([]byte(body))
	}
}

func TestRequestsAndTokens(t *testing.T) {
	c := newCognito(t, 0)
	c.answer = respond(200, `{"access_token":"`+access(nil)+`","refresh_token":"r-1","id_token":"`+identity(nil)+`","token_type":"Bearer","expires_in":1}`)
	ctx := t.Context()
	for _, tt := range []struct {
		name string
		call func() (broker.Tokens, error)
		want url.Values
	}{
		{"redeem", func() (broker.Tokens, error) {
			return c.Redeem(ctx, app, "the code", "the verifier", "https://b.example.com/callback")
		}, url.Values{
			"grant_type": {"authorization_code"}, "code": {"the code"}, "code_verifier": {"the verifier"}, "redirect_uri": {"https://b.example.com/callback"},
		}},
		{"refresh", func() (broker.Tokens, error) { return c.Refresh(ctx, app, "r-0") }, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"r-0"}}},
		{"client credentials", func() (broker.Tokens, error) { return c.ClientCredentials(ctx, app, []string{"a/b", "c/d"}) }, url.Values{
			"grant_type": {"client_credentials"}, "scope": {"a/b c/d"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.call()
			if err != nil {
				t.Fatal(err)
			}
			if c.form.Encode() != tt.want.Encode() || c.id != app.ID || c.secret != app.Secret {
				t.Errorf("sent %s as %s:%s, want %s as %s:%s", c.form.Encode(), c.id, c.secret, tt.want.Encode(), app.ID, app.Secret)
			}
			if !got.IssuedAt.Equal(time.Unix(1_900_000_000, 0)) {
				t.Errorf("IssuedAt = %s, want the iat of the access token", got.IssuedAt)
			}
			if got.RefreshToken != "r-1" || !got.ExpiresAt.Equal(time.Unix(1_900_003_600, 0)) || !slices.Equal(got.Scopes, []string{"openid", "notes/read"}) ||
				got.OriginJTI != "origin" || got.Sub != "alice-sub" {
				t.Errorf("got expiry %s, scopes %q, origin_jti %q, sub %q, want the values in the tokens", got.ExpiresAt, got.Scopes, got.OriginJTI, got.Sub)
			}
			u := got.User
			if u.Sub != "alice-sub" || u.Username != "alice" || u.Email != "a@example.com" || !slices.Equal(u.Groups, []string{"staff"}) || !slices.Equal(u.IdentityProviders, []string{"COGNITO"}) {
				t.Errorf("User = %+v, want the one in the ID token", u)
			}
		})
	}
	t.Run("revoke", func(t *testing.T) {
		c.answer = respond(200, "")
		if err := c.Revoke(ctx, app, "r-1"); err != nil {
			t.Fatal(err)
		}
		if c.form.Encode() != "token=r-1" || c.id != app.ID || c.secret != app.Secret {
			t.Errorf("sent %s as %s, want token=r-1 as %s", c.form.Encode(), c.id, app.ID)
		}
	})
	t.Run("addresses for browsers", func(t *testing.T) {
		if got, want := c.AuthorizeURL(url.Values{"a": {"b c"}}), c.url+"/oauth2/authorize?a=b+c"; got != want {
			t.Errorf("authorize: %s, want %s", got, want)
		}
		if got, want := c.LogoutURL("id", "https://b.example.com/signed-out"), c.url+"/logout?client_id=id&logout_uri=https%3A%2F%2Fb.example.com%2Fsigned-out"; got != want {
			t.Errorf("logout: %s, want %s", got, want)
		}
	})
}

func TestUnsuccessfulResponses(t *testing.T) {
	good := `{"access_token":"` + access(nil) + `","token_type":"Bearer"}`
	token := func(claims map[string]any) string { return `{"access_token":"` + access(claims) + `"}` }
	id := func(claims map[string]any) string {
		return `{"access_token":"` + access(nil) + `","id_token":"` + identity(claims) + `"}`
	}
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		code   string // of the error; "" means unavailable
		desc   string // description of the error
	}{
		{"a refusal", respond(400, `{"error":"invalid_grant"}`), "invalid_grant", ""},
		{"a refusal with a reason", respond(400, `{"error":"unauthorized_client","error_description":"invalid_redirect"}`), "unauthorized_client", "invalid_redirect"},
		{"a reason that repeats the code", respond(400, `{"error":"invalid_grant","error_description":"no code the-code here"}`), "invalid_grant", ""},
		{"a reason that repeats the secret", respond(400, `{"error":"invalid_client","error_description":"`+app.Secret+`"}`), "invalid_client", ""},
		{"a reason with quotes", respond(400, `{"error":"invalid_grant","error_description":"a \"b\""}`), "invalid_grant", ""},
		{"a reason with line ends", respond(400, `{"error":"invalid_grant","error_description":"a\nb"}`), "invalid_grant", ""},
		{"a long reason", respond(400, `{"error":"invalid_grant","error_description":"`+strings.Repeat("x", 301)+`"}`), "invalid_grant", ""},
		{"status 401", respond(401, `{"error":"invalid_client"}`), "invalid_client", ""},
		{"no error code", respond(400, `{"message":"x"}`), "", ""},
		{"a made-up error code", respond(400, `{"error":"<script>"}`), "", ""},
		{"not JSON", respond(400, `<html>`), "", ""},
		{"an array", respond(400, `[]`), "", ""},
		{"null", respond(400, `null`), "", ""},
		{"status 500", respond(500, `{"error":"server_error"}`), "", ""},
		{"status 502", respond(502, ``), "", ""},
		{"too many requests", respond(429, `{"error":"too_many_requests"}`), "", ""},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "", ""},
		{"200 without a body", respond(200, ``), "", ""},
		{"200 without a token", respond(200, `{"token_type":"Bearer"}`), "", ""},
		{"200 with a token that is not a string", respond(200, `{"access_token":1}`), "", ""},
		{"a token that is not a JWT", respond(200, `{"access_token":"opaque"}`), "", ""},
		{"a token with a part that is not base64url", respond(200, `{"access_token":"a.%.c"}`), "", ""},
		{"no sub", respond(200, token(map[string]any{"sub": ""})), "", ""},
		{"no iat", respond(200, token(map[string]any{"iat": 0})), "", ""},
		{"exp before iat", respond(200, token(map[string]any{"exp": 1_899_999_999})), "", ""},
		{"no exp", respond(200, token(map[string]any{"exp": 0})), "", ""},
		{"exp out of range", respond(200, token(map[string]any{"exp": 1e18})), "", ""},
		{"exp that is text", respond(200, token(map[string]any{"exp": "soon"})), "", ""},
		{"ID token of another user", respond(200, id(map[string]any{"sub": "bob"})), "", ""},
		{"ID token for another app client", respond(200, id(map[string]any{"aud": "other"})), "", ""},
		{"an ID token that is not a JWT", respond(200, `{"access_token":"`+access(nil)+`","id_token":"x"}`), "", ""},
		{"a body that is too long", respond(200, good+strings.Repeat(" ", maxReply)), "", ""},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte(good))
			panic(http.ErrAbortHandler)
		}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCognito(t, 0)
			c.answer = tt.answer
			_, err := c.Redeem(t.Context(), app, "the-code", "verifier", "https://b.example.com/callback")
			e, ok := errors.AsType[*broker.UpstreamError](err)
			switch {
			case !ok || e.Code != tt.code || e.Code != "" && e.Description != tt.desc:
				t.Errorf("error = %v, want %s %q", err, tt.code, tt.desc)
			case e.WrongRedirect != (tt.desc == "invalid_redirect"):
				t.Errorf("error = %v, WrongRedirect %t", err, e.WrongRedirect)
			case tt.code == "" && (e.RetryAfter <= 0 || !strings.HasPrefix(e.Description, "Cognito ")):
				t.Errorf("error = %v, description %q, want unavailable, with RetryAfter and a description", err, e.Description)
			}
			if err != nil && (strings.Contains(err.Error(), "the-code") || strings.Contains(err.Error(), app.Secret)) {
				t.Errorf("error %q contains a secret", err)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{"": defaultRetry, "7": 7 * time.Second, "0": defaultRetry, "-1": defaultRetry, "x": defaultRetry, "99999": maxRetry} {
		c := newCognito(t, 0)
		c.answer = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(429)
		}
		_, err := c.Refresh(t.Context(), app, "r")
		if e, ok := errors.AsType[*broker.UpstreamError](err); !ok || e.Code != "" || e.RetryAfter != want {
			t.Errorf("Retry-After %q: %v, want %s", header, err, want)
		}
	}
}

func TestThrottledRequestsAreCounted(t *testing.T) {
	c := newCognito(t, time.Second)
	for status, want := range map[int]string{http.StatusTooManyRequests: `"CognitoThrottles":1`, http.StatusBadRequest: ""} {
		c.answer = respond(status, `{"error":"invalid_grant"}`)
		ctx, activity := telemetry.Begin(t.Context(), "id")
		_, err := c.Refresh(ctx, app, "refresh-token")
		if err == nil {
			t.Errorf("Refresh with status %d succeeded", status)
		}
		var line strings.Builder
		activity.Log(ctx, slog.New(slog.NewJSONHandler(&line, nil)), "m")
		if got := line.String(); !strings.Contains(got, want) || want == "" && strings.Contains(got, "CognitoThrottles") {
			t.Errorf("status %d: got the line %s, want CognitoThrottles only for %d", status, got, http.StatusTooManyRequests)
		}
	}
}

func TestTimeoutAndCancellation(t *testing.T) {
	c := newCognito(t, 20*time.Millisecond)
	c.answer = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	_, err := c.Refresh(t.Context(), app, "r")
	if e, ok := errors.AsType[*broker.UpstreamError](err); !ok || e.Code != "" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want unavailable because of the timeout", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Revoke(ctx, app, "r"); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want cancelled", err)
	}
}

// The providers are those of the account, not of this sign-in: a local user whom an
// administrator has linked to a federated identity can use a password too.
func TestIdentityProvidersOfAUser(t *testing.T) {
	type identities = []map[string]any
	okta := map[string]any{"providerName": "Okta", "userId": "00u1", "primary": "true"}
	google := map[string]any{"providerName": "Google", "userId": "109", "primary": "false"}
	for _, tt := range []struct {
		name, username string
		identities     any
		want           []string
	}{
		{"local", "alice", nil, []string{"COGNITO"}},
		{"federated", "Okta_00u1", identities{okta}, []string{"Okta"}},
		{"federated, in a pool whose names have no case", "okta_00u1", identities{okta}, []string{"Okta"}},
		{"the claim is the text of an array", "Okta_00u1", `[{"providerName":"Okta","userId":"00u1","primary":"true"}]`, []string{"Okta"}},
		{"federated, with a second identity linked to it", "Okta_00u1", identities{okta, google}, []string{"Okta", "Google"}},
		{"the identity that made the account comes second", "Google_109", identities{okta, google}, []string{"Okta", "Google"}},
		{"two identities of one provider", "Okta_00u1", identities{okta, {"providerName": "Okta", "userId": "00u2"}}, []string{"Okta"}},
		{"local, linked", "alice", identities{okta}, []string{"Okta", "COGNITO"}},
		{"local, linked, with a name that begins like a federated one", "Okta_00u", identities{okta}, []string{"Okta", "COGNITO"}},
		{"provider of one identity, user id of another", "Okta_109", identities{okta, google}, []string{"Okta", "Google", "COGNITO"}},
		{"without user id", "Okta_", identities{{"providerName": "Okta"}}, []string{"Okta", "COGNITO"}},
		{"empty", "alice", []string{}, []string{""}},
		{"text that is no array", "alice", "nonsense", []string{""}},
		{"a number", "alice", 7, []string{""}},
		{"a user id that is a number", "Okta_1", `[{"providerName":"Okta","userId":1}]`, []string{""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			more := map[string]any{"cognito:username": tt.username}
			if tt.identities != nil {
				more["identities"] = tt.identities
			}
			c := newCognito(t, 0)
			c.answer = respond(200, `{"access_token":"`+access(nil)+`","id_token":"`+identity(more)+`"}`)
			got, err := c.Refresh(t.Context(), app, "r")
			if err != nil || !slices.Equal(got.User.IdentityProviders, tt.want) {
				t.Errorf("providers = %q, %v, want %q", got.User.IdentityProviders, err, tt.want)
			}
		})
	}
}

func TestUnverifiedEmailIsLeftOut(t *testing.T) {
	for _, tt := range []struct {
		verified any
		want     string
	}{{true, "a@example.com"}, {"true", "a@example.com"}, {false, ""}, {"false", ""}, {nil, ""}, {1, ""}} {
		c := newCognito(t, 0)
		c.answer = respond(200, `{"access_token":"`+access(nil)+`","id_token":"`+identity(map[string]any{"email_verified": tt.verified})+`"}`)
		got, err := c.Refresh(t.Context(), app, "r")
		if err != nil || got.User.Email != tt.want {
			t.Errorf("email_verified %v: %q, %v, want %q", tt.verified, got.User.Email, err, tt.want)
		}
	}
}

func TestEncodedTokensAreDecoded(t *testing.T) {
	c := newCognito(t, 0)
	c.answer = respond(200, `{"access_token":"`+access(nil)+`","refresh_token":"r-1","id_token":"`+identity(nil)+`"}`)
	got, err := c.Refresh(t.Context(), app, "r")
	if err != nil {
		t.Fatal(err)
	}
	text := got.Encode()
	if strings.Contains(text, got.IDToken) {
		t.Error("the encoded text contains the ID token, want it left out")
	}
	again, err := broker.DecodeTokens(text)
	if err != nil {
		t.Fatal(err)
	}
	if again.AccessToken != got.AccessToken || again.RefreshToken != "r-1" || !again.ExpiresAt.Equal(got.ExpiresAt) ||
		!slices.Equal(again.Scopes, got.Scopes) || again.OriginJTI != got.OriginJTI || again.Sub != got.Sub {
		t.Error("DecodeTokens returns other tokens than were encoded")
	}
	for _, bad := range []string{"", "{}", "null", `{"access_token":"x"}`, "[]"} {
		if _, err := broker.DecodeTokens(bad); err == nil {
			t.Errorf("broker.DecodeTokens(%q): no error", bad)
		}
	}
}

func TestTokensAndSecretsAreNotPrinted(t *testing.T) {
	tokens := broker.Tokens{AccessToken: "a-1", RefreshToken: "r-1", IDToken: "i-1"}
	log := new(strings.Builder)
	slog.New(slog.NewTextHandler(log, nil)).Info("x", "tokens", tokens, "app", app)
	text := fmt.Sprintf("%v %+v %#v %s %v %+v %#v", tokens, tokens, tokens, tokens, app, app, app) + log.String()
	for _, s := range []string{"a-1", "r-1", "i-1", app.Secret} {
		if strings.Contains(text, s) {
			t.Errorf("%q is printed in %s", s, text)
		}
	}
}

// RFC 7636 appendix B.
func TestChallenge(t *testing.T) {
	if got, want := broker.PKCEChallenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"; got != want {
		t.Errorf("Challenge = %s, want %s", got, want)
	}
}
