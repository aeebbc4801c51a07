package policy

import (
	"os"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

func TestForwards(t *testing.T) {
	p, err := Parse([]byte(`{"version": 1, "profiles": {
		"presets": {"redirect_uris": {"presets": ["chatgpt", "claude", "cursor", "n8n-cloud", "vscode"]}},
		"listed": {"consent": "remember", "redirect_uris": {"https": [
			"https://oauth.n8n.cloud/oauth2/callback", "https://vscode.dev/redirect", "https://web.example.com/cb", "https://*.apps.example.com/cb",
			"https://*.consent.azure-apim.net/redirect/*",
			{"pattern": "https://desk.example.com/redirect", "forwards": true}, {"pattern": "https://desk.apps.example.com/cb", "forwards": true}
		]}},
		"any": {"consent": "remember", "redirect_uris": {"any_https": true, "https": [{"pattern": "https://*.desk.example.com/redirect", "forwards": true}]}}
	}}`), broker.ModeBrokered, []string{"openid"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		profile, uri string
		want         bool
	}{
		{"presets", "https://claude.ai/api/mcp/auth_callback", false},
		{"presets", "https://chatgpt.com/connector/oauth/abc", false},
		{"presets", "https://vscode.dev/redirect", true},
		{"presets", "https://insiders.vscode.dev/redirect", true},
		{"presets", "https://oauth.n8n.cloud/oauth2/callback", true},          // unknown
		{"presets", "https://www.cursor.com/agents/mcp/oauth/callback", true}, // unknown
		{"presets", "http://127.0.0.1/cb", false},                             // is on the device itself
		{"presets", "cursor://anysphere.cursor-mcp/oauth/callback", false},

		{"listed", "https://oauth.n8n.cloud/oauth2/callback", false}, // the operator knows what the preset does not
		{"listed", "https://vscode.dev/redirect", true},              // the operator cannot know better
		{"listed", "https://VSCODE.dev/redirect", true},
		{"listed", "https://global.consent.azure-apim.net/redirect/x", true}, // a wildcard does not name the host
		{"listed", "https://ours.consent.azure-apim.net/redirect/x", false},
		{"listed", "https://web.example.com/cb", false},
		{"listed", "https://desk.example.com/redirect", true},
		{"listed", "https://desk.apps.example.com/cb", true}, // also matches a pattern without forwards
		{"listed", "https://web.apps.example.com/cb", false},

		{"any", "https://vscode.dev:443/redirect", true},
		{"any", "https://vscode.dev/redirect/", true},
		{"any", "https://oauth.n8n.cloud/oauth2/%63allback", true},
		{"any", "https://claude.ai/api/mcp/auth_callback", false},
		{"any", "https://a.desk.example.com/redirect?x", true}, // another notation of a URI that forwards
		{"any", "https://vscode.dev.example.com/redirect", false},
		{"any", "https://localhost:8443/cb", false}, // is on the device itself
	} {
		u, err := dcr.ParseRedirectURI(tt.uri)
		if err != nil {
			t.Fatal(err)
		}
		profile, _ := p.Profile(tt.profile)
		if got := profile.Forwards(u); got != tt.want {
			t.Errorf("%s: %s forwards: %t, want %t", tt.profile, tt.uri, got, tt.want)
		}
		if got, want := profile.Remembers(u), tt.profile != "presets" && !tt.want && !u.OnDevice(); got != want {
			t.Errorf("%s: a consent for %s is remembered: %t, want %t", tt.profile, tt.uri, got, want)
		}
	}
}

// A handling other than unknown needs a published source, which the documentation
// names, and all redirect URIs of a host are handled the same.
func TestTheFateOfAHostedRedirectURIHasASource(t *testing.T) {
	page, err := os.ReadFile("../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	hosts := make(map[string]handling)
	for name, p := range presets {
		for _, h := range p.hosted {
			pattern, err := parseHTTPSPattern(h.pattern)
			if err != nil || pattern.anyLabel || pattern.port != "" {
				t.Fatalf("%s: %s: %v; a hosted URI has a plain host", name, h.pattern, err)
			}
			if other, ok := hosts[pattern.host]; ok && other != h.handling {
				t.Errorf("the URIs of %s are handled differently", pattern.host)
			}
			hosts[pattern.host] = h.handling
			if got, ok := handlingOfHost(pattern.host); got != h.handling || !ok {
				t.Errorf("handlingOfHost(%s) = %d, %t, want %d", pattern.host, got, ok, h.handling)
			}
			if (h.handling == unknown) != (h.source == "") {
				t.Errorf("%s has handling %d and source %q", h.pattern, h.handling, h.source)
			}
			if h.handling == unknown {
				continue
			}
			forwards := map[handling]string{forwarded: "yes", kept: "no"}[h.handling]
			row := "| " + forwards + " | ["
			documented := false
			for line := range strings.Lines(string(page)) {
				documented = documented || strings.Contains(line, "`https://"+pattern.host+"/...`") && strings.Contains(line, row) && strings.Contains(line, "("+h.source+")")
			}
			if !documented {
				t.Errorf("docs/configuration.md does not say that %s forwards: %s, with source %s", pattern.host, forwards, h.source)
			}
		}
	}
}

func TestVouchesForNoURIThatForwards(t *testing.T) {
	p, err := Parse([]byte(`{"version": 1, "open_registration": "open", "profiles": {"open": {"redirect_uris": {
		"presets": ["claude", "n8n-cloud", "vscode"], "https": [{"pattern": "https://claude.com/api/mcp/auth_callback", "forwards": true}]
	}}}}`), broker.ModeDirect, []string{"openid"})
	if err != nil {
		t.Fatal(err)
	}
	for uri, want := range map[string]bool{
		"https://claude.ai/api/mcp/auth_callback": true, "https://claude.com/api/mcp/auth_callback": false,
		"https://vscode.dev/redirect": false, "https://oauth.n8n.cloud/oauth2/callback": false,
	} {
		u, err := dcr.ParseRedirectURI(uri)
		if err != nil {
			t.Fatal(err)
		}
		open, _ := p.Open()
		if got := open.Vouches(u); got != want {
			t.Errorf("vouches for %s: %t, want %t", uri, got, want)
		}
	}
}
