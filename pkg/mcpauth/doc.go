// Package mcpauth makes a Go MCP server a protected resource of a Cognito user
// pool that stands behind the broker. It does the server's half of MCP
// authorization (2025-11-25 and 2026-07-28): protected resource metadata (RFC
// 9728), challenges from which a client learns where to sign in and which scope
// it lacks (RFC 6750 section 3, RFC 9728 section 5.1), verification of Cognito's
// access tokens, scopes for single tools, and CORS for clients that run in a
// browser. It goes around any http.Handler; package gosdk hands the claims to
// tools of the official Go SDK.
//
//	guard, err := mcpauth.New(mcpauth.Config{
//		Resource:            "https://mcp.example.com/mcp",
//		AuthorizationServer: "https://auth.example.com",
//		TokenIssuer:         "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_EXAMPLE",
//		RequireAudience:     true,
//		Scopes:              []string{"mcp/read"},
//		ToolScopes:          map[string][]string{"delete": {"mcp/write"}},
//	})
//	http.ListenAndServe("localhost:8090", guard.Handler(endpoint))
//
// # What a token has to be
//
// Signed with RS256 by a key that the user pool publishes; iss, exp and
// token_use=access; a client_id, one of Config.AppClients if there are any; an
// aud, if there is one or Config.RequireAudience is set, that has this resource
// in it; and every scope that the request needs. ID tokens, which are signed with
// the same keys, are refused. nbf is not looked at; Cognito does not send it.
//
// # Answers
//
// Without a token 401 with a challenge that has no error; with a bad one 401 and
// invalid_token; with too small a scope 403 and insufficient_scope, naming all
// scopes that the request needs. If the keys cannot be fetched, 503 without a
// challenge: a 401 would make a client throw a good token away. Bodies are JSON
// with error and error_description.
//
// # Keys
//
// They are fetched when a token names one that is not known, at most every 30
// seconds, and when they are an hour old. While they cannot be fetched, those
// that are known stay good, and it is tried again every 2 seconds.
//
// # What it does not do
//
// Tokens in queries and bodies; introspection, so a token is good until it
// expires even if what it stands for was withdrawn; scope hierarchies, as
// Cognito has none: a scope is there or not; DPoP and mutual TLS; handing a
// token on to another API, which MCP forbids: what handlers get are its claims.
package mcpauth
