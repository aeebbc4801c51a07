package emulator_test

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
)

func TestAuthorizeSendsErrorsToTheErrorPage(t *testing.T) {
	l := start(t, nil)
	a := *l.create(publicClient()).ClientId
	for _, tt := range []struct {
		name  string
		extra url.Values
		want  string
	}{
		{"unknown client", formOf("client_id", "nobody"), "invalid_request"},
		{"no client_id", url.Values{"client_id": nil}, "invalid_request"},
		{"no redirect URI", url.Values{"redirect_uri": nil}, "invalid_request"},
		{"two redirect URIs", url.Values{"redirect_uri": {callback, "https://evil.example/"}}, "invalid_request"},
		{"another redirect URI", formOf("redirect_uri", "https://evil.example/cb"), "redirect_mismatch"},
		{"another port", formOf("redirect_uri", "http://localhost:7778/cb"), "redirect_mismatch"},
		{"a trailing slash", formOf("redirect_uri", callback+"/"), "redirect_mismatch"},
		{"an added query", formOf("redirect_uri", callback+"?a=b"), "redirect_mismatch"},
		{"another case", formOf("redirect_uri", "http://LOCALHOST:7777/cb"), "redirect_mismatch"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := l.get(strings.TrimPrefix(l.authorizeURL(a, tt.extra), l.base), nil)
			to := got.header.Get("Location")
			if got.status != 302 || !strings.HasPrefix(to, "/error?") || !strings.Contains(to, "error="+tt.want) {
				t.Fatalf("got %d to %q, want 302 to /error with %s", got.status, to, tt.want)
			}
			page := l.get(to, nil)
			if tt.want == "redirect_mismatch" && !strings.Contains(to, "client_id="+a) {
				t.Errorf("redirected to %q, want the client_id there", to)
			}
			if page.status != 400 || !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") || !strings.Contains(page.raw, tt.want) {
				t.Errorf("error page: %d %s, want a 400 with %s", page.status, page.header.Get("Content-Type"), tt.want)
			}
		})
	}
}

func TestAuthorizeSendsErrorsToTheClient(t *testing.T) {
	l := start(t, func(c *emulator.Config) { c.RefuseResource = true })
	a := *l.create(publicClient()).ClientId
	for _, tt := range []struct {
		name  string
		extra url.Values
		want  string
	}{
		{"no response_type", url.Values{"response_type": nil}, "invalid_request"},
		{"response_type none", formOf("response_type", "none"), "invalid_request"},
		{"response_type token without implicit", formOf("response_type", "token"), "unauthorized_client"},
		{"a scope the client lacks", formOf("scope", "openid phone"), "invalid_scope"},
		{"a scope that does not exist", formOf("scope", "openid offline_access"), "invalid_scope"},
		{"plain PKCE", formOf("code_challenge", verifier, "code_challenge_method", "plain"), "invalid_request"},
		{"a challenge without method", formOf("code_challenge", challenge), "invalid_request"},
		{"a method without challenge", formOf("code_challenge_method", "S256"), "invalid_request"},
		{"another identity provider", formOf("identity_provider", "Google"), "invalid_request"},
		{"a repeated parameter", url.Values{"scope": {"openid", "openid"}}, "invalid_request"},
		{"resource where it is refused", formOf("resource", "https://mcp.example.com/"), "invalid_request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := l.get(strings.TrimPrefix(l.authorizeURL(a, tt.extra), l.base), nil)
			to, err := url.Parse(got.header.Get("Location"))
			if err != nil || got.status != 302 || !strings.HasPrefix(to.String(), callback+"?") {
				t.Fatalf("got %d to %q, want 302 to the client", got.status, got.header.Get("Location"))
			}
			if q := to.Query(); q.Get("error") != tt.want || q.Get("state") != "s1" || q.Has("code") {
				t.Errorf("redirected with %v, want error %s and state s1", q, tt.want)
			}
		})
	}
	for name, state := range map[string]string{"1025 characters": strings.Repeat("s", 1025), "JSON": `{"a":1}`} {
		got := l.get(strings.TrimPrefix(l.authorizeURL(a, formOf("state", state)), l.base), nil)
		if to := got.header.Get("Location"); !strings.Contains(to, "error=invalid_request") {
			t.Errorf("state of %s: redirected to %q, want invalid_request", name, to)
		}
	}
}

// Cognito does not send this error to the client.
func TestLoginPageSaysThatOAuthIsNotEnabled(t *testing.T) {
	l := start(t, func(c *emulator.Config) { c.ManagedLogin = 2 })
	off := publicClient()
	off.AllowedOAuthFlowsUserPoolClient = false
	a := *l.create(off).ClientId
	for _, extra := range []url.Values{nil, formOf("identity_provider", "COGNITO"), formOf("prompt", "none")} {
		path := strings.TrimPrefix(l.authorizeURL(a, extra), l.base)
		got := l.get(path, nil)
		to := got.header.Get("Location")
		if want := strings.Replace(path, "/oauth2/authorize", "/login", 1); got.status != 302 || to != want {
			t.Fatalf("got %d to %q, want 302 to %q", got.status, to, want)
		}
		if page := l.get(to, nil); !strings.Contains(page.raw, "Client is not enabled for OAuth2.0 flows.") {
			t.Errorf("login page: %d %s, want the reason", page.status, page.raw)
		}
	}
}

