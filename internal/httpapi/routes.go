package httpapi

import "net/http"

// Registrations is the use cases behind the registration and the client
// configuration endpoint; *broker.Service is them.
type Registrations interface {
	registrar
	manager
}

// RegistrationRoutes adds the registration endpoint (RFC 7591) and the client
// configuration endpoint (RFC 7592) to rt.
func RegistrationRoutes(rt *Router, s Registrations) {
	rt.Handle(http.MethodPost, "/register", Register(s))
	rt.Handle(http.MethodGet, "/register/{client_id}", ReadClient(s))
	rt.Handle(http.MethodPut, "/register/{client_id}", UpdateClient(s))
	rt.Handle(http.MethodDelete, "/register/{client_id}", DeleteClient(s))
}
