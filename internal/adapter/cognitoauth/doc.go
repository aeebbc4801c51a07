// Package cognitoauth asks Cognito's OAuth endpoints in the name of the broker's
// own app clients, which are all confidential: it redeems codes, refreshes,
// fetches tokens for a client itself and revokes (RFC 6749, RFC 7636, RFC 7009),
// and builds the addresses that browsers are sent to. What the answers mean for
// a client of the broker is for the callers to say.
//
// It does not check signatures. Every token that it reads came from Cognito's
// token endpoint over a connection of its own (OpenID Connect Core 1.0
// §3.1.3.7, item 6).
package cognitoauth
