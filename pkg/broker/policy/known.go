package policy

import (
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// bodies has what the clients of a preset are known to register, as far as it
// does not vary from one installation to the next: testdata/registrations of this
// repository has the requests and their sources. The ports of loopback URIs do
// not matter. ChatGPT registers an id in its redirect URI, and Claude Code the
// name of the server in its own name, so those are not here.
var bodies = map[string][]dcr.ClientMetadata{
	"chatgpt": {{ClientName: "ChatGPT", RedirectURIs: []string{"https://chatgpt.com/connector_platform_oauth_redirect"}}},
	"claude":  {{ClientName: "Claude", RedirectURIs: []string{"https://claude.ai/api/mcp/auth_callback"}}},
	"cursor": {{ClientName: "Cursor", RedirectURIs: []string{
		"cursor://anysphere.cursor-mcp/oauth/callback",
		"https://www.cursor.com/agents/mcp/oauth/callback",
		"http://localhost/callback",
	}}},
	"gemini-cli": {{ClientName: "Gemini CLI MCP Client", RedirectURIs: []string{"http://localhost/oauth/callback"}}},
	"inspector": {{
		ClientName: "MCP Inspector", ClientURI: "https://github.com/modelcontextprotocol/inspector",
		RedirectURIs: []string{"http://localhost/oauth/callback"}, ApplicationType: dcr.ApplicationNative,
	}},
	"opencode": {{ClientName: "OpenCode", ClientURI: "https://opencode.ai", RedirectURIs: []string{"http://127.0.0.1/mcp/oauth/callback"}}},
	"vscode":   {visualStudioCode("Visual Studio Code"), visualStudioCode("Visual Studio Code - Insiders")},
}

func visualStudioCode(name string) dcr.ClientMetadata {
	return dcr.ClientMetadata{
		ClientName: name, ClientURI: "https://code.visualstudio.com", ApplicationType: dcr.ApplicationNative,
		RedirectURIs: []string{"https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect", "http://127.0.0.1/"},
	}
}

// knownBodies returns the redirect rule of each body that the clients of the
// profile's presets are known to register, by its canonical form. A body that the
// profile does not allow is left out.
func (p *Profile) knownBodies() map[string]string {
	known := make(map[string]string)
	for _, preset := range p.redirects.presets {
		for _, body := range bodies[preset.name] {
			body.GrantTypes = []string{dcr.GrantAuthorizationCode, dcr.GrantRefreshToken}
			body.ResponseTypes = []string{dcr.ResponseTypeCode}
			m, err := p.Apply(dcr.Parse(body))
			if err != nil {
				continue
			}
			if id, err := Canonical(m); err == nil {
				known[string(id)] = p.RedirectRule(m)
			}
		}
	}
	return known
}

// Reserved returns how many registrations of the hour, of those of m's redirect
// rule, are reserved for other metadata than m: one for each body that the
// clients of the profile's presets are known to register. It is 0 if m is such a
// body. There are few of them, and in brokered mode a repeated registration is
// not counted, so a stranger cannot use them up by sending these bodies. m is
// metadata that Apply returned.
func (p *Profile) Reserved(m dcr.ParsedMetadata) int {
	id, err := Canonical(m)
	if err != nil || p.known[string(id)] != "" {
		return 0
	}
	reserved, rule := 0, p.RedirectRule(m)
	for _, r := range p.known {
		if r == rule {
			reserved++
		}
	}
	return reserved
}
