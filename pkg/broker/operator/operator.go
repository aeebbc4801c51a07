package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// A Lifecycle does the part of a mode when an operator changes a client.
// Implementations are safe for concurrent use.
type Lifecycle interface {
	// SwitchOff marks the app client that serves only r, so that the janitor
	// removes it, before r becomes disabled or deleted, as state says. It sets
	// r.Stale if r can have grants.
	SwitchOff(ctx context.Context, r *broker.Registration, state broker.RegistrationState) error
	// Serves returns a *broker.StateError if r cannot be used again because its
	// app client no longer exists.
	Serves(ctx context.Context, r *broker.Registration) error
}

// Store is what an Operator reads and writes.
type Store interface {
	broker.Registrations
	broker.Sweeping
}

// Config is what an Operator needs. Every field is REQUIRED.
type Config struct {
	Store Store
	Modes broker.ByMode[Lifecycle]
	// NewRegistration returns the registration of a client that is registered
	// ahead, and does not store it. The mode of the deployment implements it; in
	// direct mode it returns an error.
	NewRegistration func(p *policy.Profile, clientID string, m dcr.ClientMetadata, now time.Time) (*broker.Registration, error)
	// Grants ends grants. If it returns broker.ErrNoGrants, the next sweep ends
	// those of a client that is disabled or deleted.
	Grants broker.GrantEnder
	// Deployment is the id of this deployment.
	Deployment string
	// Policy returns the policy in force. It is called once for each change.
	Policy func(context.Context) (*policy.Policy, error)
	Now    func() time.Time
	Log    *slog.Logger
}

// An Operator does the work of operators. The parameter by of its methods is
// the operator's name. It is safe for concurrent use.
type Operator struct {
	c     Config
	trail broker.AuditTrail
}

// New returns an Operator, or an error if a required field of c is missing.
func New(c Config) (*Operator, error) {
	if c.Store == nil || c.Modes.Direct == nil || c.Modes.Brokered == nil || c.NewRegistration == nil || c.Grants == nil || c.Deployment == "" || c.Policy == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("operator: every field of Config is required")
	}
	return &Operator{c: c, trail: broker.AuditTrail{Log: c.Log}}, nil
}

// Client returns the client with this id, in any state, for an operator who
// decides about it.
func (o *Operator) Client(ctx context.Context, clientID string) (*broker.Registration, error) {
	return o.registration(ctx, clientID)
}

// Approve activates a client that waits for approval. shown is the registration
// that the operator has seen, as the store has it: if it was changed since, the
// error is broker.ErrConflict, and the operator has to look again. A client that
// is already active is no error; a client in another state is a
// *broker.StateError.
func (o *Operator) Approve(ctx context.Context, shown *broker.Registration, by string) (*broker.Registration, error) {
	return o.change(ctx, shown, telemetry.RegistrationApproved, by, func(r *broker.Registration) error {
		if err := requireState(r, broker.RegistrationPending); err != nil {
			return err
		}
		return o.activate(ctx, r)
	})
}

// Enable activates a disabled client, with the metadata of shown, as Approve
// does. Its former grants stay ended. A client that is already active is no
// error; a client in another state, or a client of direct mode whose app client
// no longer exists, is a *broker.StateError.
func (o *Operator) Enable(ctx context.Context, shown *broker.Registration, by string) (*broker.Registration, error) {
	return o.change(ctx, shown, telemetry.RegistrationEnabled, by, func(r *broker.Registration) error {
		if err := requireState(r, broker.RegistrationDisabled); err != nil {
			return err
		}
		if err := o.c.Modes.Of(r.Mode).Serves(ctx, r); err != nil {
			return err
		}
		return o.activate(ctx, r)
	})
}

// errActive means that a client is already active and needs no change.
var errActive = errors.New("active already")

// requireState returns a *broker.StateError if r is not in this state, or
// errActive if r is active.
func requireState(r *broker.Registration, state broker.RegistrationState) error {
	switch r.State {
	case state:
		return nil
	case broker.RegistrationActive:
		return errActive
	}
	return &broker.StateError{ClientID: r.ClientID, State: r.State}
}

// change replaces the registration that the operator has seen by the result of f.
// It does not try again if another request has changed the registration: the
// operator has not seen the other one.
func (o *Operator) change(ctx context.Context, shown *broker.Registration, event telemetry.Event, by string, f func(*broker.Registration) error) (*broker.Registration, error) {
	r := shown.Clone()
	err := f(r)
	if errors.Is(err, errActive) {
		return r, nil
	}
	if err == nil {
		err = broker.ReplaceRegistration(ctx, o.c.Store, r)
	}
	if _, named := errors.AsType[*broker.StateError](err); named {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("client %s: %w", shown.ClientID, err)
	}
	o.trail.Change(ctx, event, broker.ByOperator(by), shown, r)
	return r, nil
}

// registration returns a registration in any state.
func (o *Operator) registration(ctx context.Context, clientID string) (*broker.Registration, error) {
	r, err := clients.Registration(ctx, o.c.Store, clientID)
	if err != nil {
		return nil, fmt.Errorf("client %s: %w", clientID, err)
	}
	return r, nil
}

// activate approves r and makes it active, with lifetimes as if it had just been used.
func (o *Operator) activate(ctx context.Context, r *broker.Registration) error {
	pol, err := o.c.Policy(ctx)
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	profile, _ := pol.Profile(r.Profile)
	now := broker.Seconds(o.c.Now())
	r.Approve()
	if !r.ExpiresAt.IsZero() && profile != nil {
		// The client is still unconfirmed, because no user has used it. Its
		// lifetime starts again.
		r.ExpiresAt = policy.UnconfirmedUntil(profile, now)
	}
	if r.ExpiresAt.IsZero() {
		r.ActiveSince = now
		if !r.Stale {
			r.Due = policy.NextReview(r, profile, now)
		}
	}
	return nil
}
