package authorization

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

func oneResource() limits {
	return limits{
		scopes: scopeRules{
			allowed:  []string{"openid", "email", "notes/read", "notes/write", "files/read"},
			defaults: []string{"openid", "notes/read", "files/read"},
			known: func(s string) bool {
				return slices.Contains([]string{"email", "notes/read", "notes/write", "notes/admin", "files/read"}, s)
			},
		},
		resources: []broker.Resource{{URL: notes, Scopes: []string{"openid", "notes/read", "notes/write", "notes/admin"}}},
	}
}

func twoResources() limits {
	l := oneResource()
	l.resources = append(l.resources, broker.Resource{URL: files + "/", Scopes: []string{"files/read"}})
	return l
}

// parse checks a request with changes to an ordinary one.
func parse(l limits, resources []string, changes ...string) (validRequest, string) {
	v := requestOf("c", webURI, changes...)
	v["resource"] = append(v["resource"], resources...)
	req, err := validate(sent(v), l)
	if err != nil {
		return req, string(err.Code)
	}
	return req, ""
}

func TestParameters(t *testing.T) {
	challenge := broker.PKCEChallenge(verifier)
	for _, tt := range []struct {
		name    string
		changes []string
		want    string // error code
	}{
		{"ordinary", nil, ""},

		{"no response_type", []string{"response_type", "-"}, "invalid_request"},
		{"response_type token", []string{"response_type", "token"}, "unsupported_response_type"},
		{"response_type code id_token", []string{"response_type", "code id_token"}, "unsupported_response_type"},
		{"response_mode query", []string{"response_mode", "query"}, ""},
		{"response_mode fragment", []string{"response_mode", "fragment"}, "invalid_request"},
		{"response_mode form_post", []string{"response_mode", "form_post"}, "invalid_request"},
		{"request object", []string{"request", "e30.e30."}, "request_not_supported"},
		{"request_uri", []string{"request_uri", "https://evil.example.com/"}, "request_uri_not_supported"},

		{"no challenge", []string{"code_challenge", "-"}, "invalid_request"},
		{"no challenge, no method", []string{"code_challenge", "-", "code_challenge_method", "-"}, "invalid_request"},
		{"no method, which is plain", []string{"code_challenge_method", "-"}, "invalid_request"},
		{"plain", []string{"code_challenge_method", "plain"}, "invalid_request"},
		{"s256 in lower case", []string{"code_challenge_method", "s256"}, "invalid_request"},
		{"short challenge", []string{"code_challenge", challenge[:42]}, "invalid_request"},
		{"long challenge", []string{"code_challenge", challenge + "A"}, "invalid_request"},
		{"padded challenge", []string{"code_challenge", challenge[:42] + "="}, "invalid_request"},
		{"challenge in base64", []string{"code_challenge", challenge[:42] + "+"}, "invalid_request"},

		{"state of 2 KB", []string{"state", strings.Repeat("s", 2048)}, ""},
		{"state of more than 2 KB", []string{"state", strings.Repeat("s", 2049)}, "invalid_request"},
		{"state of any characters", []string{"state", "{\"ü\": \"\n\"}"}, ""},
		{"nonce of more than 512", []string{"nonce", strings.Repeat("n", 513)}, "invalid_request"},
		{"nonce with a line end", []string{"nonce", "a\nb"}, "invalid_request"},
		{"login_hint of more than 512", []string{"login_hint", strings.Repeat("n", 513)}, "invalid_request"},
		{"invalid language", []string{"ui_locales", "<script>"}, ""},

		{"prompt login", []string{"prompt", "login"}, ""},
		{"prompt login and select_account", []string{"prompt", "login select_account"}, ""},
		{"prompt none", []string{"prompt", "none"}, ""},
		{"prompt none and more", []string{"prompt", "none login"}, "invalid_request"},
		{"unknown prompt", []string{"prompt", "create"}, "invalid_request"},

		{"a scope of another resource", []string{"scope", "nonsense files/read"}, "invalid_scope"},
		{"unknown resource", []string{"resource", "https://other.example.com/"}, "invalid_target"},
		{"resource with a fragment", []string{"resource", notes + "#x"}, "invalid_target"},
		{"resource with a longer path", []string{"resource", notes + "/x"}, "invalid_target"},
		{"resource that is no URI", []string{"resource", "%"}, "invalid_target"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, got := parse(oneResource(), nil, tt.changes...); got != tt.want {
				t.Errorf("error = %q, want %q", got, tt.want)
			}
		})
	}
}

