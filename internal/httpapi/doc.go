// Package httpapi is shared by endpoints: it has what all HTTP requests to the
// broker have in common. These are the router that every request passes, the
// reader of bodies, and the one writer of responses and errors. It leaves out
// the paths and what their handlers do, which belong to the endpoints. It does
// not depend on AWS; the same handlers serve Lambda and net/http.
package httpapi
