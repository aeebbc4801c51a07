// Package mcpauth is the server's half of MCP authorization (2025-11-25 and
// 2026-07-28), RFC 9728 and RFC 6750 for a Go MCP server that accepts the
// tokens of a Cognito user pool behind the broker. It serves protected resource
// metadata (RFC 9728), sends challenges that name the metadata and the needed
// scopes (RFC 6750 §3, RFC 9728 §5.1), verifies Cognito's access tokens, checks
// the scopes of single tools, and answers CORS for clients in a browser. It
// wraps any http.Handler; package gosdk gives the claims to tools of the
// official Go SDK.
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
// # Valid tokens
//
// A token is signed with RS256 by a key that the user pool publishes. It has
// the right iss, an exp in the future and token_use=access; a client_id, one of
// Config.AppClients if that is set; an aud with this resource if it has an aud
// or Config.RequireAudience is set; and every scope that the request needs. A token
// of client_credentials has no aud; with Config.RequireAudience, it is valid if
// Config.AppClients names its app client. ID tokens, which are signed with the
// same keys, are refused. nbf is ignored; Cognito does not send it.
//
// Cognito has a client registration and client ID metadata documents of its own. If
// an administrator opens one of them on the broker's pool, clients get tokens with
// the same iss, and perhaps the same scopes, without the broker's policy and consent.
// Then set Config.AppClients to the broker's app clients.
//
// # Responses
//
// A request without a token gets 401 and a challenge without an error code;
// with an invalid token 401 and invalid_token; with missing scopes 403 and
// insufficient_scope, with all scopes that the request needs. If the keys
// cannot be fetched, the response is 503 without a challenge: after a 401 a
// client would discard a valid token. Bodies are JSON with error and
// error_description.
//
// # Keys
//
// Keys are fetched if a token names an unknown one, at most every 30 seconds,
// and when they are an hour old. If they cannot be fetched, the known keys stay
// valid until they are a day old, and the fetch is repeated every 2 seconds.
//
// # Left out
//
// Tokens in queries and bodies; introspection, so a token is valid until it
// expires even if the user has revoked the grant; scope hierarchies, which
// Cognito does not have; DPoP and mutual TLS; passing a token on to another
// API, which MCP forbids: handlers get its claims only.
package mcpauth
