package main

import (
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/config"
	"github.com/dcr-broker/dcr-broker/internal/devstack"
)

// banner returns what run prints at the start: the addresses of the servers, and
// how to connect and register a client.
func banner(s *devstack.Stack) string {
	signIn, more := signInDirect, ""
	if s.Authorization == config.Brokered {
		signIn, more = signInBrokered, introspect
	}
	return strings.NewReplacer(
		"{issuer}", s.Issuer, "{mcp}", s.MCP, "{cognito}", s.Cognito,
		"{user}", s.Username, "{password}", s.Password, "{iat}", s.InitialAccessToken,
		"{introspection}", devstack.IntrospectionID+":"+devstack.IntrospectionSecret,
	).Replace(`dcr-broker is running; it forgets everything when you stop it.

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

  The tool write_log needs a scope that clients do not request at first. When it
  is called, clients that support it ask you to allow the additional scope.

Register a client by hand: openly, as MCP clients do

  curl -si {issuer}/register -H 'Content-Type: application/json' \
    -d '{"client_name":"My client","redirect_uris":["http://localhost:7777/callback"],"token_endpoint_auth_method":"none"}'

or with an initial access token, which lets a client have a secret

  curl -si {issuer}/register -H 'Content-Type: application/json' \
    -H 'Authorization: Bearer {iat}' \
    -d '{"client_name":"My server","redirect_uris":["https://app.example.com/callback"]}'
` + more + `
Ctrl-C stops it.
`)
}

const (
	signInBrokered = `
The broker authorizes clients itself (AUTHORIZATION=brokered): after signing in
you are asked to approve the client, and a registration creates no app client at
Cognito. With --authorization=direct every registration creates a Cognito app
client instead, and there is no consent page.
`
	signInDirect = `
Cognito authorizes clients itself (AUTHORIZATION=direct): every registration creates
an app client of its own, and there is no consent page. The default,
--authorization=brokered, has one.
`
	introspect = `
Introspect an access token, with the credentials of the MCP server

  curl -s {issuer}/introspect -u {introspection} -d token=ACCESS_TOKEN
`
)
