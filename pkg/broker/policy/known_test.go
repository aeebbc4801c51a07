package policy_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/must"
)

func TestReserved(t *testing.T) {
	const all = `"redirect_uris": {"presets": ["chatgpt", "claude", "claude-code", "cursor", "gemini-cli", "inspector", "opencode", "vscode"], "https": ["https://app.example.com/cb"]}`
	reserved := func(profile *policy.Profile, body string) int {
		t.Helper()
		req, err := dcr.Decode([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		m, err := dcr.Validate(req.Metadata)
		if err == nil {
			m, err = profile.Apply(m)
		}
		if err != nil {
			t.Fatal(err)
		}
		return profile.Reserved(m)
	}
	open, _ := parse(t, profileDocument(`"p"`, all), offer{scopes: []string{"mcp/read"}}).Open()
	fixture := func(client string) string {
		return string(must.ReadFile(t, filepath.Join("..", "..", "..", "testdata", "registrations", client+".json")))
	}
	for client, want := range map[string]int{
		"chatgpt-legacy":              0,
		"claude-hosted":               0,
		"cursor":                      0,
		"gemini-cli":                  0,
		"mcp-inspector-web":           0,
		"mcp-inspector-web-no-scope":  0,
		"opencode":                    0,
		"vscode":                      0,
		"vscode-as-omits-grant-types": 0,
		"chatgpt":                     1,
		"claude-code":                 3, // those of Gemini CLI, Inspector and OpenCode
		"go-sdk":                      3,
		"ts-sdk-v1":                   3,
	} {
		if got := reserved(open, fixture(client)); got != want {
			t.Errorf("%s: Reserved = %d, want %d", client, got, want)
		}
	}
	for _, tt := range []struct {
		old, new string
		want     int
	}{
		{`"Visual Studio Code"`, `"Visual Studio  Code"`, 2},
		{`"client_name"`, `"logo_uri": "https://code.visualstudio.com/a.png", "client_name"`, 2},
		{`"client_name"`, `"client_name#de": "VS Code", "client_name"`, 2},
		{`"client_name"`, `"software_id": "1", "client_name"`, 2},
		{`"http://127.0.0.1/"`, `"http://127.0.0.1/x"`, 2},
		{`:33418/`, `:1/`, 0}, // a port does not matter
		{`"http://127.0.0.1/"`, `"https://evil.example/", "http://127.0.0.1/"`, 0}, // the policy drops it
		{`"native"`, `"web"`, 2},
	} {
		body := fixture("vscode")
		changed := strings.Replace(body, tt.old, tt.new, 1)
		if changed == body {
			t.Fatalf("the fixture has no %s", tt.old)
		}
		if got := reserved(open, changed); got != tt.want {
			t.Errorf("VS Code with %s: Reserved = %d, want %d", tt.new, got, tt.want)
		}
	}
	if got := reserved(open, `{"redirect_uris":["https://app.example.com/cb"]}`); got != 0 {
		t.Errorf("a rule that is no preset: Reserved = %d, want 0", got)
	}
	claude, _ := parse(t, profileDocument(`"p"`, `"redirect_uris": {"presets": ["claude"], "loopback": true}`), offer{scopes: []string{"mcp/read"}}).Open()
	if got := reserved(claude, fixture("go-sdk")); got != 0 {
		t.Errorf("loopback without such a preset: Reserved = %d, want 0", got)
	}
}
