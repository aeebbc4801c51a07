package broker

import (
	"context"
	"errors"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// The error codes of OAuth that are not codes of registration (RFC 6749
// §4.1.2.1 and §5.2, RFC 7009 §2.2.1, RFC 8707 §2).
const (
	InvalidClient        dcr.Code = "invalid_client"
	InvalidGrant         dcr.Code = "invalid_grant"
	InvalidScope         dcr.Code = "invalid_scope"
	InvalidTarget        dcr.Code = "invalid_target"
	UnauthorizedClient   dcr.Code = "unauthorized_client"
	UnsupportedGrantType dcr.Code = "unsupported_grant_type"
	UnsupportedTokenType dcr.Code = "unsupported_token_type"
)

// RetrySoon is when a client should come back if the broker knows no better
// time.
const RetrySoon = 2 * time.Second

// Refusal is what a use case returns when it refuses a request: what the client
// may see, and the cause for the log. errors.AsType also finds it as the
// *dcr.Error that it answers with. Every error that holds no *dcr.Error is a
// fault of ours, of which the client learns nothing.
type Refusal struct {
	Code dcr.Code
	// Description is ASCII, for the developer of the client, without secrets.
	Description string
	// RetryAfter is when the same request may succeed; 0 says nothing.
	RetryAfter time.Duration
	// Cause is logged and not sent; it may be nil.
	Cause error
}

// Refuse returns a Refusal without a cause.
func Refuse(code dcr.Code, description string) *Refusal {
	return &Refusal{Code: code, Description: description}
}

// Unavailable returns the Refusal of a request that can be repeated after that
// time. A cause that already says so to the client is returned as it is.
func Unavailable(description string, after time.Duration, cause error) error {
	if e, ok := errors.AsType[*dcr.Error](cause); ok && e.Code == dcr.Unavailable {
		return cause
	}
	return &Refusal{Code: dcr.Unavailable, Description: description, RetryAfter: max(after, time.Second), Cause: cause}
}

// NotReady returns the Refusal of a request for which the sealing keys could not
// be read.
func NotReady(cause error) error {
	return &Refusal{Code: dcr.Unavailable, Description: "the broker is not ready", RetryAfter: 10 * time.Second, Cause: cause}
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

const (
	// Grace is how long an app client may be in the making before the janitor
	// looks at it. It exceeds the longest request by far (API Gateway ends one
	// after 30 s), so that the request that began has finished or died.
	Grace = 2 * time.Minute
	// LeaseTime is how long one request may be the only one to update an app
	// client. It exceeds the longest request.
	LeaseTime = 45 * time.Second
	// cleanupTime is how long a failed request may go on cleaning up.
	cleanupTime = 5 * time.Second
	// Attempts is how often a change is tried again when another request has
	// changed the same record.
	Attempts = 5
)

// CleanupContext returns a context for cleaning up after a request whose own
// context may have ended. It lasts five seconds.
func CleanupContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
}
