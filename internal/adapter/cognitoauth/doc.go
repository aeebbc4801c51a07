// Package cognitoauth is an adapter: it calls Cognito's OAuth endpoints over
// plain HTTP. Client redeems codes, refreshes, fetches tokens for a client
// itself, revokes, and reads userInfo (RFC 6749, RFC 7636, RFC 7009, OpenID
// Connect Core). It does so as one of the broker's own app clients, which are all
// confidential, and it builds the addresses for browsers. In direct mode it also
// sends the requests of clients, as the clients themselves.
//
// errors.go classifies all errors of the OAuth endpoints. The package leaves
// out what they mean for a client of the broker: the use cases decide that, and
// httpapi's answerFor chooses the status.
//
// It does not check signatures. Every token that it reads came directly from
// Cognito's token endpoint (OpenID Connect Core 1.0 §3.1.3.7, item 6).
package cognitoauth
