// Package relay stands between clients and Cognito's OAuth endpoints: the token
// endpoint (RFC 6749, RFC 7636) and the revocation endpoint (RFC 7009). It
// knows which clients are registered and for what, passes on what Cognito
// understands in the form in which Cognito expects it, and answers in the form
// that the RFCs and MCP clients expect.
//
// This is direct mode: the client's id is that of a Cognito app client, the
// authorization request never passes through here, and Cognito checks secrets,
// codes and refresh tokens. What follows from that:
//
//   - A code is only redeemed with a PKCE verifier, but whether there was a
//     challenge is between the client and Cognito, which does not ask for one.
//   - A refresh token narrows to nothing: Cognito reads scope with
//     client_credentials only.
//   - Secrets are checked by Cognito alone, as no copy of them is kept.
package relay
