// Package metadata serves the documents of package discovery: authorization server
// metadata (RFC 8414), the OpenID provider configuration, and the metadata of the
// MCP servers in the configuration (RFC 9728).
//
// Source keeps the user pool's own discovery document, Documents answers requests
// from bytes that were made when that document was last read. Neither calls an AWS
// API: the document is public, and the function that serves it has no permissions.
//
// Request ids, CORS, OPTIONS and 405 are package httpapi's. Range requests are
// answered with the whole document (RFC 9110 section 14.2).
package metadata
