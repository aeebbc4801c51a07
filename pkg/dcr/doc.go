// Package dcr is RFC 7591, OAuth 2.0 Dynamic Client Registration, as far as
// Amazon Cognito can do it, with the management protocol of RFC 7592: client
// metadata, a strict decoder for request bodies, validation, the client
// information response, and the errors that a client may see.
//
// Everything here is pure: no clock, no randomness, no network, no state. All
// functions may be called concurrently.
//
// A request passes two steps here, in this order:
//
//   - [Decode]: bytes to [Request]. Any bytes at all give a Request or an
//     [*Error]. Member names are matched exactly and may not be repeated, which
//     encoding/json alone does not enforce.
//   - [Validate]: Request to [ParsedMetadata], by the rules of RFC 7591 §2
//     that need no configuration, with RFC 8252 for redirect URIs and the
//     limits of Amazon Cognito: no client_credentials beside another grant
//     type, no scope offline_access.
//
// A software statement is checked for the shape of a compact JWS. The caller
// verifies its signature and hands its claims to [ClientMetadata.WithStatement],
// which lets them take precedence (RFC 7591 §2.3).
//
// The package leaves out policy (the redirect URIs, scopes and methods that a
// deployment allows, and the default method), HTTP statuses and headers, client
// authentication, and fetching: logo_uri, jwks_uri and the other links are
// checked for their form and never opened.
//
// The package is longer than 1,500 lines because the decoder, the validation
// and the response share one list of members and one type of error.
package dcr
