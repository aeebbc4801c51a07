package authorization

import (
	"errors"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// ProblemKind is the kind of a Problem: what the user can do about it.
type ProblemKind int

const (
	// Internal is an error of the broker itself.
	Internal ProblemKind = iota
	// UnknownClient is a client that is not registered or no longer registered.
	UnknownClient
	// MetadataDocument is a client_id that is a URL.
	MetadataDocument
	// NotApproved is a client that waits for the operator's approval.
	NotApproved
	// SwitchedOff is a client that an operator has disabled or deleted.
	SwitchedOff
	// BadRedirectURI is a redirect URI that is missing or not registered.
	BadRedirectURI
	// BadRequest is an invalid request or form.
	BadRequest
	// Expired is a transaction that has expired or was used.
	Expired
	// OtherBrowser is a browser without the secret of the transaction.
	OtherBrowser
	// NoAccess is a user who may not consent.
	NoAccess
	// OtherProvider is a user who may not consent because of an identity provider
	// with which the account can sign in.
	OtherProvider
	// Busy is a user pool that throttles the broker.
	Busy
	// Full is a user pool, or profile, without room for an app client.
	Full
	// StylesUsedUp is a user pool without a free branding style.
	StylesUsedUp
	// Unavailable is a store that does not answer. The same request may succeed
	// later.
	Unavailable
	// NotReady is a broker without configuration or keys: the request had no effect
	// and may be sent again. The Cause is a *broker.Refusal.
	NotReady
	// Undecided is a decision that may or may not have been stored. The consent
	// page shows the state of the transaction.
	Undecided
)

// Problem is an error for the user, to be shown on a page. It never goes to the
// client, because the broker is not certain who the client is or where it is
// (RFC 6749 §4.1.2.1).
type Problem struct {
	Kind ProblemKind
	// Detail is for the developer of the client. Text that the client sent is
	// quoted. It may be empty.
	Detail string
	// RetryAfter is when the same request may succeed; 0 if that is unknown.
	RetryAfter time.Duration
	// Lang is the language that the client requested; it may be empty.
	Lang string
	// User, Transaction and CSRF are set if a user without access may sign in with
	// another account: Transaction and CSRF must come back with this decision.
	User        broker.User
	Transaction string
	CSRF        credential.Token
	// Cause is logged and not shown; it may be nil.
	Cause error
}

func (p *Problem) Error() string {
	switch {
	case p.Cause == nil:
		return p.Detail
	case p.Detail == "":
		return p.Cause.Error()
	}
	return p.Detail + ": " + p.Cause.Error()
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }

// unavailable is the Problem of a store that does not answer.
func unavailable(detail string, cause error) *Problem {
	return &Problem{Kind: Unavailable, Detail: detail, Cause: cause}
}

func expired(detail string) *Problem { return &Problem{Kind: Expired, Detail: detail} }

// inLanguage returns err with the language for its page. An error that is neither
// a *Denial nor a *Problem becomes a Problem of the kind Internal.
func inLanguage(err error, lang string) error {
	if d, ok := errors.AsType[*Denial](err); ok {
		d.Lang = lang
		return d
	}
	p, ok := errors.AsType[*Problem](err)
	if !ok {
		p = &Problem{Kind: Internal, Cause: err}
	}
	p.Lang = lang
	return p
}

// repeatable reports whether the same request may succeed later, if err came before
// any effect.
func repeatable(err error) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && (p.Kind == Unavailable || p.Kind == NotReady)
}

// provisionProblem is the Problem of an app client that could not be made.
func provisionProblem(err error) *Problem {
	if errors.Is(err, broker.ErrNotFound) {
		return &Problem{Kind: UnknownClient, Detail: "the client may not have an app client", Cause: err}
	}
	p := &Problem{Kind: Busy, Detail: "the app client could not be made; nothing was lost", Cause: err}
	if e, ok := errors.AsType[*dcr.Error](err); ok {
		p.Detail, p.RetryAfter = e.Description, e.RetryAfter
	}
	switch {
	case errors.Is(err, broker.ErrBrandingLimit):
		p.Kind, p.Detail = StylesUsedUp, "all branding styles of the user pool are used up; profiles with app_client shared need one each"
	case errors.Is(err, broker.ErrAppClientLimit):
		p.Kind = Full
	}
	return p
}
