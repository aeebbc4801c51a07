package policy

import (
	"errors"
	"time"
)

// ErrUnknownIssuer means that no trusted issuer issued a JWT.
var ErrUnknownIssuer = errors.New("of no issuer that is trusted here")

// NotVerifiedError is the error for a text that is not a valid JWT.
type NotVerifiedError struct {
	// Reason is for the sender of the JWT, which it calls "it".
	Reason string
	// Cause is for the log; it may be nil.
	Cause error
}

func (e *NotVerifiedError) Error() string {
	if e.Cause != nil {
		return e.Reason + ": " + e.Cause.Error()
	}
	return e.Reason
}

// Unwrap returns the cause.
func (e *NotVerifiedError) Unwrap() error { return e.Cause }

// JWT is the content of a verified JWT.
type JWT struct {
	// Issuer is its iss.
	Issuer string
	// Subject is its sub, empty if it has none.
	Subject string
	// ID identifies the JWT: it is a hash of issuer and jti, or of the claims if
	// there is no jti. Only the issuer can influence it.
	ID string
	// ExpiresAt is its exp, zero if it has none.
	ExpiresAt time.Time
	Claims    Claims
}
