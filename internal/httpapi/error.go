package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Error is an error response about HTTP itself, such as a path that does not
// exist or a body that is too large. Use cases do not return it: they refuse a
// request with a *dcr.Error or a *broker.Refusal.
type Error struct {
	Status int
	// Code is the value of "error", one that RFC 6749, 6750 or 7009 defines.
	Code string
	// Description is for the developer of the client: ASCII, without secrets.
	Description string
	// Challenge is the value of WWW-Authenticate, or "" for no such header.
	Challenge string
	// RetryAfter is sent in seconds, rounded up; 0 is not sent.
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

// answerFor returns the response to an error. It is the only place that gives
// an error its status, except that the table answers of package pages does so for
// the problems of users, which are shown on a page. An error that is not for
// clients is a 500 without its text.
//
// Errors of Cognito get here as refusals of use cases. errors.go of
// adapter/cognito (its API) and of adapter/cognitoauth (its OAuth endpoints)
// classify them.
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
		// A request without credentials gets a challenge without error (RFC 6750
		// §3.1), which must have some parameter (§3). The body still needs an
		// error.
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

// bearerChallenge does not escape the description, which never has quotes or
// backslashes.
func bearerChallenge(e *dcr.Error) string {
	return fmt.Sprintf("Bearer error=%q, error_description=%q", string(e.Code), e.Description)
}

func notFound(path string) *Error {
	return &Error{Status: http.StatusNotFound, Code: "invalid_request", Description: "there is nothing at this path" + pathHint(path)}
}

// pathHint returns a hint for clients that appended the well-known path to
// another path. RFC 8414 §3.1 puts it in front.
func pathHint(path string) string {
	if strings.Contains(path, "/.well-known/") && !strings.HasPrefix(path, "/.well-known/") {
		return "; the well-known documents are at the root of the issuer"
	}
	return ""
}

func methodNotAllowed(allow string) *Error {
	return &Error{Status: http.StatusMethodNotAllowed, Code: "invalid_request", Description: "this path allows " + allow}
}
