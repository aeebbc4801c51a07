// Package authorize is the authorization endpoint of brokered mode and what
// belongs to it: GET /authorize, the sign-in at Cognito, GET /callback, the
// consent page, the decision (POST /authorize) and being somebody else
// (RFC 6749 §4.1, RFC 7636, RFC 8252, RFC 8707, RFC 9207, RFC 9700).
//
// A transaction is tied to one browser by a cookie with a random secret. Only
// the hash of the secret is stored, and whatever else has to be unguessable
// about the transaction is derived from it: the state and the PKCE verifier that
// go to Cognito, the CSRF token, and the secret of the authorization code. So
// nothing that is stored is of use to anyone who has not got the cookie, and a
// decision that arrives twice gives the same code and not two.
//
// Sign-in comes before consent, and nothing leaves the broker before consent.
// What it leaves out: the token endpoint (package grants), and how pages look
// (package pages).
package authorize
