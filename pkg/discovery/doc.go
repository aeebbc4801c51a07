// Package discovery writes the three documents by which a client finds its way
// from an MCP server to a token: protected resource metadata (RFC 9728),
// authorization server metadata (RFC 8414) and the OpenID provider configuration
// (OpenID Connect Discovery 1.0).
//
// The last two are merged from what the broker is configured with and what the
// user pool's own discovery document says. Nothing of that document is copied
// that is not named here: members which Cognito adds, or which are null, do not
// reach a client.
//
// The documents carry the broker's issuer, because a client must compare it with
// the address it fetched them from (RFC 8414 section 3.3). Access and ID tokens
// are Cognito's and carry Cognito's issuer; whoever verifies a token is configured
// with that one.
//
// Everything here is pure: no HTTP, no clock, no state. Equal inputs give equal
// bytes. Fetching and serving are package metadata's. Signed metadata (RFC 8414
// section 2.1, RFC 9728 section 2.2) is not written.
package discovery
