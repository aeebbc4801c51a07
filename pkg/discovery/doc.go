// Package discovery is RFC 9728, RFC 8414 and OpenID Connect Discovery 1.0 as
// far as a broker for Amazon Cognito needs them. It writes the three documents
// that lead a client from an MCP server to a token: protected resource
// metadata, authorization server metadata and the OpenID provider
// configuration.
//
// The last two are merged from the broker's configuration and the user pool's
// own discovery document. Only the members named in [Upstream] are copied from
// that document: members that Cognito adds, or that are null, do not reach a
// client.
//
// The documents carry the broker's issuer, because a client must compare it
// with the address of the document (RFC 8414 §3.3). Access and ID tokens are
// Cognito's and carry Cognito's issuer; a server that verifies tokens is
// configured with Cognito's issuer.
//
// Everything here is pure: no HTTP, no clock, no state. Equal inputs give equal
// bytes. The package leaves out fetching and serving the documents, and signed
// metadata (RFC 8414 §2.1, RFC 9728 §2.2).
package discovery
