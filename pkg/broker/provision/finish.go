package provision

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// Done counts the app clients for which a Maintainer has finished work.
type Done struct {
	// Completed app clients stay.
	Completed int
	Removed   int
	// Grown app clients have more scopes.
	Grown int
}

// finishing is one call of Finish or Remove.
type finishing struct {
	*Maintainer
	policy *policy.Policy
	sweep  Sweep
	done   Done
}

// Finish finishes interrupted work for an app client that is due. If the app
// client is in use, Finish checks whether its registration exists and whether
// it has the scopes that it needs. With an error it also returns the work that
// was done.
func (m *Maintainer) Finish(ctx context.Context, a *broker.AppClient, pol *policy.Policy, s Sweep) (Done, error) {
	f := &finishing{Maintainer: m, policy: pol, sweep: s}
	err := f.finish(ctx, a)
	return f.done, err
}

// Remove removes an app client that is marked for removal. With an error it
// also returns the work that was done.
func (m *Maintainer) Remove(ctx context.Context, a *broker.AppClient, s Sweep) (Done, error) {
	f := &finishing{Maintainer: m, sweep: s}
	err := f.remove(ctx, a)
	return f.done, err
}

func (f *finishing) finish(ctx context.Context, a *broker.AppClient) error {
	switch a.State {
	case broker.AppClientCreating:
		// No other request has taken it over, so nothing needs it.
		return f.markAndRemove(ctx, a)
	case broker.AppClientRemoving:
		return f.remove(ctx, a)
	case broker.AppClientReady:
		return f.check(ctx, a)
	case broker.AppClientVacant:
		// A request that was overtaken may have left its marker; see disown.
		if err := f.deleteAbandoned(ctx, a); err != nil {
			return err
		}
		return f.vacateOrDelete(ctx, a, time.Time{})
	}
	return fmt.Errorf("app client %s is due in state %q", a.Key, a.State)
}

// markAndRemove removes a. The mark comes first, so that a request that still
// works on a gets ErrConflict.
func (f *finishing) markAndRemove(ctx context.Context, a *broker.AppClient) error {
	if err := broker.BeginRemoval(ctx, f.store, a, f.now()); err != nil {
		return err
	}
	return f.remove(ctx, a)
}

func (f *finishing) remove(ctx context.Context, a *broker.AppClient) error {
	if err := f.deleteAbandoned(ctx, a); err != nil {
		return err
	}
	ids := []string{a.CognitoID}
	if a.CognitoID == "" {
		var err error
		if ids, err = f.sweep.AtCognito(ctx, a.Marker); err != nil {
			return err
		}
	}
	for _, id := range ids {
		if err := f.delete(ctx, a, id, a.Marker); err != nil {
			return err
		}
	}
	if err := ReturnPlace(ctx, f.store, a); err != nil {
		return err
	}
	if err := f.vacateOrDelete(ctx, a, f.now().Add(broker.Grace)); err != nil {
		return err
	}
	f.done.Removed++
	return nil
}

func (f *finishing) delete(ctx context.Context, a *broker.AppClient, id, marker string) error {
	if err := f.pool.Delete(ctx, id, marker); err != nil {
		return fmt.Errorf("delete app client %s: %w", id, err)
	}
	f.trail.Removed(ctx, broker.ByJanitor, a, id)
	return nil
}

// vacateOrDelete vacates the record of an app client that is gone. If no request
// can need the app client again, because its registration is gone too, it deletes
// the record. A registration that is still there may be about to end: a DELETE or
// an operator marks the app client first. So a dedicated record that this call
// vacates is due once more, at the time again. For a record that was vacant before,
// again is zero.
func (f *finishing) vacateOrDelete(ctx context.Context, a *broker.AppClient, again time.Time) error {
	var due time.Time
	if a.Kind == broker.KindDedicated {
		r, err := f.served(ctx, a)
		if errors.Is(err, broker.ErrNotFound) {
			return f.store.DeleteAppClient(ctx, a.Key, a.Version)
		}
		if err != nil {
			return err
		}
		due = r.ExpiresAt
		if !again.IsZero() && (due.IsZero() || again.Before(due)) {
			due = broker.Seconds(again)
		}
	}
	a.Vacate()
	a.Due = due
	return f.store.ReplaceAppClient(ctx, a)
}

