package httpapi

import (
	"context"
	"net/http"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// manager manages clients; *broker.Service is one.
type manager interface {
	Read(ctx context.Context, clientID string, tok credential.Token) (*dcr.ClientInformation, error)
	Update(ctx context.Context, clientID string, tok credential.Token, req *dcr.Request) (*dcr.ClientInformation, error)
	Delete(ctx context.Context, clientID string, tok credential.Token) error
}

// ReadClient serves GET /register/{client_id} (RFC 7592 §2.1).
func ReadClient(m manager) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tok, err := bearer(r)
		if err != nil {
			WriteError(w, r, err)
			return
		}
		info, err := m.Read(r.Context(), r.PathValue("client_id"), tok)
		if err != nil {
			WriteError(w, r, err)
			return
		}
		WriteJSON(w, r, http.StatusOK, info)
	})
}

// UpdateClient serves PUT /register/{client_id} (RFC 7592 §2.2).
func UpdateClient(m manager) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tok, req, err := registration(r)
		if err != nil {
			WriteError(w, r, err)
			return
		}
		info, err := m.Update(r.Context(), r.PathValue("client_id"), tok, req)
		if err != nil {
			WriteError(w, r, err)
			return
		}
		WriteJSON(w, r, http.StatusOK, info)
	})
}

// DeleteClient serves DELETE /register/{client_id} (RFC 7592 §2.3).
func DeleteClient(m manager) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tok, err := bearer(r)
		if err != nil {
			WriteError(w, r, err)
			return
		}
		if err := m.Delete(r.Context(), r.PathValue("client_id"), tok); err != nil {
			WriteError(w, r, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Pragma", "no-cache")
		w.WriteHeader(http.StatusNoContent)
	})
}
