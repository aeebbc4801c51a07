// Package grants is brokered mode's token endpoint (RFC 6749, RFC 7636), its
// revocation endpoint (RFC 7009) and its introspection endpoint (RFC 7662).
//
// Codes and refresh tokens are the broker's own, access tokens are Cognito's:
// for a code or refresh token of ours, Cognito is asked for an access token with
// its refresh token, which is sealed in the grant and leaves neither the broker
// nor, once rotated, stays good for anybody else. What follows from that:
//
//   - A refresh token narrows to nothing: Cognito reads scope with
//     client_credentials only. The answer says what was granted.
//   - An access token that has been handed out lives until it expires. What can
//     be taken back at once is the grant, which introspection then says.
//   - No ID token is handed out: it would name Cognito's issuer and an app client
//     that the client does not know.
//
// A request that fails changes nothing that its repetition would need, with one
// exception: a code is good once, and if its redemption was stored and neither
// that nor a second look could be read, the code is spent.
package grants
