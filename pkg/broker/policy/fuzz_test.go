package policy_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// FuzzParse checks that any bytes give a policy or faults, and that under any
// document open registration gives only public clients with listed redirect
// URIs.
func FuzzParse(f *testing.F) {
	f.Add([]byte(profiles))
	f.Add([]byte(`{"version": 1, "open_registration": null, "profiles": {"p": {"grant_types": ["client_credentials"], "token_endpoint_auth_methods": ["client_secret_post"]}}}`))
	f.Add([]byte(`{"version": 1, "version": 2, "profiles": {"P": {"redirect_uris": {"https": ["https://*.com/*", "\ud800"]}, "consent": 1}}}`))
	f.Add([]byte(`{"profiles": [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}`))
	f.Add([]byte("\xef\xbb\xbf{}"))
	f.Add([]byte(`{"version": 1e0, "open_registration": "p", "profiles": {"p": {"limits": {"app_clients": -0}, "scopes": {"allowed": [null]}}}}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		if faults := faultsOf(t, document, wide); faults != nil {
			for _, fault := range faults {
				if fault == "" || strings.Contains(fault, "\n") {
					t.Errorf("fault %q, want one line", fault)
				}
			}
			return
		}
		p := parse(t, string(document), wide)
		if len(p.Profiles()) == 0 {
			t.Error("a policy without profiles")
		}
		open, ok := p.Open()
		if !ok {
			return
		}
		if slices.Contains(open.Scopes(), admin) || len(open.Scopes()) == 0 {
			t.Errorf("scopes of open registration = %q", open.Scopes())
		}
		for _, uri := range []string{"https://not.listed.example/cb", "com.not.listed:/cb"} {
			if strings.Contains(strings.ToLower(string(document)), "down") || strings.Contains(string(document), `\u`) {
				continue
			}
			if _, err := apply(open, dcr.ClientMetadata{GrantTypes: []string{dcr.GrantAuthorizationCode}, RedirectURIs: []string{uri}}); err == nil {
				t.Errorf("open registration accepts %s", uri)
			}
		}
	})
}

// FuzzRedirectURI compares the default policy's answer with net/url's reading
// of the URI, because a browser does not use our parser.
func FuzzRedirectURI(f *testing.F) {
	for _, uri := range []string{
		"https://claude.ai/api/mcp/auth_callback", "https://claude.ai.evil.com/", "https://claude.ai:444/api/mcp/auth_callback",
		"https://chatgpt.com/connector/oauth/abc", "https://chatgpt.com/connector/oauth/%2e%2e/evil", "https://chatgpt.com/connector/oauth/../x",
		"http://localhost:1/x", "http://localhost@evil.com/", "http://[::1]/", "cursor://anysphere.cursor-mcp/oauth/callback",
		"cursor://claude.ai/", "https://claude.ai\\@evil.com/api/mcp/auth_callback", "https://vscode.dev/redirect?x", "https://vscode.dev/redirect?",
	} {
		f.Add(uri)
	}
	open, _ := example(f, broker.ModeDirect).Open()
	exact := []string{
		"claude.ai/api/mcp/auth_callback", "claude.com/api/mcp/auth_callback", "chatgpt.com/connector_platform_oauth_redirect",
		"vscode.dev/redirect", "insiders.vscode.dev/redirect", "www.cursor.com/agents/mcp/oauth/callback",
	}
	f.Fuzz(func(t *testing.T, uri string) {
		_, err := apply(open, dcr.ClientMetadata{GrantTypes: []string{dcr.GrantAuthorizationCode}, RedirectURIs: []string{uri}})
		if err != nil {
			return
		}
		u, err := url.Parse(uri)
		if err != nil || u.User != nil || u.Fragment != "" || u.Opaque != "" {
			t.Fatalf("%q accepted; net/url has %+v, %v", uri, u, err)
		}
		host := strings.ToLower(u.Host)
		switch u.Scheme {
		case "http":
			if name := strings.ToLower(u.Hostname()); name != "localhost" && name != "127.0.0.1" && name != "::1" {
				t.Errorf("%q accepted with host %q", uri, name)
			}
		case "cursor":
			if host != "anysphere.cursor-mcp" || u.EscapedPath() != "/oauth/callback" || u.RawQuery != "" || u.ForceQuery {
				t.Errorf("%q accepted", uri)
			}
		case "https":
			id, isChatGPT := strings.CutPrefix(u.Path, "/connector/oauth/")
			known := slices.Contains(exact, host+u.EscapedPath()) || host == "chatgpt.com" && isChatGPT && id != "" && !strings.Contains(id, "/")
			if !known || u.RawQuery != "" || u.ForceQuery || strings.Contains(uri, "%") {
				t.Errorf("%q accepted", uri)
			}
		default:
			t.Errorf("%q accepted with scheme %q", uri, u.Scheme)
		}
	})
}
