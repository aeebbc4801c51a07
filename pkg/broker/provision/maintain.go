package provision

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// A MaintainedPool changes and removes the app clients of brokered mode. Its
// errors have the meaning of a Pool's errors. It changes and removes only app
// clients with this deployment's marker.
type MaintainedPool interface {
	// UpdateBrokered gives the app client with this id the settings that follow
	// from spec. If it does not exist, UpdateBrokered returns broker.ErrNotFound
	// inside a *broker.NotAppliedError.
	UpdateBrokered(ctx context.Context, id, marker string, spec broker.BrokeredAppClient) error
	// Delete removes the app client with this id. An app client that does not
	// exist is no error.
	Delete(ctx context.Context, id, marker string) error
}

// A Sweep is the sweep that calls a Maintainer.
type Sweep interface {
	// AtCognito returns the ids of the app clients at Cognito that carry the
	// marker.
	AtCognito(ctx context.Context, marker string) ([]string, error)
	// Growing is called before a gets scopes that it lacks.
	Growing(a *broker.AppClient)
}

// MaintainerStore is the part of broker.Store that a Maintainer uses.
type MaintainerStore interface {
	broker.Registrations
	broker.AppClientRecords
	broker.Budgets
}

// MaintainerConfig is what a Maintainer needs. Every field but Operator is
// REQUIRED.
type MaintainerConfig struct {
	Store MaintainerStore
	Pool  MaintainedPool
	// Operator is the operator in whose process the Maintainer is. OPTIONAL.
	Operator string
	Now      func() time.Time
	Log      *slog.Logger
}

// A Maintainer changes and removes the app clients of brokered mode that exist,
// or may exist. It is safe for concurrent use.
type Maintainer struct {
	store MaintainerStore
	pool  MaintainedPool
	now   func() time.Time
	trail broker.AuditTrail
}

// NewMaintainer returns a Maintainer, or an error if a field of c is missing.
func NewMaintainer(c MaintainerConfig) (*Maintainer, error) {
	if c.Store == nil || c.Pool == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("provision: every field of MaintainerConfig but Operator is required")
	}
	return &Maintainer{store: c.Store, pool: c.Pool, now: c.Now, trail: broker.AuditTrail{Log: c.Log, Operator: c.Operator}}, nil
}

// RequestRemoval leaves the app client with that key to the janitor, which
// removes it at its next run. It does nothing if there is no record. A caller
// that removes the app client itself calls broker.BeginRemoval.
func RequestRemoval(ctx context.Context, store broker.AppClientRecords, key string, now time.Time) error {
	return broker.ChangeAppClient(ctx, store, key, func(a *broker.AppClient) bool {
		if a.State == broker.AppClientRemoving {
			return false
		}
		a.Due = broker.Seconds(now)
		if a.State == broker.AppClientCreating {
			a.Due = a.Due.Add(broker.Grace) // the request that creates it has time to finish
		}
		a.State = broker.AppClientRemoving
		return true
	})
}

// Lacks reports whether a, the shared app client of the profile, lacks a scope
// of the profile.
func (m *Maintainer) Lacks(a *broker.AppClient, p *policy.Profile) bool {
	return lacks(a, sharedSpec(p))
}

// Grow adds the missing scopes of the profile to its shared app client a. It
// reports whether Cognito has them, even with an error.
func (m *Maintainer) Grow(ctx context.Context, a *broker.AppClient, p *policy.Profile) (bool, error) {
	if err := m.grow(ctx, a, sharedSpec(p)); err != nil {
		return false, err
	}
	return true, m.store.ReplaceAppClient(ctx, a)
}

// grow adds the missing scopes of spec to the app client, at Cognito and then
// in a, which the caller has to store.
func (m *Maintainer) grow(ctx context.Context, a *broker.AppClient, spec broker.BrokeredAppClient) error {
	spec = extended(spec, a)
	if err := m.update(ctx, broker.ByJanitor, a, spec); err != nil {
		return fmt.Errorf("update app client %s with scopes %s: %w", a.Key, strings.Join(spec.Scopes, " "), err)
	}
	return nil
}

