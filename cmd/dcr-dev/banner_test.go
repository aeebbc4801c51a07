package main

import (
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/config"
	"github.com/dcr-broker/dcr-broker/internal/tool/devstack"
	"github.com/dcr-broker/dcr-broker/internal/tool/walk"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// with starts the stack with the document, and returns it and its banner.
func with(t *testing.T, document string, args ...string) (*devstack.Stack, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "broker.json")
	must.WriteFile(t, file, []byte(document))
	c, err := parse(t, append([]string{"run", "--config", file}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Run.start(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	text := banner(s, file)
	for _, want := range []string{file, "within a second", s.MCP} {
		if !strings.Contains(text, want) {
			t.Errorf("the banner lacks %q:\n%s", want, text)
		}
	}
	if regexp.MustCompile(`\{[a-z]+\}|%!|config/broker\.json`).MatchString(text) {
		t.Errorf("the banner has a placeholder, or names the example:\n%s", text)
	}
	return s, text
}

// commands returns the commands of the banner that need no terminal.
func commands(banner string) []string {
	return regexp.MustCompile(`(?m)^  curl (?:.*\\\n)*.*$`).FindAllString(banner, -1)
}

// try runs the commands that register a client. It connects as an MCP client if
// the banner says that this works, and expects that it fails otherwise.
func try(t *testing.T, s *devstack.Stack, text string) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("the commands of the banner were not run: install curl")
	}
	for _, command := range commands(text) {
		want := "HTTP/1.1 201"
		if strings.Contains(command, "/introspect") {
			command, want = strings.Replace(command, "ACCESS_TOKEN", "none", 1), `{"active":false}`
		}
		out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s\nanswers %v %s\nwant %s", command, err, out, want)
		}
	}
	var report strings.Builder
	_, err := walk.Run(t.Context(), &report, walk.Options{MCP: s.MCP, Username: s.Username, Password: s.Password})
	if connects := strings.Contains(text, "npx @model"); connects && err != nil {
		t.Errorf("the banner says how to connect, which fails: %v\n%s", err, report.String())
	} else if !connects && err == nil {
		t.Errorf("an MCP client can connect, and the banner does not say so:\n%s", text)
	}
}

const (
	connects    = "npx @model"
	unprotected = "is not among the protected resources"
	open        = "openly, as MCP clients do"
	token       = "initial access token of the profile "
	introspects = "/introspect"
)

// The banner shows only what works under the configuration.
func TestBannerFollowsTheConfiguration(t *testing.T) {
	example := string(config.Example())
	add := func(member string) string { return strings.Replace(example, "{", "{"+member+",", 1) }
	inOpen := func(member string) string {
		return strings.Replace(example, `"open": {`, `"open": {`+member+`,`, 1)
	}
	for _, tt := range []struct {
		name, document string
		args           []string
		has, not       []string
	}{
		{"the example", example, nil, []string{connects, open, token + "trusted", introspects, "write_log"}, []string{unprotected, "cannot"}},
		{"direct mode", example, []string{"--authorization=direct"}, []string{connects, open, token + "trusted"}, []string{unprotected, introspects}},
		{"without open registration", strings.Replace(example, `"open_registration": "open",`, "", 1), nil,
			[]string{token + "trusted", introspects, "by themselves:\nopen registration is off"}, []string{connects, open}},
		{"without the profile trusted", strings.Replace(example, `"trusted"`, `"partners"`, 1), nil, []string{connects, open, token + "partners"}, []string{token + "trusted"}},
		{"with another server", add(`"protected_resources":[{"resource":"https://mcp.example.com/mcp","scopes":["mcp/read"]}]`), nil,
			[]string{unprotected, open, token + "trusted"}, []string{connects, introspects}},
		{"with scopes of another server", strings.ReplaceAll(example, "mcp/", "notes/"), nil, []string{unprotected}, []string{connects, introspects}},
		{"with an open profile without the scope", inOpen(`"scopes":{"allowed":["mcp/write"]}`), nil, []string{open, "does not have the scope mcp/read"}, []string{connects}},
		{"with approval", inOpen(`"approval":"manual"`), nil, []string{open, "approval of an operator"}, []string{connects}},
		{"with users of another group", inOpen(`"users":{"groups":["admins"]}`), nil, []string{open, "does not allow the user alice"}, []string{connects}},
		{"with the group of the user", inOpen(`"users":{"groups":["staff"],"identity_providers":["COGNITO"]}`), nil, []string{connects}, nil},
		{"with another identity provider", add(`"identity_providers":["COGNITO","Okta"]`), nil,
			[]string{open, token + "trusted", `does not have the identity provider "Okta"`}, []string{connects}},
		{"with another identity provider in direct mode", add(`"identity_providers":["COGNITO","Okta"]`), []string{"--authorization=direct"},
			[]string{"No client can register", `"Okta"`}, []string{connects, open, token}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, text := with(t, tt.document, tt.args...)
			for _, want := range tt.has {
				if !strings.Contains(text, want) {
					t.Errorf("the banner lacks %q:\n%s", want, text)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(text, not) {
					t.Errorf("the banner has %q:\n%s", not, text)
				}
			}
			try(t, s, text)
		})
	}
}

