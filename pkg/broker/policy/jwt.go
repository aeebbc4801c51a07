package policy

import (
	"errors"
	"time"
)

// ErrUnknownIssuer means that a JWT is of none of the issuers.
var ErrUnknownIssuer = errors.New("of no issuer that is trusted here")

// NotVerifiedError says why a text is no JWT to be believed.
type NotVerifiedError struct {
	// Reason is for the one who sent it: what is wrong with "it".
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

// JWT is what a verified JWT says.
type JWT struct {
	// Issuer is its iss.
	Issuer string
	// Subject is its sub, empty if it has none.
	Subject string
	// ID tells it from all other JWTs: it is a hash of issuer and jti, or of the
	// claims if there is no jti. It depends on nothing that anybody but the
	// issuer could change.
	ID string
	// ExpiresAt is its exp, zero if it has none.
	ExpiresAt time.Time
	Claims    Claims
}
