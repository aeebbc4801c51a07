package janitor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// planRegistration plans the work for a registration that is due.
func (r *Run) planRegistration(ctx context.Context, clientID string) (*step, error) {
	reg, err := r.c.Store.Registration(ctx, clientID)
	if errors.Is(err, broker.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if reg.Due.IsZero() || reg.Due.After(r.c.Now()) {
		return nil, nil // another request was faster
	}
	expire := Step{Action: ActionExpire, ClientID: reg.ClientID, Key: reg.AppClient}
	if reg.State == broker.RegistrationRemoved {
		// Its removal was interrupted.
		return &step{Step: expire, do: func(ctx context.Context) (Report, error) { return r.retire(ctx, reg) }}, nil
	}
	if !reg.Stale {
		return r.planReview(reg), nil
	}
	return &step{
		Step: Step{Action: ActionEndGrants, ClientID: clientID},
		do: func(ctx context.Context) (Report, error) {
			n, err := r.EndGrants(ctx, reg.ClientID)
			return Report{EndedGrants: n}, err
		},
		next: func(context.Context) (*step, error) {
			reg.Stale = false
			return r.planReview(reg), nil
		},
	}, nil
}

// planReview ends a registration if its lifetime is over. Otherwise it sets
// when the registration is due again, which a dry run does not report.
func (r *Run) planReview(reg *broker.Registration) *step {
	now := r.c.Now()
	profile, _ := r.Policy.Profile(reg.Profile)
	reg.Due = time.Time{}
	if reg.State == broker.RegistrationActive || reg.State == broker.RegistrationPending {
		if end := policy.EndOfLife(reg, profile); !end.IsZero() && !end.After(now) {
			return &step{
				Step: Step{Action: ActionExpire, ClientID: reg.ClientID, Key: reg.AppClient},
				dry:  Report{Expired: 1},
				do: func(ctx context.Context) (Report, error) {
					if r.notNewest != nil {
						return Report{}, fmt.Errorf("its lifetime is over by a policy that may be an older one: %w", r.notNewest)
					}
					return r.expire(ctx, reg)
				},
			}
		}
		reg.Due = policy.NextReview(reg, profile, now)
	}
	return &step{do: func(ctx context.Context) (Report, error) {
		return Report{}, ignoreChanged(r.c.Store.ReplaceRegistration(ctx, reg))
	}}
}

// ignoreChanged returns nil if err means that a registration has been changed
// since it was read: it is still due.
func ignoreChanged(err error) error {
	if errors.Is(err, broker.ErrConflict) || errors.Is(err, broker.ErrNotFound) {
		return nil
	}
	return err
}

// expire ends a registration whose lifetime is over. The tombstone comes first:
// from then on the client is refused, and the tombstone is due until everything
// is done. A client that was used since the registration was read stays.
func (r *Run) expire(ctx context.Context, reg *broker.Registration) (Report, error) {
	before := reg.Clone()
	reg.Tombstone(r.c.Now())
	err := r.c.Store.RetireRegistration(ctx, reg)
	if errors.Is(err, broker.ErrConflict) || errors.Is(err, broker.ErrNotFound) {
		return Report{}, nil // it still is due
	}
	if err != nil {
		return Report{}, fmt.Errorf("retire registration %s: %w", reg.ClientID, err)
	}
	r.trail.End(ctx, telemetry.RegistrationRemoved, broker.ByJanitor, before, reg.State)
	done, err := r.retire(ctx, reg)
	done.Expired++
	return done, err
}

// retire does the remaining steps for a tombstone: its mode ends the grants and
// removes the app client. Then the tombstone gets its own expiry.
func (r *Run) retire(ctx context.Context, reg *broker.Registration) (Report, error) {
	done, err := r.c.Modes.Of(reg.Mode).Retire(ctx, r, reg)
	if err == nil {
		err = CloseTombstone(ctx, r.c.Store, reg, r.c.Now())
	}
	return done, err
}

// CloseTombstone stores the expiry of the tombstone r, because nothing of its
// client is left. If r has been changed since it was read, another sweep did
// this, or the client has registered again.
func CloseTombstone(ctx context.Context, store broker.Registrations, r *broker.Registration, now time.Time) error {
	r.Due, r.Stale, r.AppClient = time.Time{}, false, ""
	r.ExpiresAt = broker.Seconds(now).Add(policy.TombstoneTime)
	return ignoreChanged(store.ReplaceRegistration(ctx, r))
}