// served returns the registration that a dedicated app client serves, or
// ErrNotFound if it no longer exists.
func (f *finishing) served(ctx context.Context, a *broker.AppClient) (*broker.Registration, error) {
	r, err := f.store.Registration(ctx, a.ClientID)
	if err != nil {
		return nil, fmt.Errorf("read registration %s: %w", a.ClientID, err)
	}
	switch {
	case r.Generation != a.Generation, r.State == broker.RegistrationDeleting, r.State == broker.RegistrationDeleted, r.State == broker.RegistrationRemoved:
		return nil, fmt.Errorf("registration %s of generation %s: %w", a.ClientID, a.Generation, broker.ErrNotFound)
	}
	return r, nil
}

// deleteAbandoned deletes the app clients that creations with an unknown result
// may have left behind, and returns their places.
func (f *finishing) deleteAbandoned(ctx context.Context, a *broker.AppClient) error {
	for _, marker := range a.Abandoned {
		ids, err := f.sweep.AtCognito(ctx, marker)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := f.delete(ctx, a, id, marker); err != nil {
				return err
			}
			f.done.Removed++
		}
		if err := returnPlace(ctx, f.store, a, marker); err != nil {
			return err
		}
	}
	return nil
}

// check checks an app client that is in use: whether its registration exists,
// whether it has the scopes, and when to check again.
func (f *finishing) check(ctx context.Context, a *broker.AppClient) error {
	grown := false
	for range broker.Attempts {
		grew, err := f.checkOnce(ctx, a, grown)
		if grown = grown || grew; !grown || !broker.IsOnly(err, broker.ErrConflict) {
			return err
		}
		// Another process has changed the record, perhaps with more scopes. The
		// settings that reached Cognito last may be those of this sweep, so it sends
		// the ones that are right now.
		stored, readErr := f.store.AppClient(ctx, a.Key)
		if errors.Is(readErr, broker.ErrNotFound) {
			return nil
		}
		if readErr != nil {
			return errors.Join(err, readErr)
		}
		if stored.State != broker.AppClientReady || stored.Marker != a.Marker {
			return err
		}
		a = stored
	}
	return fmt.Errorf("app client %s is changed all the time, and Cognito may lack scopes of its record", a.Key)
}

// checkOnce is check for a record that no other process changes meanwhile. It
// reports whether it has changed the app client at Cognito, which it does if scopes
// are missing, or always.
func (f *finishing) checkOnce(ctx context.Context, a *broker.AppClient, always bool) (grew bool, err error) {
	var again time.Time
	if a.Kind == broker.KindDedicated {
		r, err := f.served(ctx, a)
		if errors.Is(err, broker.ErrNotFound) {
			return false, f.markAndRemove(ctx, a)
		}
		if err != nil {
			return false, err
		}
		again = r.ExpiresAt // it expires then, unless it is used before
		if grew, err = f.growDedicated(ctx, a, r, always); err != nil {
			return grew, err
		}
		if grew && !always {
			f.done.Grown++
		}
	}
	if err := f.deleteAbandoned(ctx, a); err != nil {
		return grew, err
	}
	a.Abandoned, a.Due = nil, again
	if err := f.store.ReplaceAppClient(ctx, a); err != nil {
		return grew, err
	}
	f.done.Completed++
	return grew, nil
}

// growDedicated adds the missing scopes of r to a, and reports whether it has sent
// the settings to Cognito: if scopes are missing, and if always is set. The caller
// stores a.
func (f *finishing) growDedicated(ctx context.Context, a *broker.AppClient, r *broker.Registration, always bool) (bool, error) {
	profile, ok := f.policy.Profile(r.Profile)
	if !ok {
		return false, nil
	}
	spec := dedicatedSpec(r, profile)
	if !always && !lacks(a, spec) {
		return false, nil
	}
	f.sweep.Growing(a)
	return true, f.grow(ctx, a, spec)
}
