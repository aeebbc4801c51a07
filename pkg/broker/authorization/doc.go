// Package authorization is a use case: the authorization request of brokered
// mode, from /authorize over the sign-in at Cognito and the user's consent to
// the authorization code (RFC 6749 §4.1, RFC 7636, RFC 8252, RFC 8707, RFC 9207,
// RFC 9700). Flow has one method for each request of the browser: Begin,
// SignedIn, Ask, Decide, and Resume after the user changed accounts.
//
// A cookie with a random Secret ties a transaction to one browser. A browser can
// have several transactions at once: each has a cookie of its own, and an ID that
// says which cookie a request is about. The store has only the hash of the secret.
// Everything else about the transaction that must not be guessed is derived from
// the secret: the state and the PKCE verifier for Cognito, the CSRF token of the
// consent page, and the authorization code. So the stored transaction is of no use
// without the cookie, and a decision that arrives twice yields the same code. Each
// step of a transaction is taken once.
//
// The user signs in before the consent page, and no code leaves the broker
// before the user has consented.
//
// The package leaves out HTTP and pages (internal/endpoint/authorize), the
// redemption of the code (the token endpoint), and how app clients are made
// (broker.Provisioner).
//
// The package is longer than 1,500 lines because all steps of a transaction
// share its derived values and its transitions. Each step has its own file.
package authorization
