// Package token is a use case: it issues, revokes and introspects tokens in
// brokered mode (RFC 6749, RFC 7636, RFC 7009, RFC 7662). It leaves out HTTP
// (package endpoint/token) and direct mode (package relay).
//
// Codes and refresh tokens are the broker's own, access tokens are Cognito's.
// For a code or refresh token of the broker, Issuer fetches an access token from
// Cognito with Cognito's refresh token, which is sealed in the grant and never
// leaves the broker. Therefore:
//
//   - A client cannot narrow the scope with a refresh token: Cognito reads scope
//     only with client_credentials. The response has the granted scope.
//   - An access token stays valid until it expires. Only the grant can be ended
//     immediately, and introspection then answers that the token is not active.
//   - The broker issues no ID token: it would name Cognito's issuer and an app
//     client that the client does not know.
//
// For a code or refresh token, Token has one order of effects: authenticate the
// client, find the grant, check it, judge it by the policy, fetch a new access token
// from Cognito (for a code only if less than half of the lifetime of the stored one
// is left, or if the profile does not admit every user), judge the user, commit the
// grant, respond. The commit uses up the code or
// refresh token, so this happens only after Cognito has answered. After a failure
// the client can repeat the request, with one exception: if a code's commit was
// applied, and neither its reply nor the grant could be read, the code is used
// up.
//
// For client_credentials, Token stores the grant of the client to itself first,
// then fetches the access token from Cognito, then stores the resource that the
// token was requested for, and responds. So introspection knows the grant of every
// token that Cognito has issued and the resource of every token that a client has,
// and a failure uses nothing up.
package token
