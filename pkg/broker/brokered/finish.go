package brokered

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker/provision"
)

// A Reconciler finishes interrupted work of brokered mode for the janitor, in
// either mode of the deployment.
type Reconciler struct {
	store broker.Store
	apps  *provision.Maintainer
	now   func() time.Time
	trail broker.AuditTrail
}

var _ janitor.Reconciler = (*Reconciler)(nil)

// NewReconciler returns a Reconciler. All parameters are REQUIRED.
func NewReconciler(store broker.Store, apps *provision.Maintainer, now func() time.Time, trail broker.AuditTrail) *Reconciler {
	return &Reconciler{store: store, apps: apps, now: now, trail: trail}
}

// Finish implements janitor.Reconciler.
func (c *Reconciler) Finish(ctx context.Context, run *janitor.Run, a *broker.AppClient) (janitor.Report, error) {
	if intent := a.Intent(); intent != nil {
		return c.finishIntent(ctx, intent)
	}
	return report(c.apps.Finish(ctx, a, run.Policy, run))
}

// report returns the work of a Maintainer as a Report.
func report(done provision.Done, err error) (janitor.Report, error) {
	return janitor.Report{Completed: done.Completed, Removed: done.Removed, Grown: done.Grown}, err
}

// finishIntent decides about a registration that was interrupted. If it was
// recorded, it stays, and its use of the token stays taken.
func (c *Reconciler) finishIntent(ctx context.Context, intent *broker.Intent) (janitor.Report, error) {
	if !intent.Cancelled {
		r, err := c.store.Registration(ctx, intent.ClientID)
		if err != nil && !errors.Is(err, broker.ErrNotFound) {
			return janitor.Report{}, err
		}
		if err == nil && r.Generation == intent.Generation {
			if err := broker.DeleteIntent(ctx, c.store, intent); err != nil {
				return janitor.Report{}, err
			}
			c.trail.Created(ctx, broker.ByJanitor, nil, r)
			return janitor.Report{Completed: 1}, nil
		}
		if err := intent.Cancel(ctx, c.store, c.now()); err != nil {
			return janitor.Report{}, err
		}
	}
	if err := finishCancelled(ctx, c.store, intent); err != nil {
		return janitor.Report{}, err
	}
	return janitor.Report{Removed: 1}, nil
}

// Retire implements janitor.Reconciler.
func (c *Reconciler) Retire(ctx context.Context, run *janitor.Run, r *broker.Registration) (janitor.Report, error) {
	ended, err := run.EndGrants(ctx, r.ClientID)
	if err != nil {
		return janitor.Report{EndedGrants: ended}, err
	}
	done, err := c.removeDedicated(ctx, run, r)
	done.EndedGrants = ended
	return done, err
}

// removeDedicated removes the app client that served only r. If a request is
// creating it at this moment, removeDedicated only marks it, and it is due
// later.
func (c *Reconciler) removeDedicated(ctx context.Context, run *janitor.Run, r *broker.Registration) (janitor.Report, error) {
	key := broker.DedicatedAppClientKey(r.ClientID, r.Generation)
	if err := provision.RequestRemoval(ctx, c.store, key, c.now()); err != nil {
		return janitor.Report{}, err
	}
	a, err := c.store.AppClient(ctx, key)
	if errors.Is(err, broker.ErrNotFound) {
		return janitor.Report{}, nil
	}
	if err != nil {
		return janitor.Report{}, fmt.Errorf("read app client %s: %w", key, err)
	}
	if a.Due.After(c.now()) {
		return janitor.Report{}, nil
	}
	return report(c.apps.Finish(ctx, a, run.Policy, run))
}

// Orphan implements janitor.Reconciler. No registration of brokered mode has the
// id of an app client.
func (c *Reconciler) Orphan(context.Context, broker.ListedAppClient, *broker.Registration) (bool, error) {
	return false, nil
}

// Gone implements janitor.Reconciler. The broker creates the app client again
// when it is needed.
func (c *Reconciler) Gone(ctx context.Context, run *janitor.Run, a *broker.AppClient) (janitor.Report, error) {
	if err := broker.BeginRemoval(ctx, c.store, a, c.now()); err != nil {
		return janitor.Report{}, err
	}
	return report(c.apps.Remove(ctx, a, run))
}
