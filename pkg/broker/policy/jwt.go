package policy

import (
	"context"
	"errors"
	"time"
)

// A JWTVerifier verifies JWTs that others have signed: initial access tokens and
// software statements. Implementations are safe for concurrent use.
type JWTVerifier interface {
	// Verify returns what token says if it is a JWT whose iss is the URL of one
	// of issuers, that this one has signed, with one of its algorithms, and
	// that is in force: neither expired nor from the future, a minute of clock
	// skew aside. It says nothing about for whom the JWT is (aud), which is for
	// the caller to judge. Nothing that the token names is fetched.
	//
	// The error is ErrUnknownIssuer or a *NotVerifiedError, perhaps wrapped, if
	// it is not so. Any other error means that it could not be found out.
	Verify(ctx context.Context, issuers []Issuer, token string) (*JWT, error)
}

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
