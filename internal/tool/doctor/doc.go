// Package doctor is a tool: it acts as an MCP client against any MCP server or
// authorization server and reports, check by check, what a client would find:
// the challenge, the protected resource metadata (RFC 9728), the authorization
// server metadata (RFC 8414, OpenID Connect Discovery), the registration
// (RFC 7591, RFC 7592), the authorization and token endpoints, and, on request,
// a sign-in with a browser, the token and the tools. Each check names the
// section of the specification that requires it and the well-known clients that
// would break.
//
// The server is not trusted. Its answers are read up to a limit, quoted before
// they are shown, and fetched only over http and https; secrets never appear in
// a report. The doctor does fetch the addresses that a server names, whatever
// network they are in: it is a tool for an operator. Do not use it in a service
// that fetches addresses given by strangers.
//
// The package is larger than others because it is a list: about eighty checks
// of a few lines each, one file for each step.
//
// It leaves out client ID metadata documents, which would have to be published
// somewhere; signatures of tokens, which the MCP server verifies; and the older
// transport of HTTP with server-sent events.
package doctor
