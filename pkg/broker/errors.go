package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// The error codes of OAuth (RFC 6749 §4.1.2.1 and §5.2, RFC 7009 §2.2.1, RFC
// 8707 §2) that package dcr does not have, since registration does not use them.
const (
	InvalidClient        dcr.Code = "invalid_client"
	InvalidGrant         dcr.Code = "invalid_grant"
	InvalidScope         dcr.Code = "invalid_scope"
	InvalidTarget        dcr.Code = "invalid_target"
	UnauthorizedClient   dcr.Code = "unauthorized_client"
	UnsupportedGrantType dcr.Code = "unsupported_grant_type"
	UnsupportedTokenType dcr.Code = "unsupported_token_type"
)

// RetrySoon is the Retry-After of a refusal for which the broker knows no
// better time.
const RetrySoon = 2 * time.Second

// Refusal is the error of a use case that refuses a request: the answer that
// the client may see, and the cause for the log. It unwraps to the answer, a
// *dcr.Error, so errors.AsType finds that too. An error that wraps no
// *dcr.Error is a fault of the broker, and the client sees no detail of it.
type Refusal struct {
	// Code is the error code for the client.
	Code dcr.Code
	// Description is for the developer of the client: ASCII, without secrets.
	Description string
	// RetryAfter is the time after which the same request may succeed; 0 means
	// that none is known.
	RetryAfter time.Duration
	// Cause is logged and not sent; it may be nil.
	Cause error
	// CauseLogged reports that Cause is already in the log as an error. The line of
	// each request that it refuses is then only a warning, without Cause.
	CauseLogged bool
}

// Refuse returns a Refusal without a cause.
func Refuse(code dcr.Code, description string) *Refusal {
	return &Refusal{Code: code, Description: description}
}

// Unavailable returns the Refusal of a request that the client can repeat after
// that time, at least a second. If cause already wraps a *dcr.Error with the
// code dcr.Unavailable, it returns cause unchanged.
func Unavailable(description string, after time.Duration, cause error) error {
	if e, ok := errors.AsType[*dcr.Error](cause); ok && e.Code == dcr.Unavailable {
		return cause
	}
	return &Refusal{Code: dcr.Unavailable, Description: description, RetryAfter: max(after, time.Second), Cause: cause}
}

// NotReady returns the Refusal of a request for which the sealing keys or the
// configuration could not be read. What reads them logs the cause, once for many
// requests.
func NotReady(cause error) *Refusal {
	if r, ok := errors.AsType[*Refusal](cause); ok && r.CauseLogged {
		return r
	}
	return &Refusal{Code: dcr.Unavailable, Description: "the broker is not ready", RetryAfter: 10 * time.Second, Cause: cause, CauseLogged: true}
}

func (e *Refusal) Error() string {
	if e.Cause != nil {
		return e.answer().Error() + ": " + e.Cause.Error()
	}
	return e.answer().Error()
}

// Unwrap returns the answer, a *dcr.Error, and the cause.
func (e *Refusal) Unwrap() []error { return []error{e.answer(), e.Cause} }

func (e *Refusal) answer() *dcr.Error {
	return &dcr.Error{Code: e.Code, Description: e.Description, RetryAfter: e.RetryAfter}
}

// ErrLeftToSweep means that a change was made, but a step that follows from it
// failed. The next sweep repeats that step.
var ErrLeftToSweep = errors.New("the rest is left to the next sweep")

// A StateError means that a client is in a state in which a change is not
// possible.
type StateError struct {
	ClientID string
	State    RegistrationState
}

func (e *StateError) Error() string {
	return fmt.Sprintf("client %s is %s", e.ClientID, e.State)
}

const (
	// Grace is the time after which the janitor looks at an unfinished change.
	// It is much longer than the longest request (API Gateway ends one after 30
	// s), so the request that began the change has finished or died.
	Grace = 2 * time.Minute
	// LeaseTime is how long a request that updates an app client excludes other
	// requests from updating it. It is longer than the longest request.
	LeaseTime = 45 * time.Second
	// cleanupTime is how long a failed request may continue to clean up.
	cleanupTime = 5 * time.Second
	// Attempts is how often a change is tried if other requests change the same
	// record at the same time.
	Attempts = 5
)

// IsOnly reports whether err is one of the targets, perhaps wrapped, and nothing
// else: each error that is joined with it is one of them too. errors.Is would
// also accept an error that joins a target with a failure, which has to be
// logged.
func IsOnly(err error, targets ...error) bool {
	if slices.Contains(targets, err) {
		return err != nil
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return IsOnly(e.Unwrap(), targets...)
	case interface{ Unwrap() []error }:
		parts := e.Unwrap()
		return len(parts) > 0 && !slices.ContainsFunc(parts, func(part error) bool { return !IsOnly(part, targets...) })
	}
	return false
}

// CleanupContext returns a context that lasts five seconds, for cleaning up
// after a request whose own context may have ended.
func CleanupContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
}
