package main

import (
	"fmt"
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
	if s.Authorization == broker.ModeBrokered {
		parts = append(parts, signInBrokered)
	} else {
		parts = append(parts, signInDirect)
	}
	parts = append(parts, connecting(s), registering(s))
	introspects := func(c configuration.IntrospectionClient) bool {
		return c.ID == devstack.IntrospectionID && c.Resource == s.MCP
	}
	if s.Authorization == broker.ModeBrokered && slices.ContainsFunc(s.Configuration.IntrospectionClients, introspects) {
		parts = append(parts, introspect)
	}
	return strings.NewReplacer(
		"{issuer}", s.Issuer, "{mcp}", s.MCP, "{cognito}", s.Cognito, "{file}", file,
		"{user}", s.Username, "{password}", s.Password, "{iat}", s.InitialAccessToken, "{profile}", s.TokenProfile,
		"{introspection}", devstack.IntrospectionID+":"+devstack.IntrospectionSecret,
	).Replace(strings.Join(append(parts, "\nCtrl-C stops it.\n"), ""))
}

// connecting returns how MCP clients connect to the sample MCP server, or why
// they cannot.
func connecting(s *devstack.Stack) string {
	if !slices.ContainsFunc(s.Configuration.Resources, func(r broker.Resource) bool { return r.URL == s.MCP }) {
		return notProtected
	}
	if reason := obstacle(s); reason != "" {
		return fmt.Sprintf(notConnectable, reason)
	}
	if p, ok := s.Configuration.Policy.Open(); ok && slices.Contains(p.Scopes(), devstack.WriteScope) {
		return connect + connectWrite
	}
	return connect
}

// registering returns the commands that register a client, if the configuration
// lets them succeed.
func registering(s *devstack.Stack) string {
	if name := unknownProvider(s.Configuration); name != "" && s.Authorization == broker.ModeDirect {
		return fmt.Sprintf(notRegistrable, name)
	}
	var parts []string
	if p, ok := s.Configuration.Policy.Open(); ok {
		if body := openly(p); body != "" {
			parts = append(parts, fmt.Sprintf(registerOpenly, quoted(body)))
		}
	}
	if p, ok := s.Configuration.Policy.Profile(s.TokenProfile); ok {
		if body := withToken(p); body != "" {
			parts = append(parts, fmt.Sprintf(registerWithToken, quoted(body)))
		}
	}
	return strings.Join(parts, "")
}

// quoted returns s as one argument for a POSIX shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

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
The sample MCP server is not among the protected resources of the configuration,
so no client gets an access token for it. To add it, list {mcp}
under protected_resources. Or declare the scope mcp/read and leave
protected_resources out; then the sample MCP server is the only one.
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
`
	connectWrite = `
  The tool write_log needs a scope that clients do not request at first. Clients
  that support it ask you for the scope when they call the tool.
`
	notConnectable = `
MCP clients cannot connect to the sample MCP server by themselves:
%s.
`
	notRegistrable = `
No client can register: the local Cognito does not have the identity provider
%q (identity_providers).
`
	registerOpenly = `
Register a client by hand: openly, as MCP clients do

  curl -si {issuer}/register -H 'Content-Type: application/json' \
    -d %s
`
	registerWithToken = `
Register a client with an initial access token of the profile {profile}

  curl -si {issuer}/register -H 'Content-Type: application/json' \
    -H 'Authorization: Bearer {iat}' \
    -d %s
`
	introspect = `
Introspect an access token, as the MCP server can

  curl -s {issuer}/introspect -u {introspection} -d token=ACCESS_TOKEN
`
)
