package policy_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/dcr-broker/dcr-broker/config"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// offer is what a deployment has besides the document.
type offer struct {
	mode   broker.Mode
	scopes []string
}

var deployment = offer{scopes: []string{"openid", "mcp/read", "mcp/write"}}

func parse(t testing.TB, document string, d offer) *policy.Policy {
	t.Helper()
	p, err := policy.Parse([]byte(document), d.mode, d.scopes)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return p
}

func profile(t testing.TB, p *policy.Policy, name string) *policy.Profile {
	t.Helper()
	pr, ok := p.Profile(name)
	if !ok {
		t.Fatalf("Profile(%q): not there", name)
	}
	return pr
}

// redirectProfile returns a profile for initial access tokens with these
// redirect_uris, a JSON object.
func redirectProfile(t testing.TB, rules string) *policy.Profile {
	t.Helper()
	return profile(t, parse(t, `{"version": 1, "profiles": {"p": {"redirect_uris": `+rules+`}}}`, deployment), "p")
}

func codeOf(err error) dcr.Code {
	if e, ok := errors.AsType[*dcr.Error](err); ok {
		return e.Code
	}
	return ""
}

// example returns the policy of the document that ships as an example.
func example(t testing.TB, mode broker.Mode) *policy.Policy {
	t.Helper()
	c, err := configuration.Parse(config.Example(), broker.Deployment{Mode: mode})
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return c.Policy
}

func TestExampleIsOpenForKnownClientsAndTrustedForTokens(t *testing.T) {
	p := example(t, broker.ModeDirect)
	open, ok := p.Open()
	if !ok || open.Name() != "open" || !open.Open() {
		t.Fatalf("Open() = %v, %t, want the profile open", open, ok)
	}
	if got, want := open.Limits(), (policy.Limits{AppClients: 500, CreationsPerHour: 100}); got != want {
		t.Errorf("limits of open = %+v, want %+v", got, want)
	}
	if got, want := p.Profiles(), []string{"open", "trusted"}; !slices.Equal(got, want) {
		t.Errorf("Profiles() = %q, want %q", got, want)
	}
	if trusted := profile(t, p, "trusted"); trusted.Open() || trusted.Limits() != (policy.Limits{}) {
		t.Errorf("trusted: Open() = %t, Limits() = %+v, want false and none", trusted.Open(), trusted.Limits())
	}
	// Of the servers of these nothing is published that shows that they keep a code.
	unknown := []string{"antigravity", "copilot-studio", "gemini-enterprise", "n8n-cloud"}
	for _, name := range policy.Presets() {
		if got, want := bytes.Contains(config.Example(), []byte(`"`+name+`"`)), !slices.Contains(unknown, name); got != want {
			t.Errorf("the example has preset %q: %t, want %t", name, got, want)
		}
	}
}

func TestNoProfileHasTheEmptyName(t *testing.T) {
	p := parse(t, `{"version": 1, "profiles": {"ci": {"redirect_uris": {"loopback": true}}}}`, deployment)
	if _, ok := p.Open(); ok {
		t.Error("Open() is there, want open registration off when the document does not name a profile")
	}
	if _, ok := p.Profile(""); ok {
		t.Error(`Profile("") is there, want none`)
	}
}

