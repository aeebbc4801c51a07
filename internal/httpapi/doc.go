// Package httpapi is the broker's HTTP face: the router that every request
// passes, the one writer of errors, and the registration endpoints of RFC 7591
// and RFC 7592. Each handler reads (capped), decodes, calls a use case and
// writes. Nothing here knows AWS; the same handlers serve Lambda and net/http.
package httpapi
