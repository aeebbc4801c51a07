package main

import (
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/devstack"
)

// banner tells what runs where and what to do with it.
func banner(s *devstack.Stack) string {
	return strings.NewReplacer(
		"{issuer}", s.Issuer, "{mcp}", s.MCP, "{cognito}", s.Cognito,
		"{user}", s.Username, "{password}", s.Password, "{iat}", s.InitialAccessToken,
	).Replace(`dcr-broker is running; it forgets everything when you stop it.

  MCP server     {mcp}
  Broker         {issuer}
                 {issuer}/.well-known/oauth-authorization-server
  Local Cognito  {cognito}
  Sign in as     {user} / {password}

Connect an MCP client

  MCP Inspector  npx @modelcontextprotocol/inspector
                 transport "Streamable HTTP", URL {mcp}, then Connect
  Claude Code    claude mcp add --transport http sample {mcp}
                 then type /mcp in claude and choose "sample" to sign in

Register a client by hand: openly, as MCP clients do

  curl -si {issuer}/register -H 'Content-Type: application/json' \
    -d '{"client_name":"My client","redirect_uris":["http://localhost:7777/callback"],"token_endpoint_auth_method":"none"}'

or with an initial access token, which lets a client have a secret

  curl -si {issuer}/register -H 'Content-Type: application/json' \
    -H 'Authorization: Bearer {iat}' \
    -d '{"client_name":"My server","redirect_uris":["https://app.example.com/callback"]}'

Ctrl-C stops it.
`)
}
