// Package cognitoauth is an adapter: it calls Cognito's OAuth endpoints over
// plain HTTP. Client redeems codes, refreshes, fetches tokens for a client itself
// and revokes (RFC 6749, RFC 7636, RFC 7009) as one of the broker's own app
// clients, which are all confidential, and builds the addresses to which browsers
// are sent. In direct mode it also sends the requests of clients, as the clients
// themselves.
//
// All errors of the OAuth endpoints are classified in errors.go. The package does
// not decide what they mean for a client of the broker: the use cases do, and
// httpapi's answerFor gives the result its status.
//
// It does not check signatures. Every token that it reads came from Cognito's
// token endpoint over a connection of its own (OpenID Connect Core 1.0
// §3.1.3.7, item 6).
package cognitoauth
