package registration

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// A Lifecycle creates, changes and deletes the registrations of a mode. After
// an error the new registration does not exist, or the janitor removes it.
// Implementations are safe for concurrent use.
type Lifecycle interface {
	// Manages reports whether r is a registration of this mode.
	Manages(r *broker.Registration) bool
	// Create creates the registration that a describes. It takes the budgets of
	// a, and returns them if it fails.
	Create(ctx context.Context, a *Admission) (*broker.Issued, error)
	// SourceHash returns a keyed hash of text, the same in every process. The
	// sources of registrations are counted by it, so that no address is stored.
	SourceHash(ctx context.Context, text string) ([sha256.Size]byte, error)
	// Update applies the change c, and calls c.Commit once for it.
	Update(ctx context.Context, c *Change) error
	Deleter
}

// A Deleter deletes registrations of one mode.
type Deleter interface {
	// Delete deletes the registration r for its client. After an error that
	// wraps a *dcr.Error with the code Unavailable it can be repeated.
	Delete(ctx context.Context, r *broker.Registration) error
}

// An Admission is a registration that the policy allows.
type Admission struct {
	// At is the time at which the request was admitted, in whole seconds.
	At      time.Time
	Profile *policy.Profile
	// Voucher is empty for open registration.
	Voucher broker.Voucher
	// Use is the use of its voucher that the registration takes.
	Use Use
	// Metadata is the metadata to register.
	Metadata dcr.ParsedMetadata
	// Statement is the accepted software statement, or nil.
	Statement *Statement
	// source is where the request comes from.
	source source
}

// Store is what a Registrar reads and writes.
type Store interface {
	broker.Registrations
	broker.InitialAccessTokens
}

// Config is what a Registrar needs. Every field is REQUIRED.
type Config struct {
	Store Store
	// Lifecycle is the lifecycle of the deployment's mode, in which new clients
	// are registered.
	Lifecycle Lifecycle
	// Former deletes registrations of the other mode. They are from before the
	// deployment changed its mode.
	Former Deleter
	// JWTs verifies initial access tokens and software statements of issuers that
	// the policy names.
	JWTs JWTs
	// Policy returns the policy in force. It is called once per request, and a
	// second time with broker.Newest if the policy lacks a profile.
	Policy func(context.Context) (*policy.Policy, error)
	// Issuer is the broker's origin, under which registrations are managed.
	Issuer string
	Now    func() time.Time
	Log    *slog.Logger
}

// A Registrar registers clients. It is safe for concurrent use.
//
// An error of its methods wraps a *dcr.Error if the client may see it. Any
// other error is a fault of the broker.
type Registrar struct {
	store     Store
	lifecycle Lifecycle
	former    Deleter
	jwts      JWTs
	policy    func(context.Context) (*policy.Policy, error)
	issuer    string
	now       func() time.Time
	trail     broker.AuditTrail
}

// New returns a Registrar, or an error if a field of c is missing.
func New(c Config) (*Registrar, error) {
	if c.Store == nil || c.Lifecycle == nil || c.Former == nil || c.JWTs == nil || c.Policy == nil || c.Issuer == "" || c.Now == nil || c.Log == nil {
		return nil, errors.New("registration: every field of Config is required")
	}
	return &Registrar{
		store: c.Store, lifecycle: c.Lifecycle, former: c.Former, jwts: c.JWTs, policy: c.Policy, issuer: c.Issuer, now: c.Now,
		trail: broker.AuditTrail{Log: c.Log},
	}, nil
}

// information returns the client information of an existing registration for
// the bearer of tok. It has no client secret, which is only in the response to
// the registration itself.
func (g *Registrar) information(r *broker.Registration, tok credential.Token) *dcr.ClientInformation {
	return broker.Issued{Registration: r, AccessToken: tok}.Information(g.issuer)
}

// Unavailable returns the error for a request, of any kind, that the client can
// repeat soon. The cause, which must not be nil, is logged. A cause that already
// holds an answer for the client is returned as it is.
func Unavailable(cause error) error {
	if _, ok := errors.AsType[*dcr.Error](cause); ok {
		return cause
	}
	return broker.Unavailable("the request could not be completed, try again", broker.RetrySoon, cause)
}

// limited returns the error of a lifecycle. What strangers can use up is no failure
// of the broker: a limit of this deployment is too_many_requests, which rings other
// alarms than unavailable.
func limited(ctx context.Context, err error) error {
	e, ok := errors.AsType[*dcr.Error](err)
	if !ok || !errors.Is(err, broker.ErrCallLimit) && !errors.Is(err, broker.ErrProfileFull) {
		return err
	}
	telemetry.Count(ctx, telemetry.Limited, 1)
	return tooManyRequests(e, err)
}

func tooManyRequests(e *dcr.Error, cause error) error {
	return &broker.Refusal{Code: dcr.TooManyRequests, Description: e.Description, RetryAfter: e.RetryAfter, Cause: cause}
}

// managing is limited for a request of a client about itself. Requests of one client
// that overtake one another are no failure of the broker either.
func managing(ctx context.Context, err error) error {
	e, ok := errors.AsType[*dcr.Error](err)
	if ok && e.Code == dcr.Unavailable && errors.Is(err, broker.ErrConflict) && overtaken(err) {
		return tooManyRequests(e, err)
	}
	return limited(ctx, err)
}

// overtaken reports whether err is only that another request has changed the same
// record. A failure that is joined with such a conflict is a failure.
func overtaken(err error) bool {
	var causes []error
	switch e := err.(type) {
	case *dcr.Error:
		return true // the answer to the client
	case interface{ Unwrap() []error }:
		causes = e.Unwrap()
	case interface{ Unwrap() error }:
		causes = []error{e.Unwrap()}
	default:
		return err == broker.ErrConflict
	}
	return !slices.ContainsFunc(causes, func(cause error) bool { return !overtaken(cause) })
}
