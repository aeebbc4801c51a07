package policy_test

import (
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// allows reports whether the profile registers a client with only this redirect
// URI.
func allows(t *testing.T, p *policy.Profile, uri string) bool {
	t.Helper()
	m := dcr.ClientMetadata{
		RedirectURIs: []string{uri}, GrantTypes: []string{dcr.GrantAuthorizationCode}, TokenEndpointAuthMethod: dcr.AuthNone,
	}
	got, err := apply(p, m)
	if err == nil {
		if len(got.RedirectURIs) != 1 || got.RedirectURIs[0] != uri {
			t.Errorf("redirect_uris = %q, want %q as it was sent", got.RedirectURIs, uri)
		}
		return true
	}
	if code := codeOf(err); code != dcr.InvalidRedirectURI {
		t.Errorf("Apply(%q) = %v, want code %q", uri, err, dcr.InvalidRedirectURI)
	}
	return false
}

func TestDefaultOpenProfileRedirectURIs(t *testing.T) {
	open, _ := example(t, broker.ModeDirect).Open()
	tests := []struct {
		uri  string
		want bool
	}{
		{"https://claude.ai/api/mcp/auth_callback", true},
		{"https://claude.com/api/mcp/auth_callback", true},
		{"https://CLAUDE.ai/api/mcp/auth_callback", true}, // host names are case-insensitive
		{"https://chatgpt.com/connector/oauth/abcDEF123", true},
		{"https://chatgpt.com/connector/oauth/a-b_c.d~e", true},
		{"https://chatgpt.com/connector_platform_oauth_redirect", true},
		{"https://vscode.dev/redirect", true},
		{"https://insiders.vscode.dev/redirect", true},
		{"https://www.cursor.com/agents/mcp/oauth/callback", true},
		{"https://oauth.n8n.cloud/oauth2/callback", false}, // not of the default, as it may hand codes on
		{"cursor://anysphere.cursor-mcp/oauth/callback", true},
		{"CURSOR://anysphere.cursor-mcp/oauth/callback", true}, // schemes are case-insensitive
		{"http://localhost:3118/callback", true},
		{"http://localhost:3142", true},
		{"http://127.0.0.1/", true},
		{"http://127.0.0.1:33418/", true},
		{"http://[::1]:1455/auth/callback", true},

		// Hosts that look alike.
		{"https://claude.ai.evil.com/api/mcp/auth_callback", false},
		{"https://evil-claude.ai/api/mcp/auth_callback", false},
		{"https://claude.ai-evil.com/api/mcp/auth_callback", false},
		{"https://evil.com/claude.ai/api/mcp/auth_callback", false},
		{"https://evil.com/?https://claude.ai/api/mcp/auth_callback", false},
		{"https://www.claude.ai/api/mcp/auth_callback", false},
		{"https://api.claude.ai/api/mcp/auth_callback", false},
		{"https://ai/api/mcp/auth_callback", false},
		{"https://xn--clude-9ua.ai/api/mcp/auth_callback", false},
		{"https://cl\u0430ude.ai/api/mcp/auth_callback", false}, // a Cyrillic letter
		{"https://claude.ai\u3002/api/mcp/auth_callback", false},
		{"https://claude%2eai/api/mcp/auth_callback", false},
		{"https://claude.ai./api/mcp/auth_callback", false},
		{"https://claude.ai@evil.com/api/mcp/auth_callback", false},
		{"https://evil.com@claude.ai/api/mcp/auth_callback", false},
		{"https://claude.ai%40evil.com/api/mcp/auth_callback", false},
		{"https://claude.ai\\@evil.com/api/mcp/auth_callback", false},
		{"https://evil.com\\claude.ai/api/mcp/auth_callback", false},
		{"https://cursor.com/agents/mcp/oauth/callback", false}, // Cursor registers the host with www
		{"https://evil.vscode.dev/redirect", false},
		{"https://evil.n8n.cloud/oauth2/callback", false},

		// Ports and schemes.
		{"https://claude.ai:444/api/mcp/auth_callback", false},
		{"https://claude.ai:443/api/mcp/auth_callback", false}, // the same server, but another string, and Cognito compares strings
		{"https://claude.ai:/api/mcp/auth_callback", false},
		{"http://claude.ai/api/mcp/auth_callback", false},
		{"https:/claude.ai/api/mcp/auth_callback", false},
		{"//claude.ai/api/mcp/auth_callback", false},

		// Paths and queries.
		{"https://claude.ai/", false},
		{"https://claude.ai", false},
		{"https://claude.ai/api/mcp/auth_callback/", false},
		{"https://claude.ai//api/mcp/auth_callback", false},
		{"https://claude.ai/api/mcp/auth_callback2", false},
		{"https://claude.ai/API/mcp/auth_callback", false}, // paths are case-sensitive
		{"https://claude.ai/api/mcp/%61uth_callback", false},
		{"https://claude.ai/api/mcp/auth_callback?", false},
		{"https://claude.ai/api/mcp/auth_callback?next=https://evil.com", false},
		{"https://claude.ai/api/mcp/auth_callback%3fa", false},
		{"https://claude.ai/api/mcp/auth_callback;a", false},
		{"https://claude.ai/api/mcp/auth_callback#", false},
		{"https://chatgpt.com/connector/oauth/", false},
		{"https://chatgpt.com/connector/oauth", false},
		{"https://chatgpt.com/connector/oauth/a/b", false},
		{"https://chatgpt.com/connector/oauth//a", false},
		{"https://chatgpt.com/connector/oauth/a/", false},
		{"https://chatgpt.com/connector/oauth/..", false},
		{"https://chatgpt.com/connector/oauth/.", false},
		{"https://chatgpt.com/connector/oauth/../evil", false},
		{"https://chatgpt.com/connector/oauth/%2e%2e/evil", false},
		{"https://chatgpt.com/connector/oauth/%2e%2e%2fevil", false},
		{"https://chatgpt.com/connector/oauth/..%2fevil", false},
		{"https://chatgpt.com/connector/oauth/..%5cevil", false},
		{"https://chatgpt.com/connector/oauth/a%2f..%2f..%2fevil", false},
		{"https://chatgpt.com/connector/oauth/a%2fb", false},
		{"https://chatgpt.com/connector/oauth/%252e%252e", false},
		{"https://chatgpt.com/connector/oauth/..;/evil", false},
		{"https://chatgpt.com/connector/oauth/..;a", false}, // some servers remove path parameters
		{"https://chatgpt.com/connector/oauth/a\\..\\evil", false},
		{"https://chatgpt.com/connector/oauth/a?b", false},
		{"https://chatgpt.com/connector/oauth/a?", false},
		{"https://chatgpt.com/connector/oauth/*", false},
		{"https://chatgpt.com/connector/oauth/a:b@c", false},
		{"https://evil.chatgpt.com/connector/oauth/a", false},

		// Private-use schemes: only the one URI of Cursor.
		{"cursor://claude.ai/", false},
		{"cursor://anysphere.cursor-mcp/oauth/callback?x=1", false},
		{"cursor://anysphere.cursor-mcp/oauth/callback/", false},
		{"cursor://anysphere.cursor-mcp:1/oauth/callback", false},
		{"cursor://evil.extension/oauth/callback", false},
		{"cursor:/oauth/callback", false},
		{"cursors://anysphere.cursor-mcp/oauth/callback", false},
		{"com.example.app:/callback", false},
		{"com.example.app://claude.ai/api/mcp/auth_callback", false},
		{"javascript://claude.ai/%0aalert(1)", false},

		// Hosts that only look like loopback.
		{"http://localhost.evil.com/callback", false},
		{"http://127.0.0.1.evil.com/callback", false},
		{"http://127.0.0.2/callback", false},
		{"http://127.1/callback", false},
		{"http://0x7f.0.0.1/callback", false},
		{"http://2130706433/callback", false},
		{"http://0.0.0.0/callback", false},
		{"http://[::ffff:127.0.0.1]/callback", false},
		{"http://localhost@evil.com/callback", false},
		{"http://localhost./callback", false},
		{"https://localhost/callback", false}, // https is never loopback
		{"https://127.0.0.1/callback", false},
	}
	for _, tt := range tests {
		if got := allows(t, open, tt.uri); got != tt.want {
			t.Errorf("%q allowed: %t, want %t", tt.uri, got, tt.want)
		}
	}
}

func TestRedirectRules(t *testing.T) {
	tests := []struct {
		rules, uri string
		want       bool
	}{
		// Exactly one label.
		{`{"https": ["https://*.example.com/cb"]}`, "https://a.example.com/cb", true},
		{`{"https": ["https://*.example.com/cb"]}`, "https://A.Example.com/cb", true},
		{`{"https": ["https://*.example.com/cb"]}`, "https://xn--bcher-kva.example.com/cb", true},
		{`{"https": ["https://*.example.com/cb"]}`, "https://example.com/cb", false},
		{`{"https": ["https://*.example.com/cb"]}`, "https://a.b.example.com/cb", false},
		{`{"https": ["https://*.example.com/cb"]}`, "https://aexample.com/cb", false},
		{`{"https": ["https://*.example.com/cb"]}`, "https://a.example.com.evil.com/cb", false},
		{`{"https": ["https://*.example.com/cb"]}`, "https://.example.com/cb", false},
		{`{"https": ["https://*.example.com/cb"]}`, "https://a.example.com:8443/cb", false},
		{`{"https": ["https://*.example.com/cb"]}`, "https://a.example.com/cb/x", false},
		{`{"https": ["https://*.example.com/cb"]}`, "https://evil.com/.example.com/cb", false},
		{`{"https": ["https://*.example.com:8443/cb"]}`, "https://a.example.com:8443/cb", true},
		{`{"https": ["https://*.example.com:8443/cb"]}`, "https://a.example.com/cb", false},
		{`{"https": ["https://*.example.com/oauth/*"]}`, "https://a.example.com/oauth/b", true},
		{`{"https": ["https://*.example.com/oauth/*"]}`, "https://a.example.com/oauth/b/c", false},

		{`{"https": ["https://example.com/*"]}`, "https://example.com/a", true},
		{`{"https": ["https://example.com/*"]}`, "https://example.com/", false},
		{`{"https": ["https://example.com/*"]}`, "https://example.com", false},
		{`{"https": ["https://example.com/*"]}`, "https://example.com/a/b", false},
		{`{"https": ["https://Example.com/cb"]}`, "https://example.com/cb", true},
		{`{"https": ["https://example.com"]}`, "https://example.com", true},
		{`{"https": ["https://example.com"]}`, "https://example.com/", false},
		{`{"https": ["https://example.com/cb?a=1&b=2"]}`, "https://example.com/cb?a=1&b=2", true},
		{`{"https": ["https://example.com/cb?a=1&b=2"]}`, "https://example.com/cb?b=2&a=1", false},
		{`{"https": ["https://example.com/cb?a=1&b=2"]}`, "https://example.com/cb", false},
		{`{"https": ["https://192.0.2.1/cb"]}`, "https://192.0.2.1/cb", true},
		{`{"https": ["https://[2001:db8::1]/cb"]}`, "https://[2001:db8::1]/cb", true},
		{`{"https": ["https://[2001:db8::1]/cb"]}`, "https://[2001:db8::2]/cb", false},

		{`{"any_https": true}`, "https://anything.example:8443/a/b?c", true},
		{`{"any_https": true}`, "http://localhost/", false},
		{`{"any_https": true}`, "com.example.app:/cb", false},
		{`{"loopback": true}`, "http://localhost:1/a?b=c", true},
		{`{"loopback": true}`, "https://localhost/", false},
		{`{"loopback": true}`, "https://claude.ai/api/mcp/auth_callback", false},

		{`{"private_use_schemes": ["com.example.app"]}`, "com.example.app:/cb", true},
		{`{"private_use_schemes": ["COM.example.app"]}`, "com.Example.app://host/cb", true},
		{`{"private_use_schemes": ["com.example.app"]}`, "com.example.app2:/cb", false},
		{`{"private_use_schemes": ["com.example.app"]}`, "com.example:/cb", false},
		{`{"private_use_schemes": ["cursor"]}`, "cursor://any/thing", true},
		{`{"any_private_use": true}`, "com.example.app:/cb", true},
		{`{"any_private_use": true}`, "cursor://anysphere.cursor-mcp/oauth/callback", false}, // a scheme without a dot has to be listed
		{`{"any_private_use": true}`, "javascript:/cb", false},
		{`{"any_private_use": true}`, "com.apple.tv:/cb", false},
		{`{"any_private_use": true}`, "https://example.com/", false},

		// The preset of a client that also registers a loopback URI allows
		// loopback.
		{`{"presets": ["vscode"]}`, "http://127.0.0.1:5000/other", true},
		{`{"presets": ["claude"]}`, "http://127.0.0.1:5000/other", false},
		{`{"presets": ["claude"]}`, "https://claude.ai/api/mcp/auth_callback", true},
		{`{"presets": ["claude"]}`, "https://chatgpt.com/connector_platform_oauth_redirect", false},
		{`{"presets": ["claude"], "loopback": false}`, "http://localhost/", false},
	}
	for _, tt := range tests {
		if got := allows(t, redirectProfile(t, tt.rules), tt.uri); got != tt.want {
			t.Errorf("%s: %q allowed: %t, want %t", tt.rules, tt.uri, got, tt.want)
		}
	}
}

func TestRefusedRedirectURINamesTheURIAndWhatIsAllowed(t *testing.T) {
	p := redirectProfile(t, `{"presets": ["claude"], "loopback": true, "https": ["https://*.example.com/cb"], "private_use_schemes": ["cursor"]}`)
	_, err := apply(p, dcr.ClientMetadata{
		GrantTypes:   []string{dcr.GrantAuthorizationCode},
		RedirectURIs: []string{"https://one.example/cb", "https://two.example/cb"},
	})
	const want = "invalid_redirect_uri: redirect_uris[0]: 'https://one.example/cb' is not allowed here; allowed: " +
		"http on localhost, 127.0.0.1 or [::1]; those of claude; cursor:; https://*.example.com/cb"
	if err == nil || err.Error() != want {
		t.Errorf("Apply = %v, want %s", err, want)
	}
}

func TestRefusalUnderTheDefaultPolicyIsNotCut(t *testing.T) {
	open, _ := example(t, broker.ModeDirect).Open()
	_, err := apply(open, dcr.ClientMetadata{
		GrantTypes:   []string{dcr.GrantAuthorizationCode},
		RedirectURIs: []string{"https://evil.example/" + strings.Repeat("a", 200)},
	})
	if err == nil || !strings.HasSuffix(err.Error(), "vscode") {
		t.Errorf("Apply = %v, want a description that names all presets", err)
	}
}
