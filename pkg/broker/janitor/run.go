package janitor

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// A Run is one sweep. A Reconciler uses its methods.
type Run struct {
	// Policy is the policy in force.
	Policy *policy.Policy
	// notNewest is why Policy may be an older one, or nil.
	notNewest error

	c       Config
	trail   broker.AuditTrail
	options Options
	// end is when to stop; zero means never.
	end    time.Time
	done   Report
	listed *listing
	place  place
}

// all does the items of one source after another. An error of one source does
// not stop the next: too many orphans, or an orphan that Cognito cannot delete
// now, do not delay the records that are due.
func (r *Run) all(ctx context.Context) error {
	have, err := r.read(ctx)
	if errors.Is(err, errTimeUp) {
		r.done.Unfinished = true
	} else if err != nil {
		return r.alarm(ctx, err)
	}
	return errors.Join(r.alarm(ctx, r.mendOrphans(ctx, have)), r.alarm(ctx, r.mendGone(ctx, have)), r.each(ctx, r.growth()), r.dueRecords(ctx))
}

// An item is one piece of work that a sweep may have to do.
type item struct {
	// key names it in the log.
	key string
	// due reports whether it is a record that is due, and place is its place in
	// the store.
	due   bool
	place string
	// plan reads the records of the item and returns the step to take, or nil.
	plan func(context.Context) (*step, error)
}

// A step is a Step with its functions.
type step struct {
	// Step is reported, unless it has no Action.
	Step
	// dry is the result of a dry run.
	dry Report
	do  func(context.Context) (Report, error)
	// next plans the next step if this one succeeds; it may be nil.
	next func(context.Context) (*step, error)
}

// each is the loop of a sweep: it does the items. It returns the error that
// stopped it; the end of the time is no error. Records that are due and that it
// does not reach are counted.
func (r *Run) each(ctx context.Context, items iter.Seq2[item, error]) error {
	var halt error
	for it, err := range items {
		if err != nil {
			return errors.Join(halt, err)
		}
		if halt != nil || r.timeUp(ctx) {
			if !it.due {
				break
			}
			if r.done.Backlog++; r.tooLateToCount(ctx) {
				break
			}
			continue
		}
		if it.due {
			r.place.reach(it.place)
		}
		if err := r.one(ctx, it); err != nil {
			halt = r.failed(ctx, it.key, err)
		}
		if halt == nil && r.place.saveNow() {
			halt = r.savePlace(ctx)
		}
	}
	return halt
}

// one does the steps of an item.
func (r *Run) one(ctx context.Context, it item) error {
	for plan := it.plan; plan != nil; {
		s, err := plan(ctx)
		if err != nil || s == nil {
			return err
		}
		r.report(s.Step)
		if r.options.DryRun {
			r.done.Add(s.dry)
			return nil
		}
		done, err := s.do(ctx)
		r.done.Add(done)
		if err != nil {
			return err
		}
		plan = s.next
	}
	return nil
}

// report reports a step, unless it has no Action.
func (r *Run) report(s Step) {
	if s.Action != "" && r.options.OnStep != nil {
		r.options.OnStep(s)
	}
}

// timeUp reports whether the time is up, and records it in the report.
func (r *Run) timeUp(ctx context.Context) bool {
	r.done.Unfinished = r.done.Unfinished || r.late(ctx)
	return r.done.Unfinished
}

// late reports whether the time is up.
func (r *Run) late(ctx context.Context) bool {
	return ctx.Err() != nil || !r.end.IsZero() && !time.Now().Before(r.end)
}

// errTimeUp means that the time was up before all was read.
var errTimeUp = errors.New("the time of the sweep is up")

// A haltError is the reason why a sweep changed nothing, or nothing of one
// source, and an operator must act. It wraps ErrForeignTable or ErrTooMany.
type haltError struct {
	what error
	why  string
}

func halted(what error, format string, args ...any) *haltError {
	return &haltError{what, fmt.Sprintf(format, args...)}
}

func (e *haltError) Error() string { return e.what.Error() + ": " + e.why }

func (e *haltError) Unwrap() error { return e.what }

// failed counts and logs a failure. It returns an error if the items of this
// source must not continue, because Cognito is too busy. If the deployment has
// reached its own rate limit, they continue: each call waits for its turn.
func (r *Run) failed(ctx context.Context, key string, err error) error {
	if r.timeUp(ctx) && errors.Is(err, context.DeadlineExceeded) {
		return nil // an interruption is no failure
	}
	if broker.IsOnly(err, broker.ErrConflict, broker.ErrExists) {
		return nil // another request has changed the record; if it is still due, the next sweep does it
	}
	r.done.Failed++
	r.c.Log.ErrorContext(ctx, "sweep", "key", key, "error", err)
	if e, ok := errors.AsType[*dcr.Error](err); ok && e.Code == dcr.Unavailable && !errors.Is(err, broker.ErrCallLimit) {
		return err
	}
	return nil
}

// alarm logs and counts err if an operator must act, and returns it.
func (r *Run) alarm(ctx context.Context, err error) error {
	if halt, ok := errors.AsType[*haltError](err); ok {
		telemetry.Count(ctx, telemetry.JanitorStopped, 1)
		r.c.Log.ErrorContext(ctx, "sweep stopped: an operator must act", "error", halt)
	}
	return err
}

// EndGrants ends the grants of a client whose generations are over, and returns
// how many it has ended, even with an error. It stops when the sweep has to stop.
func (r *Run) EndGrants(ctx context.Context, clientID string) (int, error) {
	if !r.end.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, r.end)
		defer cancel()
	}
	n, err := r.c.Grants.EndOfClient(ctx, clientID, broker.OverGenerations(r.c.Store, clientID))
	r.trail.Grants(ctx, broker.ByJanitor, clientID, "", n)
	if err != nil {
		return n, fmt.Errorf("end grants of %s: %w", clientID, err)
	}
	return n, nil
}