// update gives a the settings of spec, at Cognito and then in a. If the scopes
// stay, the audit event says that the other settings were applied, such as
// lifetimes of tokens; what they were before is not known here.
func (m *Maintainer) update(ctx context.Context, by telemetry.Actor, a *broker.AppClient, spec broker.BrokeredAppClient) error {
	if err := m.pool.UpdateBrokered(ctx, a.CognitoID, a.Marker, spec); err != nil {
		return err
	}
	if slices.Equal(a.Scopes, spec.Scopes) {
		m.trail.AppClient(ctx, telemetry.AppClientUpdated, by, a, a.CognitoID, slog.Bool("settings", true))
	} else {
		m.trail.Scopes(ctx, by, a, spec.Scopes)
	}
	a.Scopes = spec.Scopes
	return nil
}

// An ApplyError means that ApplyProfile did not update some app clients.
type ApplyError struct{ Failures []ApplyFailure }

// An ApplyFailure is an app client that was not updated, and why.
type ApplyFailure struct {
	// Key is the key of the app client's record.
	Key string
	Err error
}

func (e *ApplyError) Error() string {
	var text []string
	for _, f := range e.Failures {
		text = append(text, fmt.Sprintf("app client %s: %v", f.Key, f.Err))
	}
	return strings.Join(text, "\n")
}

func (e *ApplyError) Unwrap() []error {
	var errs []error
	for _, f := range e.Failures {
		errs = append(errs, f.Err)
	}
	return errs
}

// ApplyProfile gives the app clients of a profile, the shared one and the
// dedicated ones, the settings that follow from the current policy and
// configuration, such as lifetimes of tokens and identity providers. It creates
// no app client, and leaves out those that are being removed. If one cannot be
// updated, it goes on with the others and returns an *ApplyError. It returns how
// many it has updated, even with an error, and can be repeated. by is the
// operator.
func (m *Maintainer) ApplyProfile(ctx context.Context, p *policy.Profile, by string) (int, error) {
	updated := 0
	var failures []ApplyFailure
	for key, err := range m.store.AppClientKeys(ctx) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return updated, fmt.Errorf("list app client records: %w", err)
		}
		done, err := m.applyTo(ctx, p, key, by)
		if err != nil {
			failures = append(failures, ApplyFailure{key, err})
		}
		if done {
			updated++
		}
	}
	if len(failures) > 0 {
		return updated, &ApplyError{failures}
	}
	return updated, nil
}

// applyAttempts is how often applyTo tries again if another program changes the
// record at the same time.
const applyAttempts = 5

// applyTo updates the app client with that key if it is one of the profile. It
// reports whether it has.
func (m *Maintainer) applyTo(ctx context.Context, p *policy.Profile, key, by string) (bool, error) {
	var err error
	for range applyAttempts {
		var a *broker.AppClient
		a, err = m.store.AppClient(ctx, key)
		if errors.Is(err, broker.ErrNotFound) || err == nil && (a.Profile != p.Name() || a.State != broker.AppClientReady || a.Kind != broker.KindShared && a.Kind != broker.KindDedicated) {
			return false, nil // also app clients of direct mode, which belong to their clients
		}
		if err == nil {
			err = m.apply(ctx, p, a, by)
		}
		if _, refused := errors.AsType[*broker.NotAppliedError](err); refused && errors.Is(err, broker.ErrNotFound) {
			return false, fmt.Errorf("it is gone at Cognito; the next sweep removes its record, and another one is made: %w", err)
		}
		if errors.Is(err, broker.ErrNotFound) {
			return false, nil // another program is removing its record
		}
		if !errors.Is(err, broker.ErrConflict) {
			break
		}
	}
	return err == nil, err
}

// apply updates one app client. It takes no scopes away.
func (m *Maintainer) apply(ctx context.Context, p *policy.Profile, a *broker.AppClient, by string) error {
	spec := sharedSpec(p)
	if a.Kind == broker.KindDedicated {
		r, err := m.store.Registration(ctx, a.ClientID)
		if err != nil {
			return err
		}
		spec = dedicatedSpec(r, p)
	}
	if err := m.update(ctx, broker.ByOperator(by), a, extended(spec, a)); err != nil {
		return err
	}
	return m.store.ReplaceAppClient(ctx, a)
}
