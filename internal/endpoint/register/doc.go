// Package register is an endpoint: /register and /register/{client_id}, the
// registration endpoint of RFC 7591 and the client configuration endpoint of
// RFC 7592. A handler reads the bearer token and the body, decodes them, calls
// the use case and writes its result. What may be registered, and who may
// change a registration, are decisions of the use case.
package register
