package janitor

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// A Reconciler works on the records of one mode. With an error a Report has the
// work that was done before it. Implementations are safe for concurrent use.
type Reconciler interface {
	// Finish finishes or undoes interrupted work on an app client that is due,
	// or checks one that is in use.
	Finish(ctx context.Context, run *Run, a *broker.AppClient) (Report, error)
	// Retire ends the grants of a registration whose lifetime has ended, and
	// removes the app client that served only this registration.
	Retire(ctx context.Context, run *Run, r *broker.Registration) (Report, error)
	// Orphan reports whether o, which has no record, is the app client of the
	// registration r. If it is, Orphan creates the record.
	Orphan(ctx context.Context, o broker.ListedAppClient, r *broker.Registration) (bool, error)
	// Gone ends everything that depends on the app client of a, which does not
	// exist.
	Gone(ctx context.Context, run *Run, a *broker.AppClient) (Report, error)
}

// A Grower adds scopes to the shared app client of a profile.
type Grower interface {
	// Lacks reports whether a lacks a scope of the profile.
	Lacks(a *broker.AppClient, p *policy.Profile) bool
	// Grow adds the missing scopes of the profile to a. It reports whether
	// Cognito has them, even with an error.
	Grow(ctx context.Context, a *broker.AppClient, p *policy.Profile) (bool, error)
}

// A Pool has the app clients of this deployment. It never removes an app client
// without the deployment's marker.
type Pool interface {
	// List yields every app client of the pool that carries a marker of this
	// deployment, in no order. It reads page by page.
	List(ctx context.Context) iter.Seq2[broker.ListedAppClient, error]
	// Exists reports whether the pool has an app client with this id, with or
	// without a marker.
	Exists(ctx context.Context, id string) (bool, error)
	// Delete removes the app client with this id. An app client that does not
	// exist is no error.
	Delete(ctx context.Context, id, marker string) error
}

// Store is what a Janitor reads and writes.
type Store interface {
	broker.Registrations
	broker.AppClientRecords
	broker.Sweeping
}

// Config is what a Janitor needs. Every field is REQUIRED, unless its comment
// says otherwise.
type Config struct {
	Store Store
	Pool  Pool
	// Modes has both modes: records outlive a change of the deployment's mode.
	Modes  broker.ByMode[Reconciler]
	Grower Grower
	// Grants ends grants. In direct mode it is broker.NoGrants.
	Grants broker.GrantEnder
	// Deployment is the id of this deployment.
	Deployment string
	// Branding reports whether app clients need a branding style, as they do on
	// managed login (version 2). A sweep then counts the remaining styles.
	// OPTIONAL.
	Branding bool
	// Operator is the operator who runs the sweeps. OPTIONAL.
	Operator string
	// Policy returns the policy in force. It is called once for each sweep with
	// broker.Uncached, and again without if that fails.
	Policy func(context.Context) (*policy.Policy, error)
	Now    func() time.Time
	Log    *slog.Logger
}

// A Janitor sweeps. It is safe for concurrent use, in several processes.
type Janitor struct {
	c     Config
	trail broker.AuditTrail
}

// New returns a Janitor, or an error if a required field of c is missing.
func New(c Config) (*Janitor, error) {
	if c.Store == nil || c.Pool == nil || c.Modes.Direct == nil || c.Modes.Brokered == nil || c.Grower == nil || c.Grants == nil || c.Deployment == "" || c.Policy == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("janitor: every field of Config but Branding and Operator is required")
	}
	return &Janitor{c: c, trail: broker.AuditTrail{Log: c.Log, Operator: c.Operator}}, nil
}

// sweepMargin is the time between the end of a sweep and the end of its
// context, so that the sweep can finish its current work and save its place. If
// there is less than a minute, it is half of the time.
const sweepMargin = 30 * time.Second

// Options change a sweep. The schedule uses the zero value.
type Options struct {
	// DryRun changes nothing, and reports and counts the work of a sweep.
	DryRun bool
	// AcceptMany continues where a sweep stops with ErrTooMany, because too many
	// app clients have no record or too many records no app client.
	AcceptMany bool
	// OnStep, if not nil, is called for each step before it is done.
	OnStep func(Step)
}

// Sweep runs one sweep. It finishes or undoes every creation, update or removal
// of an app client that began more than two minutes ago and is not complete. It
// removes registrations whose lifetime has ended, with their grants and
// dedicated app clients, and ends the grants of registrations that an operator
// has disabled or deleted. It deletes app clients of this deployment that have
// no record, deletes the records of app clients that no longer exist, and gives
// app clients the scopes that they lack.
//
// A registration that has ended does not come back, so none ends by its lifetime
// if the newest policy cannot be read.
//
// It stops thirty seconds before ctx ends, or after half of the time if there
// is less than a minute, and the next sweep continues. Several sweeps may run
// at the same time. It returns its report, and an error if it could not read
// the records that are due or the list of app clients, if Cognito was too busy,
// or if an operator has to act: an error that wraps ErrForeignTable or
// ErrTooMany.
func (j *Janitor) Sweep(ctx context.Context, o Options) (Report, error) {
	pol, notNewest := j.c.Policy(broker.Uncached(ctx))
	if notNewest != nil {
		var err error
		if pol, err = j.c.Policy(ctx); err != nil {
			return Report{}, fmt.Errorf("sweep: policy: %w", err)
		}
	}
	r := &Run{Policy: pol, notNewest: notNewest, c: j.c, trail: j.trail, options: o}
	if end, ok := ctx.Deadline(); ok {
		r.end = end.Add(-min(sweepMargin, time.Until(end)/2))
	}
	err := r.all(ctx)
	if !o.DryRun {
		r.observe(ctx, err)
	}
	if err != nil {
		return r.done, fmt.Errorf("sweep: %w", err)
	}
	return r.done, ctx.Err()
}
