package main

import (
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/tool/devstack"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// banner tells what runs where and what to do with it.
func banner(s *devstack.Stack) string {
	signIn, more := signInDirect, ""
	if s.Authorization == broker.ModeBrokered {
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

  The tool write_log needs a scope that clients do not ask for at first: those
  that can, ask you for it when it is called.

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
you are asked whether the client may in, and no registration makes an app client
at Cognito. With --authorization=direct it hands out Cognito app clients instead,
and nobody is asked.
`
	signInDirect = `
Cognito authorizes clients itself (AUTHORIZATION=direct): every registration is an
app client of its own, and nobody is asked for consent. The default,
--authorization=brokered, has a consent page.
`
	introspect = `
Ask what an access token is worth, as the MCP server may

  curl -s {issuer}/introspect -u {introspection} -d token=ACCESS_TOKEN
`
)