// Every command works with the documents of the cookbook.
func TestBannerOfTheCookbook(t *testing.T) {
	page, _, _ := strings.Cut(string(must.ReadFile(t, "../../docs/configuration.md")), "### A document with faults")
	documents := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(page, -1)
	want := [][]string{
		{connects, open, token + "trusted", introspects},
		{unprotected, open, "https://app.apps.example.com/oauth/callback", token + "ci", `"grant_types":["client_credentials"]`},
		{"by themselves:\nopen registration is off", token + "mobile", "com.example.app:/callback"},
		{unprotected, open, "https://claude.ai/api/mcp/auth_callback", token + "jobs"},
		{"requires a software statement", token + "ci"},
	}
	if len(documents) != len(want) {
		t.Fatalf("%d documents, want %d", len(documents), len(want))
	}
	for i, document := range documents {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			s, text := with(t, document[1])
			for _, want := range want[i] {
				if !strings.Contains(text, want) {
					t.Errorf("the banner lacks %q:\n%s", want, text)
				}
			}
			if n := len(commands(text)); n < 1 || strings.Contains(text, open) && n < 2 {
				t.Errorf("%d commands:\n%s", n, text)
			}
			try(t, s, text)
			if i == 3 {
				return // direct mode refuses this document
			}
			s, text = with(t, document[1], "--authorization=direct")
			if len(commands(text)) == 0 || strings.Contains(text, introspects) {
				t.Errorf("direct mode: %d commands, or introspection:\n%s", len(commands(text)), text)
			}
			try(t, s, text)
		})
	}
}

// Each kind of redirect rule has a request that works.
func TestEveryPresetAndRuleHasARequest(t *testing.T) {
	for _, rules := range []string{
		`"presets":["chatgpt"]`, `"presets":["n8n-cloud"]`, `"presets":["antigravity"]`, `"presets":["copilot-studio"]`, `"presets":["gemini-enterprise"]`,
		`"https":[{"pattern":"https://desktop.example.com/redirect","forwards":true}]`, `"presets":["claude"]`, `"presets":["vscode"]`, `"loopback":true`,
		`"https":["https://*.example.com:8443/a'b/*"]`, `"private_use_schemes":["myapp"]`,
	} {
		s, text := with(t, `{"version":1,"scopes":[{"name":"mcp/read"},{"name":"mcp/write"}],"open_registration":"open","profiles":{"open":{"redirect_uris":{`+rules+`}},"other":{"redirect_uris":{`+rules+`}}}}`)
		if n := len(commands(text)); n != 3 {
			t.Errorf("%s: %d commands, want three:\n%s", rules, n, text)
		}
		try(t, s, text)
	}
	for _, rules := range []string{`"any_https":true`, `"any_private_use":true`} {
		s, text := with(t, `{"version":1,"scopes":[{"name":"mcp/read"}],"profiles":{"other":{"redirect_uris":{`+rules+`}}}}`)
		if n := len(commands(text)); n != 2 {
			t.Errorf("%s: %d commands, want two:\n%s", rules, n, text)
		}
		try(t, s, text)
	}
}