// Go iterates over a map in random order. A parser that finds its first error in
// such a loop returns different errors for the same request.
func TestTheErrorOfARequestIsAlwaysTheSame(t *testing.T) {
	long := strings.Repeat("x", maxHint+1)
	for range 200 {
		_, err := validate(sent(requestOf("c", webURI, "nonce", long, "login_hint", long)), oneResource())
		if err == nil || err.Description != "nonce may have 512 bytes at most" {
			t.Fatalf("error = %v, want the one about nonce", err)
		}
	}
}

// Of several repeated parameters the error names the one that was repeated first.
func TestARepeatedParameterIsAnError(t *testing.T) {
	r := sent(requestOf("c", webURI))
	r.Repeated = []string{"foo", "a"}
	if _, err := validate(r, oneResource()); err == nil || string(err.Code) != "invalid_request" || err.Description != "parameter 'foo' must not be repeated" {
		t.Errorf("error = %v, want the one about foo", err)
	}
}

func TestChooseResource(t *testing.T) {
	onlyNotes := scopeRules{allowed: []string{"notes/read"}}
	for _, tt := range []struct {
		name   string
		limits limits
		sent   []string
		scope  string
		want   string
		code   string
	}{
		{"the only one", oneResource(), nil, "notes/read", notes, ""},
		{"exact", oneResource(), []string{notes}, "notes/read", notes, ""},
		{"the same twice", oneResource(), []string{notes, notes}, "notes/read", notes, ""},
		{"trailing slash", oneResource(), []string{notes + "/"}, "notes/read", notes, ""},
		{"trailing slash of the configuration", twoResources(), []string{files}, "files/read", files + "/", ""},
		{"capitals in scheme and host", oneResource(), []string{"HTTPS://MCP.example.com/mcp"}, "notes/read", notes, ""},
		{"capitals in the path", oneResource(), []string{"https://mcp.example.com/MCP"}, "notes/read", "", "invalid_target"},
		{"two slashes", oneResource(), []string{notes + "//"}, "notes/read", "", "invalid_target"},
		{"with a user name", oneResource(), []string{"https://x@mcp.example.com/mcp"}, "notes/read", "", "invalid_target"},
		{"two configured, none requested", twoResources(), nil, "notes/read", "", "invalid_target"},
		{"two configured, both requested", twoResources(), []string{notes, files}, "notes/read", "", "invalid_target"},
		{"one resource with scopes of the other", twoResources(), []string{files}, "notes/read", files + "/", "invalid_scope"},
		{"none configured", limits{scopes: onlyNotes}, nil, "notes/read", "", ""},
		{"none configured, one requested", limits{scopes: onlyNotes}, []string{notes}, "notes/read", "", "invalid_target"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, code := parse(tt.limits, tt.sent, "scope", tt.scope)
			if req.resource != tt.want || code != tt.code {
				t.Errorf("resource = %q (%s), want %q (%s)", req.resource, code, tt.want, tt.code)
			}
		})
	}
}

func TestLanguageIsTheFirstValidTag(t *testing.T) {
	for _, tt := range []struct{ lang, locales, want string }{
		{"-", "-", ""}, {"de", "-", "de"}, {"de", "fr", "de"}, {"-", "pt-BR en", "pt-BR"}, {"<", "! en", "en"},
	} {
		if req, _ := parse(oneResource(), nil, "lang", tt.lang, "ui_locales", tt.locales); req.lang != tt.want {
			t.Errorf("lang %q, ui_locales %q: %q, want %q", tt.lang, tt.locales, req.lang, tt.want)
		}
	}
}

