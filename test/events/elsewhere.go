package main

// elsewhere are the statuses of events that the tests of package functions fill
// in: with clients, codes and tokens that a broker made. To a broker that did not
// make them they are examples of nothing.
var elsewhere = map[string]int{
	// The client is unknown, which is said on a page and never to a redirect URI.
	"authorize":                400,
	"authorize-no-pkce":        400,
	"authorize-other-resource": 400,
	// The cookie is of no authorization under way.
	"consent":        400,
	"decision":       400,
	"decision-again": 400,
	// Nobody may introspect by these credentials.
	"introspect":               401,
	"introspect-unknown-token": 401,
	// The registration access token is of no client, the initial access token of
	// nobody.
	"manage-read":                   401,
	"manage-head":                   401,
	"manage-update":                 401,
	"manage-delete":                 401,
	"register-initial-access-token": 401,
	// The client is unknown, and so cannot authenticate.
	"revoke":                   401,
	"token-code":               401,
	"token-code-again":         401,
	"token-refresh":            401,
	"token-client-credentials": 401,
	"token-plain-body":         401,
	// The ETag is of no document.
	"metadata-not-modified": 200,
	// No logo is configured.
	"assets-logo": 404,
}
