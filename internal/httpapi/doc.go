// Package httpapi is shared by endpoints: what HTTP requests to the broker have in
// common. It has the router that every request passes, the reader of bodies, and
// the one writer of responses and errors. It leaves out what the paths are and
// what their handlers do: those are the endpoints. It knows no AWS; the same
// handlers serve Lambda and net/http.
package httpapi
