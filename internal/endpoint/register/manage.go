package register

import (
	"net/http"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
)

// read serves GET /register/{client_id} (RFC 7592 §2.1).
func (e endpoint) read(w http.ResponseWriter, r *http.Request) {
	tok, err := bearer(r)
	if err != nil {
		httpapi.WriteError(w, r, err)
		return
	}
	info, err := e.registrar.Read(r.Context(), r.PathValue("client_id"), tok)
	write(w, r, http.StatusOK, info, err)
}

// update serves PUT /register/{client_id} (RFC 7592 §2.2).
func (e endpoint) update(w http.ResponseWriter, r *http.Request) {
	tok, req, err := decode(r)
	if err != nil {
		httpapi.WriteError(w, r, err)
		return
	}
	info, err := e.registrar.Update(r.Context(), r.PathValue("client_id"), tok, req)
	write(w, r, http.StatusOK, info, err)
}

// delete serves DELETE /register/{client_id} (RFC 7592 §2.3).
func (e endpoint) delete(w http.ResponseWriter, r *http.Request) {
	tok, err := bearer(r)
	if err == nil {
		err = e.registrar.Delete(r.Context(), r.PathValue("client_id"), tok)
	}
	if err != nil {
		httpapi.WriteError(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	w.WriteHeader(http.StatusNoContent)
}
