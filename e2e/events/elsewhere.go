package main

// otherStatus has the statuses of events into which the tests of package
// functions insert clients, codes and tokens of their broker. Another broker
// does not know the examples in the files.
var otherStatus = map[string]int{
	// The client is unknown: a page, and no redirect to the client.
	"authorize":                400,
	"authorize-no-pkce":        400,
	"authorize-other-resource": 400,
	// The cookie has no transaction.
	"consent":        400,
	"decision":       400,
	"decision-again": 400,
	// The introspection credentials are unknown.
	"introspect":               401,
	"introspect-unknown-token": 401,
	// The registration access token and the initial access token are unknown.
	"manage-read":                   401,
	"manage-head":                   401,
	"manage-update":                 401,
	"manage-delete":                 401,
	"register-initial-access-token": 401,
	// The client is unknown and cannot authenticate.
	"revoke":                   401,
	"token-code":               401,
	"token-code-again":         401,
	"token-refresh":            401,
	"token-client-credentials": 401,
	"token-plain-body":         401,
	// The ETag matches no document.
	"metadata-not-modified": 200,
	// No logo is configured.
	"assets-logo": 404,
}
