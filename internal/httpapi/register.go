package httpapi

import (
	"context"
	"net/http"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// registrar makes clients; *broker.Service is one.
type registrar interface {
	Register(context.Context, *dcr.Request, credential.Token) (*dcr.ClientInformation, error)
}

// Register serves POST /register (RFC 7591 §3).
func Register(reg registrar) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		telemetry.Count(r.Context(), telemetry.Registrations, 1)
		tok, req, err := registration(r)
		if err != nil {
			WriteError(w, r, err)
			return
		}
		info, err := reg.Register(r.Context(), req, tok)
		if err != nil {
			WriteError(w, r, err)
			return
		}
		WriteJSON(w, r, http.StatusCreated, info)
	})
}

// registration reads what POST and PUT have in common.
func registration(r *http.Request) (credential.Token, *dcr.Request, error) {
	tok, err := bearer(r)
	if err != nil {
		return tok, nil, err
	}
	body, err := ReadBody(r, "application/json", dcr.MaxBody)
	if err != nil {
		return tok, nil, err
	}
	req, err := dcr.Decode(body)
	return tok, req, err
}
