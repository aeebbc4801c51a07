// Package dcr has the words of OAuth 2.0 Dynamic Client Registration (RFC 7591) and of its management protocol
// (RFC 7592): client metadata, the strict decoder for request bodies, the validation that the RFCs ask for, the
// client information response, and the errors that a client may see.
//
// Everything here is pure: no clock, no randomness, no network, no state. All functions may be called concurrently.
//
// A request passes two steps here, in this order:
//
//   - [Decode]: bytes to [Request]. Any bytes at all give a Request or an [*Error]. Member names are matched exactly
//     and may not be repeated, which encoding/json alone does not do.
//   - [Validate]: the rules of RFC 7591 section 2 that need no configuration, with RFC 8252 for redirect URIs and with
//     what Amazon Cognito cannot do (client_credentials beside another grant type, scope offline_access).
//
// What is left out on purpose: policy (which redirect URIs, scopes and methods a deployment allows, and which default
// method a client gets), HTTP statuses and headers, client authentication, and fetching: logo_uri, jwks_uri and the
// like are checked for their form and never opened. A software statement is checked for the shape of a compact JWS and
// otherwise ignored, as RFC 7591 section 2.3 allows: its signature is not verified and its claims are not used.
package dcr
