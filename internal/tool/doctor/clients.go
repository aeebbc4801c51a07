package doctor

import (
	"slices"
	"strings"
)

// Names of clients. What breaks a client is known from its source, from running
// it, or from its makers.
const (
	claude      = "Claude"
	claudeCode  = "Claude Code"
	chatGPT     = "ChatGPT"
	codexCLI    = "Codex CLI"
	cursor      = "Cursor"
	geminiCLI   = "Gemini CLI"
	goSDK       = "Go SDK"
	inspector   = "MCP Inspector"
	mcpRemote   = "mcp-remote"
	openClient  = "openid-client (npm)"
	openCode    = "OpenCode"
	python1     = "Python SDK 1"
	python2     = "Python SDK 2"
	rmcp        = "rmcp (Codex, Goose)"
	typeScript1 = "TypeScript SDK 1"
	typeScript2 = "TypeScript SDK 2"
	vsCode      = "VS Code"
)

// reported marks a client whose failure others have reported and this project
// has not reproduced.
func reported(client string) string { return client + suffixReported }

const suffixReported = " (reported)"

// typeScript are the clients that read answers as the TypeScript SDK does. Its
// schemas reject null and wrong types.
var typeScript = []string{typeScript1, typeScript2, inspector, mcpRemote, openCode}

// exactIssuer are the clients that compare the issuer; slashCounts are those
// for which a trailing slash makes a difference.
var (
	exactIssuer = []string{typeScript2, inspector, mcpRemote, python2, goSDK, rmcp}
	slashCounts = []string{typeScript2, inspector, mcpRemote, python2}
)

// registering are the clients that get a client id only by registration.
var registering = []string{cursor, geminiCLI, openCode, mcpRemote, inspector, typeScript1, typeScript2, python1, python2, goSDK}

// known is a client whose registration request is known.
type known struct {
	slug string
	name string
	// also are other names whose findings apply to it.
	also []string
	// body returns the request it sends (testdata/registrations names the
	// source), with the scopes that it would request, if any.
	body    func(d *doctor) map[string]any
	verdict *definition
}

var (
	codeAndRefresh = []string{"authorization_code", "refresh_token"}
	onlyCode       = []string{"code"}
)

// public returns the registration of a public client, as most clients send it.
func public(name string, redirectURIs ...string) map[string]any {
	return map[string]any{
		"client_name": name, "redirect_uris": redirectURIs, "grant_types": codeAndRefresh, "response_types": onlyCode,
		"token_endpoint_auth_method": "none",
	}
}

// with adds the members that are not nil to the body, and returns it.
func with(body map[string]any, members map[string]any) map[string]any {
	for name, v := range members {
		if v != nil {
			body[name] = v
		}
	}
	return body
}

// scope returns the scope for the registration of a client that takes it from
// the challenge or the metadata of the resource; nil if they name none.
func (d *doctor) scope() any {
	if len(d.scopes) == 0 {
		return nil
	}
	return strings.Join(d.scopes, " ")
}

// bodies returns the clients whose registration request is known.
func bodies() []*known {
	return []*known{
		{slug: "vscode", name: vsCode, body: func(d *doctor) map[string]any {
			return with(public("Visual Studio Code", "https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect", "http://127.0.0.1/", "http://127.0.0.1:33418/"),
				map[string]any{
					"client_uri": "https://code.visualstudio.com", "application_type": "native", "scope": d.scope(),
					"grant_types": vsCodeGrantTypes(d.server),
				})
		}},
		{slug: "claude", name: claude, body: func(d *doctor) map[string]any {
			return with(public("Claude", "https://claude.ai/api/mcp/auth_callback"), map[string]any{"scope": d.scope()})
		}},
		{slug: "claude-code", name: claudeCode, body: func(d *doctor) map[string]any {
			return with(public("Claude Code (my-server)", "http://localhost:3118/callback"), map[string]any{"scope": d.scope(), "application_type": "native"})
		}},
		{slug: "chatgpt", name: chatGPT, body: func(*doctor) map[string]any {
			return public("ChatGPT", "https://chatgpt.com/connector/oauth/abcDEF123")
		}},
		{slug: "cursor", name: cursor, body: func(*doctor) map[string]any {
			return public("Cursor", "cursor://anysphere.cursor-mcp/oauth/callback", "https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback")
		}},
		{slug: "gemini-cli", name: geminiCLI, body: func(*doctor) map[string]any {
			return with(public("Gemini CLI MCP Client", "http://localhost:7777/oauth/callback"), map[string]any{"scope": ""})
		}},
		{slug: "mcp-inspector", name: inspector, body: func(d *doctor) map[string]any {
			body := with(public("MCP Inspector", "http://localhost:6274/oauth/callback"),
				map[string]any{"client_uri": "https://github.com/modelcontextprotocol/inspector", "application_type": "native", "scope": ""})
			return with(body, map[string]any{"scope": d.scope()})
		}},
		{slug: "opencode", name: openCode, body: func(d *doctor) map[string]any {
			return with(public("OpenCode", "http://127.0.0.1:19876/mcp/oauth/callback"), map[string]any{"client_uri": "https://opencode.ai", "scope": d.scope()})
		}},
		{slug: "go-sdk", name: goSDK, body: func(*doctor) map[string]any {
			return map[string]any{
				"client_name": "Dynamically registered MCP client", "redirect_uris": []string{"http://localhost:3142"}, "application_type": "native",
			}
		}},
		{slug: "typescript-sdk", name: "the TypeScript SDK's example", also: []string{typeScript1, typeScript2}, body: func(d *doctor) map[string]any {
			return with(public("Simple OAuth MCP Client", "http://localhost:8090/callback"),
				map[string]any{"token_endpoint_auth_method": "client_secret_post", "scope": d.scope()})
		}},
	}
}

// vsCodeGrantTypes returns VS Code's grant types that the server supports, or
// all of them if the metadata does not list any.
func vsCodeGrantTypes(server object) []string {
	all := append(slices.Clone(codeAndRefresh), "urn:ietf:params:oauth:grant-type:device_code")
	offered := server.texts("grant_types_supported")
	if offered == nil {
		return all
	}
	return slices.DeleteFunc(all, func(g string) bool { return !slices.Contains(offered, g) })
}
