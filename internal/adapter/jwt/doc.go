// Package jwt is an adapter: it verifies Cognito's access tokens, which are
// JWTs (RFC 7519) signed with RS256 by a key of the user pool's key set (RFC
// 7517). It fetches and caches key sets, also for package issuers.
//
// It returns the claims of a token. It leaves out what they allow: the caller
// compares client, audience and scopes.
package jwt
