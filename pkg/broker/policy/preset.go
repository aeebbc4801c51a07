package policy

import (
	"maps"
	"slices"
	"strings"
)

// preset has the redirect URIs of a known client.
type preset struct {
	hosted     []hosted
	privateUse []string // whole URIs
	loopback   bool     // the client also registers a loopback URI, whose port and path it chooses
}

// hosted is an https redirect URI of a known client, and what is known about its
// server.
type hosted struct {
	pattern  string
	handling handling
	// source says where the handling is published, empty if it is unknown.
	source string
}

// handling is what the server of a redirect URI does with a response.
type handling int

const (
	// unknown counts as forwarded.
	unknown handling = iota
	// forwarded means that the server hands the response on to a program on the
	// user's device, or to a URL that the authorization request names.
	forwarded
	// kept means that the client's server redeems the code itself.
	kept
)

// The published sources.
const (
	sourceChatGPT = "https://developers.openai.com/apps-sdk/build/auth"
	sourceClaude  = "https://claude.com/docs/connectors/building/authentication"
	// It says that state is the URL to which the server redirects.
	sourceVSCode = "https://github.com/microsoft/vscode-azure-account/pull/546"
)

// presets has the redirect URIs that these clients are known to register. It
// does not list the paths of loopback URIs: any program on the user's machine
// can use any path, so a path would not stop an attacker.
var presets = map[string]preset{
	"antigravity": {hosted: []hosted{{pattern: "https://antigravity.google/oauth-callback"}}},
	"chatgpt": {hosted: []hosted{
		{"https://chatgpt.com/connector/oauth/*", kept, sourceChatGPT},
		{"https://chatgpt.com/connector_platform_oauth_redirect", kept, sourceChatGPT},
	}},
	"claude": {hosted: []hosted{
		{"https://claude.ai/api/mcp/auth_callback", kept, sourceClaude},
		{"https://claude.com/api/mcp/auth_callback", kept, sourceClaude},
	}},
	"claude-code":    {loopback: true},
	"codex":          {loopback: true},
	"copilot-studio": {hosted: []hosted{{pattern: "https://global.consent.azure-apim.net/redirect/*"}}},
	"cursor": {
		hosted:     []hosted{{pattern: "https://www.cursor.com/agents/mcp/oauth/callback"}},
		privateUse: []string{"cursor://anysphere.cursor-mcp/oauth/callback"},
		loopback:   true,
	},
	"gemini-cli":        {loopback: true},
	"gemini-enterprise": {hosted: []hosted{{pattern: "https://vertexaisearch.cloud.google.com/oauth-redirect"}}},
	"inspector":         {loopback: true},
	"mcp-remote":        {loopback: true},
	"n8n-cloud":         {hosted: []hosted{{pattern: "https://oauth.n8n.cloud/oauth2/callback"}}},
	"opencode":          {loopback: true},
	"vscode": {
		hosted: []hosted{
			{"https://insiders.vscode.dev/redirect", forwarded, sourceVSCode},
			{"https://vscode.dev/redirect", forwarded, sourceVSCode},
		},
		loopback: true,
	},
}

// Presets returns the names of the clients that redirect_uris.presets may list,
// in alphabetical order.
func Presets() []string { return slices.Sorted(maps.Keys(presets)) }

// handlingOfHost returns what the presets know about the server of a host, and false
// if no preset has the host. All redirect URIs of a host are handled the same.
func handlingOfHost(host string) (handling, bool) {
	for _, p := range presets {
		for _, h := range p.hosted {
			if strings.HasPrefix(h.pattern, "https://"+host+"/") {
				return h.handling, true
			}
		}
	}
	return unknown, false
}
