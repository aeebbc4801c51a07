// Package token is an endpoint: it serves /token (RFC 6749 §3.2), /revoke
// (RFC 7009) and /introspect (RFC 7662). It reads the form and the client's
// credentials, calls an Issuer and writes the answer. It leaves out every
// decision about clients, grants and tokens; those are in packages broker/token
// (brokered mode) and broker/relay (direct mode, without /introspect).
package token
