// Package clients is shared by use cases: it looks up a registered client,
// authenticates it (RFC 6749 §2.3) and records that it was used. It leaves out
// how credentials are sent, which is for endpoints, and what the client may do
// with its registration, which use cases decide.
package clients
