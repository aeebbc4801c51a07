package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// WriteJSON answers with v. Whatever it answers may hold a secret or be out of
// date at once, so nothing may keep it (RFC 6749 §5.1, RFC 7591 §3.2.1).
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
	if err != nil { // strings and numbers only: cannot happen
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

// ReadBody returns the whole body, which must be of the media type want and at
// most limit bytes. The error is an *Error.
func ReadBody(r *http.Request, want string, limit int) ([]byte, error) {
	if types := r.Header.Values("Content-Type"); len(types) != 1 || !isMediaType(types[0], want) {
		return nil, UnsupportedMediaType(want)
	}
	if r.ContentLength > int64(limit) {
		return nil, PayloadTooLarge(limit)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, int64(limit)+1))
	if err != nil {
		return nil, &Error{Status: http.StatusBadRequest, Code: "invalid_request", Description: "the body could not be read", Cause: err}
	}
	if len(body) > limit {
		return nil, PayloadTooLarge(limit)
	}
	return body, nil
}

// isMediaType compares type and subtype, and allows the one parameter that
// clients send in practice, charset=utf-8.
func isMediaType(header, want string) bool {
	got, params, err := mime.ParseMediaType(header)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return false
	}
	charset, ok := params["charset"]
	return got == want && (!ok || strings.EqualFold(charset, "utf-8"))
}
