package policy

import (
	"maps"
	"slices"
)

// preset has the redirect URIs of a known client.
type preset struct {
	https      []string // patterns
	privateUse []string // whole URIs
	loopback   bool     // the client also registers a loopback URI, whose port and path it chooses
}

// presets has the redirect URIs that these clients are known to register. It
// does not list the paths of loopback URIs: any program on the user's machine
// can use any path, so a path would not stop an attacker.
var presets = map[string]preset{
	"chatgpt": {https: []string{
		"https://chatgpt.com/connector/oauth/*",
		"https://chatgpt.com/connector_platform_oauth_redirect",
	}},
	"claude": {https: []string{
		"https://claude.ai/api/mcp/auth_callback",
		"https://claude.com/api/mcp/auth_callback",
	}},
	"claude-code": {loopback: true},
	"codex":       {loopback: true},
	"cursor": {
		https:      []string{"https://www.cursor.com/agents/mcp/oauth/callback"},
		privateUse: []string{"cursor://anysphere.cursor-mcp/oauth/callback"},
		loopback:   true,
	},
	"gemini-cli": {loopback: true},
	"inspector":  {loopback: true},
	"mcp-remote": {loopback: true},
	"n8n-cloud":  {https: []string{"https://oauth.n8n.cloud/oauth2/callback"}},
	"opencode":   {loopback: true},
	"vscode": {
		https:    []string{"https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect"},
		loopback: true,
	},
}

// Presets returns the names of the clients that redirect_uris.presets may list,
// in alphabetical order.
func Presets() []string { return slices.Sorted(maps.Keys(presets)) }
