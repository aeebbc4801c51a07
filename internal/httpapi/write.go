package httpapi

import (
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// WriteJSON answers with v. No cache may store the response, because it may
// contain a secret or be out of date at once (RFC 6749 §5.1, RFC 7591 §3.2.1).
func WriteJSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		WriteError(w, r, err)
		return
	}
	writeBytes(w, status, b)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // cannot happen: v has only strings and numbers
		panic(err)
	}
	writeBytes(w, status, b)
}

func writeBytes(w http.ResponseWriter, status int, b []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	w.Write(b)
}

// WriteError logs err and answers with it in OAuth's form: a JSON object with
// error, error_description and request_id. An error that wraps neither *Error nor
// *dcr.Error is a 500; the log has its text, the response does not.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	a, x := Refused(w, r, err), exchangeOf(r)
	h := w.Header()
	if a.Challenge != "" {
		h.Set("WWW-Authenticate", a.Challenge)
	}
	writeJSON(w, a.Status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
		RequestID   string `json:"request_id"`
	}{a.Code, a.Description, x.id})
}

// Refused logs err as the outcome of the request, sets Retry-After, and returns
// the error to answer with. Handlers of pages call it; other handlers call
// WriteError, which calls it.
func Refused(w http.ResponseWriter, r *http.Request, err error) *Error {
	a, x := answerFor(err), exchangeOf(r)
	x.outcome = a.Code
	level, logged := lineOf(a, err)
	x.log.Log(r.Context(), level, "refused", "request_id", x.id, "status", a.Status, "error", logged)
	if a.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(a.RetryAfter.Seconds()))))
	}
	return a
}

// lineOf returns the level and the error of the log line of a refused request.
// If the cause is in the log already, the line has only the answer.
func lineOf(a *Error, err error) (slog.Level, error) {
	if a.Status < 500 {
		return slog.LevelInfo, err
	}
	if r, ok := errors.AsType[*broker.Refusal](err); ok && r.CauseLogged {
		return slog.LevelWarn, &Error{Code: a.Code, Description: a.Description}
	}
	return slog.LevelError, err
}