func TestEmailScopeIsGrantedWithoutOpenID(t *testing.T) {
	l := start(t, nil)
	in := publicClient()
	in.AllowedOAuthFlows = []types.OAuthFlowType{"code", "implicit"}
	a := *l.create(in).ClientId
	got := l.redeem(a, l.code(a, formOf("scope", "email")), nil)
	if _, access := l.claims(got.text("access_token")); access["scope"] != "email" || got.body["id_token"] != nil {
		t.Errorf("code flow: scope = %v and ID token %v, want email and none", access["scope"], got.body["id_token"])
	}
	back, err := emulator.NewBrowser().SignIn(t.Context(), l.authorizeURL(a, formOf("scope", "email", "response_type", "token")), "alice", "Correct-Horse-9")
	if err != nil {
		t.Fatal(err)
	}
	v, err := url.ParseQuery(back.Fragment)
	if err != nil || v.Get("access_token") == "" || v.Has("id_token") {
		t.Errorf("implicit flow: fragment = %q, want an access token and no ID token", back.Fragment)
	}
}

func TestRedirectKeepsTheQueryOfTheRedirectURI(t *testing.T) {
	l := start(t, nil)
	in := publicClient()
	in.CallbackURLs = []string{"myapp://cb?b=2&a=1"}
	a := *l.create(in).ClientId
	back, err := emulator.NewBrowser().SignIn(t.Context(), l.authorizeURL(a, formOf("redirect_uri", in.CallbackURLs[0])), "alice", "Correct-Horse-9")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(back.String(), "myapp://cb?b=2&a=1&code=") {
		t.Errorf("redirected to %s, want the registered address with &code=", back)
	}
}

func TestImplicitFlow(t *testing.T) {
	l := start(t, nil)
	in := publicClient()
	in.AllowedOAuthFlows = []types.OAuthFlowType{"implicit"}
	a := *l.create(in).ClientId
	back, err := emulator.NewBrowser().SignIn(t.Context(), l.authorizeURL(a, formOf("response_type", "token")), "alice", "Correct-Horse-9")
	if err != nil {
		t.Fatal(err)
	}
	v, err := url.ParseQuery(back.Fragment)
	if err != nil || v.Get("access_token") == "" || v.Get("id_token") == "" || v.Get("state") != "s1" || v.Has("refresh_token") {
		t.Errorf("fragment = %q, want tokens, state and no refresh token", back.Fragment)
	}
}

func TestResourceBinding(t *testing.T) {
	managed := func(c *emulator.Config) { c.ManagedLogin = 2 }
	l := start(t, managed)
	a := *l.create(refreshingClient()).ClientId
	if _, err := l.sdk.CreateManagedLoginBranding(t.Context(), &cip.CreateManagedLoginBrandingInput{UserPoolId: aws.String(pool), ClientId: &a, UseCognitoProvidedValues: true}); err != nil {
		t.Fatal(err)
	}
	for _, resource := range []string{"https://mcp.example.com/mcp", "http://localhost:8090/mcp", "mcp://server"} {
		first := l.redeem(a, l.code(a, formOf("resource", resource)), nil)
		_, claims := l.claims(first.text("access_token"))
		if claims["aud"] != resource {
			t.Errorf("aud = %v, want %q", claims["aud"], resource)
		}
		refreshed := l.post("/oauth2/token", refreshForm(a, first.text("refresh_token")), "", "")
		if _, claims = l.claims(refreshed.text("access_token")); claims["aud"] != resource {
			t.Errorf("aud after a refresh = %v, want %q", claims["aud"], resource)
		}
		if _, id := l.claims(first.text("id_token")); id["aud"] != a {
			t.Errorf("aud of the ID token = %v, want the client", id["aud"])
		}
	}
	for _, extra := range []url.Values{
		formOf("resource", "http://127.0.0.1:8090/mcp"), formOf("resource", "http://mcp.example.com"),
		formOf("resource", "mcp.example.com"), {"resource": {"https://a.example", "https://b.example"}},
	} {
		got := l.get(strings.TrimPrefix(l.authorizeURL(a, extra), l.base), nil)
		if to := got.header.Get("Location"); !strings.HasPrefix(to, callback+"?error=invalid_request") {
			t.Errorf("resource %q: redirected to %q, want invalid_request", extra["resource"], to)
		}
	}

	for name, change := range map[string]func(*emulator.Config){
		"classic login pages": nil,
		"plan Lite":           func(c *emulator.Config) { c.Plan = emulator.Lite },
	} {
		l := start(t, change)
		a := *l.create(publicClient()).ClientId
		_, claims := l.claims(l.redeem(a, l.code(a, formOf("resource", "https://mcp.example.com")), nil).text("access_token"))
		if claims["aud"] != nil {
			t.Errorf("%s: aud = %v, want none", name, claims["aud"])
		}
	}
}

func TestDiscoveryDocumentHasOnlyCognitosMembers(t *testing.T) {
	l := start(t, nil)
	got := l.get("/"+pool+"/.well-known/openid-configuration", nil)
	want := []string{
		"authorization_endpoint", "end_session_endpoint", "id_token_signing_alg_values_supported", "issuer", "jwks_uri",
		"response_types_supported", "revocation_endpoint", "scopes_supported", "subject_types_supported", "token_endpoint",
		"token_endpoint_auth_methods_supported", "userinfo_endpoint",
	}
	if members := slices.Sorted(maps.Keys(got.body)); !slices.Equal(members, want) {
		t.Errorf("members = %v, want %v", members, want)
	}
	if got.text("issuer") != l.base+"/"+pool || got.text("authorization_endpoint") != l.base+"/oauth2/authorize" {
		t.Errorf("document = %s", got.raw)
	}
	for _, path := range []string{"/.well-known/oauth-authorization-server/" + pool, "/.well-known/oauth-authorization-server"} {
		if a := l.get(path, nil); a.status != 404 {
			t.Errorf("%s: %d, want 404", path, a.status)
		}
	}
}