func TestMatchRedirectURI(t *testing.T) {
	for _, tt := range []struct {
		sent, registered string
		want             bool
	}{
		{webURI, webURI, true},
		{"https://claude.ai/api/mcp/auth_callback/", webURI, false},
		{"https://claude.ai/api/mcp/auth_callback?x=1", webURI, false},
		{"https://claude.ai:443/api/mcp/auth_callback", webURI, false},
		{"HTTPS://claude.ai/api/mcp/auth_callback", webURI, false},
		{"https://CLAUDE.ai/api/mcp/auth_callback", webURI, false},
		{"https://claude.ai.evil.example.com/api/mcp/auth_callback", webURI, false},
		{"https://claude.ai@evil.example.com/api/mcp/auth_callback", webURI, false},
		{"https://claude.ai/api/mcp/../mcp/auth_callback", webURI, false},
		{"https://claude.ai/api/mcp/%61uth_callback", webURI, false},
		{"https://claude.ai/api/mcp/auth_callback#", webURI, false},
		{"http://claude.ai/api/mcp/auth_callback", webURI, false},
		{"//claude.ai/api/mcp/auth_callback", webURI, false},
		{"", webURI, false},

		{"http://127.0.0.1:50123/callback", "http://127.0.0.1/callback", true},
		{"http://127.0.0.1/callback", "http://127.0.0.1:50123/callback", true},
		{"http://127.0.0.1:1/callback", "http://127.0.0.1:2/callback", true},
		{"http://localhost:1/callback", "http://localhost/callback", true},
		{"http://[::1]:1/callback", "http://[::1]/callback", true},
		{"http://[::1]:1/callback", "http://[::1]:1/callback", true},
		{"http://localhost:1/callback", "http://127.0.0.1/callback", false}, // two different hosts
		{"http://127.0.0.1:1/callback", "http://localhost/callback", false},
		{"http://[::1]:1/callback", "http://127.0.0.1/callback", false},
		{"http://127.0.0.1:1/other", "http://127.0.0.1/callback", false},
		{"http://127.0.0.1:1/callback/", "http://127.0.0.1/callback", false},
		{"http://127.0.0.1:1/callback?", "http://127.0.0.1/callback", false},
		{"http://127.0.0.1:1/callback?a=b", "http://127.0.0.1/callback?a=b", true},
		{"http://127.0.0.1:1/callback?a=c", "http://127.0.0.1/callback?a=b", false},
		{"http://127.0.0.1:99999/callback", "http://127.0.0.1/callback", false},
		{"http://127.0.0.1:0/callback", "http://127.0.0.1/callback", false},
		{"http://127.0.0.1.evil.example.com:1/callback", "http://127.0.0.1/callback", false},
		{"http://127.0.0.2:1/callback", "http://127.0.0.1/callback", false},
		{"http://127.1:1/callback", "http://127.0.0.1/callback", false},
		{"https://127.0.0.1:1/callback", "https://127.0.0.1/callback", false}, // https is no loopback URI

		{appURI, appURI, true},
		{"com.example.app://x:1/cb", "com.example.app://x:2/cb", false},
		{"COM.example.app:/callback", appURI, false},
		{"javascript:alert(1)", "javascript:alert(1)", false},
	} {
		u, got := matchRedirectURI(tt.sent, []string{"https://other.example.com/", tt.registered})
		if got != tt.want || got && u.Raw != tt.sent {
			t.Errorf("match(%q, %q) = %q, %t, want %t", tt.sent, tt.registered, u.Raw, got, tt.want)
		}
	}
}

func TestRespondKeepsTheQueryOfARedirectURI(t *testing.T) {
	for _, tt := range []struct{ uri, state, want string }{
		{webURI, "s", webURI + "?code=c&iss=https%3A%2F%2Fauth.example.com&state=s"},
		{webURI, "", webURI + "?code=c&iss=https%3A%2F%2Fauth.example.com"},
		{webURI + "?a=%2f&b", "a b&c", webURI + "?a=%2f&b&code=c&iss=https%3A%2F%2Fauth.example.com&state=a+b%26c"},
		{appURI, "s", appURI + "?code=c&iss=https%3A%2F%2Fauth.example.com&state=s"},
	} {
		if got := respond(tt.uri, "https://auth.example.com", tt.state, url.Values{"code": {"c"}}); got != tt.want {
			t.Errorf("respond(%q) = %q, want %q", tt.uri, got, tt.want)
		}
	}
}

func TestDerivedSecretsDiffer(t *testing.T) {
	now := fake.NewClock().Now()
	a, b := newSecret(now), newSecret(now)
	var all []string
	for _, s := range []Secret{a, b} {
		all = append(all, s.text, s.ID(), s.key().String(), s.state(), s.verifier(), s.csrf(), s.code("one").Reveal(), s.code("two").Reveal())
	}
	if slices.Sort(all); len(slices.Compact(all)) != 16 {
		t.Errorf("some derived secrets are the same: %q", all)
	}
	if a.state() != (Secret{text: a.text}).state() {
		t.Error("the second derivation differs from the first")
	}
}

// FuzzRequest searches for a request that makes validate panic, or that it
// accepts without PKCE or beyond the limits.
func FuzzRequest(f *testing.F) {
	f.Add(requestOf("c", webURI).Encode())
	f.Add("a=%zz&resource=%&resource=" + notes)
	f.Add("scope=&prompt=none+login&state=%00")
	f.Fuzz(func(t *testing.T, raw string) {
		v, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		req, refusal := validate(sent(v), twoResources())
		if refusal != nil {
			if string(refusal.Code) == "" || !broker.Printable(refusal.Description) || strings.ContainsAny(refusal.Description, `"\`) {
				t.Errorf("error %q %q is not in the characters of RFC 6749", string(refusal.Code), refusal.Description)
			}
			return
		}
		if !validChallenge(req.challenge) || len(req.state) > maxState || len(req.scopes) == 0 || req.resource == "" {
			t.Errorf("taken: %+v", req)
		}
	})
}
