package main

import (
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/tool/devstack"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// banner returns the addresses and what to try with them.
func banner(s *devstack.Stack) string {
	signIn, more := signInDirect, ""
	if s.Authorization == broker.ModeBrokered {
		signIn, more = signInBrokered, introspect
	}
	return strings.NewReplacer(
		"{issuer}", s.Issuer, "{mcp}", s.MCP, "{cognito}", s.Cognito,
		"{user}", s.Username, "{password}", s.Password, "{iat}", s.InitialAccessToken,
		"{introspection}", devstack.IntrospectionID+":"+devstack.IntrospectionSecret,
	).Replace(`dcr-broker is running. All data is lost when you stop it.

  MCP server     {mcp}
  Broker         {issuer}
                 {issuer}/.well-known/oauth-authorization-server
  Local Cognito  {cognito}
  Sign in as     {user} / {password}
` + signIn + `
Connect an MCP client

  MCP Inspector  npx @modelcontextprotocol/inspector
                 transport "Streamable HTTP", URL {mcp}, then Connect
  Claude Code    claude mcp add --transport http sample {mcp}
                 then type /mcp in claude and choose "sample" to sign in

  The tool write_log needs a scope that clients do not request at first. Clients
  that support it ask you for the scope when they call the tool.

Register a client by hand: openly, as MCP clients do

  curl -si {issuer}/register -H 'Content-Type: application/json' \
    -d '{"client_name":"My client","redirect_uris":["http://localhost:7777/callback"],"token_endpoint_auth_method":"none"}'

or with an initial access token, which allows a client with a secret

  curl -si {issuer}/register -H 'Content-Type: application/json' \
    -H 'Authorization: Bearer {iat}' \
    -d '{"client_name":"My server","redirect_uris":["https://app.example.com/callback"]}'
` + more + `
Ctrl-C stops it.
`)
}

const (
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
	introspect = `
Introspect an access token, as the MCP server can

  curl -s {issuer}/introspect -u {introspection} -d token=ACCESS_TOKEN
`
)
