package main

import (
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/tool/devstack"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

// banner returns the addresses and what to try with them under the
// configuration, which is in file or is the example.
func banner(s *devstack.Stack, file string) string {
	parts := []string{addresses}
	if file == "" {
		parts = append(parts, example)
	} else {
		parts = append(parts, watched)
	}
	protected := slices.ContainsFunc(s.Configuration.Resources, func(r broker.Resource) bool { return r.URL == s.MCP })
	if !protected {
		parts = append(parts, notProtected)
	}
	if s.Authorization == broker.ModeBrokered {
		parts = append(parts, signInBrokered)
	} else {
		parts = append(parts, signInDirect)
	}
	if protected {
		parts = append(parts, connect)
	}
	if _, ok := s.Configuration.Policy.Open(); ok {
		parts = append(parts, registerOpenly)
	}
	if s.InitialAccessToken != "" {
		parts = append(parts, registerWithToken)
	}
	introspects := func(c configuration.IntrospectionClient) bool {
		return c.ID == devstack.IntrospectionID && c.Resource == s.MCP
	}
	if s.Authorization == broker.ModeBrokered && slices.ContainsFunc(s.Configuration.IntrospectionClients, introspects) {
		parts = append(parts, introspect)
	}
	return strings.NewReplacer(
		"{issuer}", s.Issuer, "{mcp}", s.MCP, "{cognito}", s.Cognito, "{file}", file,
		"{user}", s.Username, "{password}", s.Password, "{iat}", s.InitialAccessToken,
		"{introspection}", devstack.IntrospectionID+":"+devstack.IntrospectionSecret,
	).Replace(strings.Join(append(parts, "\nCtrl-C stops it.\n"), ""))
}

const (
	addresses = `dcr-broker is running. All data is lost when you stop it.

  MCP server     {mcp}
  Broker         {issuer}
                 {issuer}/.well-known/oauth-authorization-server
  Local Cognito  {cognito}
  Sign in as     {user} / {password}
`
	example = `  Configuration  config/broker.json, with the MCP server as a protected resource.
                 With --config FILE it is your own file.
`
	watched = `  Configuration  {file}
                 You can edit it: a change is in force within a second.
`
	notProtected = `
The sample MCP server is not among the protected resources of {file},
so no client gets an access token for it. Leave protected_resources out of the
file, and declare the scope mcp/read, to have it as the only one; or list it as
{mcp}.
`
	signInBrokered = `
The broker authorizes clients itself (AUTHORIZATION=brokered): after you sign in
you are asked to approve the client. A registration does not create an app client
at Cognito. With --authorization=direct each registration is a Cognito app client,
and there is no consent page.
`
	signInDirect = `
Cognito authorizes clients itself (AUTHORIZATION=direct): each registration is an
app client of its own, and there is no consent page. The default,
--authorization=brokered, has one.
`
	connect = `
Connect an MCP client

  MCP Inspector  npx @modelcontextprotocol/inspector
                 transport "Streamable HTTP", URL {mcp}, then Connect
  Claude Code    claude mcp add --transport http sample {mcp}
                 then type /mcp in claude and choose "sample" to sign in

  The tool write_log needs a scope that clients do not request at first. Clients
  that support it ask you for the scope when they call the tool.
`
	registerOpenly = `
Register a client by hand: openly, as MCP clients do

  curl -si {issuer}/register -H 'Content-Type: application/json' \
    -d '{"client_name":"My client","redirect_uris":["http://localhost:7777/callback"],"token_endpoint_auth_method":"none"}'
`
	registerWithToken = `
Register a client with an initial access token, which allows one with a secret

  curl -si {issuer}/register -H 'Content-Type: application/json' \
    -H 'Authorization: Bearer {iat}' \
    -d '{"client_name":"My server","redirect_uris":["https://app.example.com/callback"]}'
`
	introspect = `
Introspect an access token, as the MCP server can

  curl -s {issuer}/introspect -u {introspection} -d token=ACCESS_TOKEN
`
)
