package policy

import (
	"maps"
	"slices"
)

// preset is what a known client registers as redirect URIs.
type preset struct {
	https      []string // patterns
	privateUse []string // whole URIs
	loopback   bool     // it also comes with a loopback URI, on a port and path of its own
}

// presets has the redirect URIs that the clients are known to register. A loopback URI is not listed by path: any
// program on the user's machine can use the path of another, so that would keep nobody out.
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

// Presets returns the names of the clients that redirect_uris.presets may list, in alphabetical order.
func Presets() []string { return slices.Sorted(maps.Keys(presets)) }
