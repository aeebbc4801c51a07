package emulator

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const maxFormBody = 64 << 10

// endpoint wraps an OAuth endpoint or page: it counts the call, applies an
// injected fault, and refuses methods that the endpoint does not have.
func (c *Cognito) endpoint(name string, serve http.HandlerFunc, methods ...string) http.HandlerFunc {
	if slices.Contains(methods, http.MethodGet) {
		methods = append(methods, http.MethodHead)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if name == "token" {
			// A program in a browser can then read every response, also errors.
			w.Header().Set("Access-Control-Allow-Origin", "*")
			if r.Method == http.MethodOptions {
				w.Header().Set("Access-Control-Allow-Methods", http.MethodPost)
				w.Header().Set("Access-Control-Allow-Headers", "authorization, content-type")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		c.count(name)
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
			return
		}
		fault, faulty := c.faults.take(name)
		if !faulty {
			serve(w, r)
			return
		}
		fault.serve(w, r, serve,
			func(w http.ResponseWriter) {
				writeOAuthError(w, &oauthError{http.StatusInternalServerError, "server_error", "injected fault"})
			},
			func(w http.ResponseWriter) {
				writeOAuthError(w, &oauthError{http.StatusTooManyRequests, "too_many_requests", "Rate exceeded"})
			})
	}
}

// oauthError is an error of the token, revoke and userInfo endpoints
// (RFC 6749 §5.2).
type oauthError struct {
	status      int
	code        string
	description string // may be empty
}

func badRequest(code, description string) *oauthError {
	return &oauthError{http.StatusBadRequest, code, description}
}

func writeOAuthError(w http.ResponseWriter, e *oauthError) {
	body := map[string]string{"error": e.code}
	if e.description != "" {
		body["error_description"] = e.description
	}
	writeJSON(w, e.status, body)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // cannot happen: v is always an output type of this package
		status, b = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// readForm returns the parameters of a form body and ignores the query.
// RFC 6749 §3.2: parameters must not be repeated.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, *oauthError) {
	if err := parseForm(w, r); err != nil {
		return nil, err
	}
	return r.PostForm, checkRepeats(r.PostForm)
}

// readFormAndQuery returns the parameters of a form body and of the query, which
// Cognito reads too at the token endpoint.
func readFormAndQuery(w http.ResponseWriter, r *http.Request) (url.Values, *oauthError) {
	if err := parseForm(w, r); err != nil {
		return nil, err
	}
	return r.Form, checkRepeats(r.Form)
}

func parseForm(w http.ResponseWriter, r *http.Request) *oauthError {
	if ct, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || ct != "application/x-www-form-urlencoded" {
		return badRequest("invalid_request", "Content-Type must be application/x-www-form-urlencoded")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBody)
	if err := r.ParseForm(); err != nil {
		return badRequest("invalid_request", "the body is not a form")
	}
	return nil
}

func checkRepeats(form url.Values) *oauthError {
	for name, values := range form {
		if len(values) > 1 && name != "resource" {
			return badRequest("invalid_request", "a parameter is repeated")
		}
	}
	return nil
}
