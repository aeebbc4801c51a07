package register

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Registrar registers clients and manages registrations. An error that is a
// *dcr.Error may be shown to the client; the client sees any other error as a
// 500 without its text.
type Registrar interface {
	// Register registers a client. The token is an initial access token, or
	// the zero Token for open registration.
	Register(ctx context.Context, req *dcr.Request, tok credential.Token) (*dcr.ClientInformation, error)
	// Read, Update and Delete need the client's registration access token.
	Read(ctx context.Context, clientID string, tok credential.Token) (*dcr.ClientInformation, error)
	Update(ctx context.Context, clientID string, tok credential.Token, req *dcr.Request) (*dcr.ClientInformation, error)
	Delete(ctx context.Context, clientID string, tok credential.Token) error
}

type endpoint struct{ registrar Registrar }

// Mount adds the routes of both endpoints to rt.
func Mount(rt *httpapi.Router, r Registrar) {
	e := endpoint{r}
	rt.Handle(http.MethodPost, "/register", http.HandlerFunc(e.create))
	rt.Handle(http.MethodGet, "/register/{client_id}", http.HandlerFunc(e.read))
	rt.Handle(http.MethodPut, "/register/{client_id}", http.HandlerFunc(e.update))
	rt.Handle(http.MethodDelete, "/register/{client_id}", http.HandlerFunc(e.delete))
}

// create serves POST /register (RFC 7591 §3).
func (e endpoint) create(w http.ResponseWriter, r *http.Request) {
	telemetry.Count(r.Context(), telemetry.Registrations, 1)
	tok, req, err := decode(r)
	if err != nil {
		httpapi.WriteError(w, r, err)
		return
	}
	info, err := e.registrar.Register(broker.WithSource(r.Context(), source(r)), req, tok)
	write(w, r, http.StatusCreated, info, err)
}

// source returns the address from which the request comes, or the zero Addr if it
// is not known. Behind an edge, RemoteAddr is the viewer's (adapter/edge).
func source(r *http.Request) netip.Addr {
	address, _ := netip.ParseAddrPort(r.RemoteAddr)
	return address.Addr()
}

// decode reads the bearer token and the client metadata of a POST or PUT.
func decode(r *http.Request) (credential.Token, *dcr.Request, error) {
	tok, err := bearer(r)
	if err != nil {
		return tok, nil, err
	}
	body, err := httpapi.ReadBody(r, "application/json", dcr.MaxBody)
	if err != nil {
		return tok, nil, err
	}
	req, err := dcr.Decode(body)
	return tok, req, err
}

// write answers with err, or with info if err is nil.
func write(w http.ResponseWriter, r *http.Request, status int, info *dcr.ClientInformation, err error) {
	if err != nil {
		httpapi.WriteError(w, r, err)
		return
	}
	httpapi.WriteJSON(w, r, status, info)
}
