// Package doctor plays an MCP client against any MCP server or authorization
// server and says, check by check, what a client would find: the challenge, the
// protected resource metadata (RFC 9728), the authorization server metadata
// (RFC 8414, OpenID Connect Discovery), the registration (RFC 7591, RFC 7592),
// the authorization and token endpoints, and, if wanted, a sign-in with a
// browser, the token and the tools. It names the section that a check rests on
// and the well-known clients that would break.
//
// The server is not trusted. What it says is read within limits, quoted before it
// is shown, and fetched only over http and https; secrets never get into a
// report. The addresses that a server names are fetched all the same, whatever
// network they are in: the doctor is a tool of an operator, and not for a service
// that fetches what strangers name.
//
// It is larger than other packages here because it is a list: some eighty checks,
// a few lines each, in one file for each step.
//
// Left out: client ID metadata documents, which would have to be published
// somewhere, signatures of tokens, which are for the MCP server to verify, and
// the older transport of HTTP with server-sent events.
package doctor
