// Package jwt verifies Cognito's access tokens: JWTs (RFC 7519) signed
// with RS256 by a key of the user pool's key set (RFC 7517). It says what a token
// is; whether it is good for anything here is for the caller to say.
package jwt
