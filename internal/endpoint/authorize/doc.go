// Package authorize is an endpoint: the pages and redirects of the authorization
// request in brokered mode. It has GET /authorize (RFC 6749 §3.1), the callback
// from Cognito's sign-in, the consent page, the form of the consent page (POST
// /authorize), and the page to which Cognito returns after signing out.
//
// It reads queries, forms and cookies, calls authorization.Flow, and writes
// the result as a page or a redirect. The package leaves out every decision
// (pkg/broker/authorization), the design of the pages (internal/pages), and the
// token endpoint.
package authorize