func TestScopesSupported(t *testing.T) {
	const admin = "aws.cognito.signin.user.admin"
	all := offer{scopes: []string{"openid", "email", admin, "mcp/read", "mcp/write"}}
	tests := []struct {
		name, document string
		want           []string
	}{
		{"open registration: only the scopes that it grants",
			`{"version": 1, "open_registration": "a", "profiles": {
			  "a": {"redirect_uris": {"loopback": true}, "scopes": {"allowed": ["mcp/read", "openid"]}},
			  "b": {"redirect_uris": {"loopback": true}}}}`,
			[]string{"openid", "mcp/read"}},
		{"no open registration: the scopes that any profile allows",
			`{"version": 1, "profiles": {
			  "a": {"redirect_uris": {"loopback": true}, "scopes": {"allowed": ["mcp/write"]}},
			  "b": {"redirect_uris": {"loopback": true}, "scopes": {"allowed": ["mcp/read", "openid"]}}}}`,
			[]string{"openid", "mcp/read", "mcp/write"}},
		{"the admin scope is not advertised even where it is allowed",
			`{"version": 1, "profiles": {"a": {"redirect_uris": {"loopback": true}, "scopes": {"allowed": ["mcp/read", "` + admin + `"]}}}}`,
			[]string{"mcp/read"}},
		{"all scopes of the deployment but the admin scope where none are listed",
			`{"version": 1, "open_registration": "a", "profiles": {"a": {"redirect_uris": {"loopback": true}}}}`,
			[]string{"openid", "email", "mcp/read", "mcp/write"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := parse(t, tt.document, all).ScopesSupported(); !slices.Equal(got, tt.want) {
				t.Errorf("ScopesSupported() = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPolicySharesNoMemoryWithCallers(t *testing.T) {
	d := offer{scopes: []string{"mcp/read", "mcp/write"}}
	p := parse(t, profileDocument(`"p"`, `"redirect_uris": {"loopback": true}`), d)
	open, _ := p.Open()
	d.scopes[0] = "x"
	open.Scopes()[0] = "y"
	p.ScopesSupported()[0] = "z"
	want := []string{"mcp/read", "mcp/write"}
	if got := open.Scopes(); !slices.Equal(got, want) {
		t.Errorf("Scopes() = %q after callers wrote to their slices, want %q", got, want)
	}
	if got := p.ScopesSupported(); !slices.Equal(got, want) {
		t.Errorf("ScopesSupported() = %q after callers wrote to their slices, want %q", got, want)
	}
}

func TestRedirectRule(t *testing.T) {
	p := parse(t, profileDocument(`"p"`, `"redirect_uris": {"presets": ["chatgpt", "cursor", "vscode"],
		"https": ["https://*.example.com/cb", "https://app.example.com/cb"], "private_use_schemes": ["com.example.app"]}`), offer{scopes: []string{"mcp/read"}})
	profile, _ := p.Profile("p")
	tests := []struct {
		uris []string
		want string
	}{
		{[]string{"https://chatgpt.com/connector/oauth/a"}, "chatgpt"},
		{[]string{"https://chatgpt.com/connector/oauth/b"}, "chatgpt"},
		{[]string{"https://chatgpt.com/connector_platform_oauth_redirect"}, "chatgpt"},
		{[]string{"https://a.example.com/cb"}, "https://*.example.com/cb"},
		{[]string{"https://b.Example.com/cb"}, "https://*.example.com/cb"},                                      // an invented host has no budget of its own
		{[]string{"https://evil.example/", "https://vscode.dev/redirect", "http://127.0.0.1:33418/"}, "vscode"}, // the first one is dropped
		{[]string{"http://127.0.0.1:33418/", "https://vscode.dev/redirect"}, "loopback"},
		{[]string{"http://[::1]/"}, "loopback"},
		{[]string{"cursor://anysphere.cursor-mcp/oauth/callback", "http://localhost:8787/callback"}, "cursor"},
		{[]string{"com.example.app://a/"}, "com.example.app:"},
	}
	for _, tt := range tests {
		m, err := profile.Apply(dcr.Parse(dcr.ClientMetadata{RedirectURIs: tt.uris, GrantTypes: dcr.DefaultGrantTypes()}))
		if err != nil {
			t.Fatal(err)
		}
		if got := profile.RedirectRule(m); got != tt.want {
			t.Errorf("RedirectRule(%q) = %q, want %q", tt.uris, got, tt.want)
		}
	}
	any := parse(t, `{"version":1,"profiles":{"p":{"redirect_uris":{"any_https":true,"any_private_use":true}}}}`, offer{scopes: []string{"mcp/read"}})
	profile, _ = any.Profile("p")
	for uri, want := range map[string]string{"https://a.example/": "any_https", "https://b.example/": "any_https", "com.example.a:/": "any_private_use", "": "-"} {
		var uris []string
		if uri != "" {
			uris = []string{uri}
		}
		if got := profile.RedirectRule(dcr.Parse(dcr.ClientMetadata{RedirectURIs: uris})); got != want {
			t.Errorf("RedirectRule(%q) = %q, want %q", uri, got, want)
		}
	}
}
