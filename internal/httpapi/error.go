package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Error is an answer that concerns HTTP or an OAuth endpoint other than
// registration. Refusals of a registration are *dcr.Error.
type Error struct {
	Status int
	// Code is the value of "error", one that RFC 6749, 6750 or 7009 defines.
	Code string
	// Description is ASCII, for the developer of the client, without secrets.
	Description string
	// Challenge is the value of WWW-Authenticate, if there is one.
	Challenge string
	// RetryAfter, rounded up to whole seconds, is sent if it is not zero.
	RetryAfter time.Duration
	// Cause is logged and not sent.
	Cause error
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Description, e.Cause)
	}
	return e.Code + ": " + e.Description
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// answerFor decides, in this one place, how an error is answered. An error that
// is not meant for a client is a 500, whose text the client does not see.
func answerFor(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	e, ok := errors.AsType[*dcr.Error](err)
	if !ok {
		return &Error{Status: http.StatusInternalServerError, Code: "server_error", Description: "the broker could not process the request", Cause: err}
	}
	a := &Error{Code: string(e.Code), Description: e.Description, RetryAfter: e.RetryAfter, Cause: err}
	switch e.Code {
	case dcr.TokenRequired:
		// A request without credentials gets a challenge without error
		// (RFC 6750 §3.1), which must have some parameter (§3). The body needs
		// an error all the same.
		a.Status, a.Code, a.Challenge = http.StatusUnauthorized, string(dcr.InvalidToken), `Bearer realm="registration"`
	case dcr.InvalidToken:
		a.Status, a.Challenge = http.StatusUnauthorized, bearerChallenge(e)
	case dcr.InsufficientScope:
		a.Status, a.Challenge = http.StatusForbidden, bearerChallenge(e)
	case broker.InvalidClient:
		// The token endpoint adds the challenge for clients that used HTTP Basic
		// (RFC 6749 §5.2).
		a.Status = http.StatusUnauthorized
	case dcr.PayloadTooLarge:
		a.Status, a.Code = http.StatusRequestEntityTooLarge, "invalid_request"
	case dcr.TooManyRequests:
		a.Status, a.Code = http.StatusTooManyRequests, "temporarily_unavailable"
	case dcr.Unavailable:
		a.Status, a.Code = http.StatusServiceUnavailable, "temporarily_unavailable"
	default:
		a.Status = http.StatusBadRequest
	}
	return a
}

// bearerChallenge needs no escaping: a description holds neither quotes nor
// backslashes.
func bearerChallenge(e *dcr.Error) string {
	return fmt.Sprintf("Bearer error=%q, error_description=%q", string(e.Code), e.Description)
}

// WriteError answers the request with err in OAuth's form: a JSON object with
// error, error_description and request_id. An error that is not a *Error or a
// *dcr.Error is a 500; its text goes to the log and not to the client.
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

// Refused logs err as what became of the request, sets Retry-After, and returns
// what is to be answered. It is for answers that are pages; WriteError does it by
// itself.
func Refused(w http.ResponseWriter, r *http.Request, err error) *Error {
	a, x := answerFor(err), exchangeOf(r)
	x.outcome = a.Code
	level := slog.LevelInfo
	if a.Status >= 500 {
		level = slog.LevelError
	}
	x.log.Log(r.Context(), level, "refused", "request_id", x.id, "status", a.Status, "error", err)
	if a.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(a.RetryAfter.Seconds()))))
	}
	return a
}

// RequestID returns the id of the request, for pages on which people read it.
func RequestID(r *http.Request) string { return exchangeOf(r).id }

func notFound(path string) *Error {
	return &Error{Status: http.StatusNotFound, Code: "invalid_request", Description: "there is nothing at this path" + pathHint(path)}
}

// pathHint helps those who appended the issuer's well-known path in the wrong
// order.
func pathHint(path string) string {
	if strings.Contains(path, "/.well-known/") && !strings.HasPrefix(path, "/.well-known/") {
		return "; the well-known documents are at the root of the issuer"
	}
	return ""
}

func methodNotAllowed(allow string) *Error {
	return &Error{Status: http.StatusMethodNotAllowed, Code: "invalid_request", Description: "this path allows " + allow}
}

// PayloadTooLarge refuses a body of more than limit bytes.
func PayloadTooLarge(limit int) *Error {
	return &Error{Status: http.StatusRequestEntityTooLarge, Code: "invalid_request", Description: fmt.Sprintf("the body is larger than %d bytes", limit)}
}

// UnsupportedMediaType refuses a body that is not of the type want.
func UnsupportedMediaType(want string) *Error {
	return &Error{Status: http.StatusUnsupportedMediaType, Code: "invalid_request", Description: "the Content-Type must be " + want}
}
