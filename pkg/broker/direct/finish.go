package direct

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// A Reconciler finishes interrupted work of direct mode for the janitor, in
// either mode of the deployment.
type Reconciler struct{ apps *appClients }

var _ janitor.Reconciler = (*Reconciler)(nil)

// NewReconciler returns a Reconciler. All parameters are REQUIRED.
func NewReconciler(store broker.Store, pool Pool, now func() time.Time, trail broker.AuditTrail) *Reconciler {
	return &Reconciler{newAppClients(store, pool, now, trail)}
}

// Finish implements janitor.Reconciler.
func (c *Reconciler) Finish(ctx context.Context, run *janitor.Run, a *broker.AppClient) (janitor.Report, error) {
	switch a.State {
	case broker.AppClientCreating:
		return c.finishCreating(ctx, run, a)
	case broker.AppClientUpdating:
		return c.finishUpdating(ctx, run, a)
	case broker.AppClientRemoving:
		return c.finishRemoving(ctx, run, a)
	case broker.AppClientAdopting:
		return c.finishAdopting(ctx, run, a)
	}
	return janitor.Report{}, fmt.Errorf("app client %s is due in state %q", a.Key, a.State)
}

// finishCreating decides about an app client that may exist. It stays if its
// registration was recorded; otherwise no client knows its id.
func (c *Reconciler) finishCreating(ctx context.Context, run *janitor.Run, a *broker.AppClient) (janitor.Report, error) {
	ids, err := run.AtCognito(ctx, a.Marker)
	if err != nil {
		return janitor.Report{}, err
	}
	for _, id := range ids {
		r, err := c.apps.store.Registration(ctx, id)
		if errors.Is(err, broker.ErrNotFound) {
			continue
		}
		if err != nil {
			return janitor.Report{}, err
		}
		if r.AppClient == a.Key && r.State != broker.RegistrationDeleting {
			a.CognitoID, a.State, a.Use, a.Due = id, broker.AppClientReady, broker.Use{}, time.Time{}
			if err := c.apps.store.ReplaceAppClient(ctx, a); err != nil {
				return janitor.Report{}, err
			}
			c.apps.trail.AppClient(ctx, telemetry.AppClientCreated, broker.ByJanitor, a, id)
			c.apps.trail.Created(ctx, broker.ByJanitor, nil, r)
			return janitor.Report{Completed: 1}, nil
		}
	}
	if len(ids) == 1 {
		a.CognitoID = ids[0] // the removal needs it to find the registration, even when the app client no longer exists
	}
	return c.markAndRemove(ctx, run, a)
}

// markAndRemove removes a. The mark comes first, so that a request that still
// works on a gets ErrConflict.
func (c *Reconciler) markAndRemove(ctx context.Context, run *janitor.Run, a *broker.AppClient) (janitor.Report, error) {
	if err := broker.BeginRemoval(ctx, c.apps.store, a, c.apps.now()); err != nil {
		return janitor.Report{}, err
	}
	return c.finishRemoving(ctx, run, a)
}

func (c *Reconciler) finishRemoving(ctx context.Context, run *janitor.Run, a *broker.AppClient) (janitor.Report, error) {
	ids := []string{a.CognitoID}
	if a.CognitoID == "" {
		var err error
		if ids, err = run.AtCognito(ctx, a.Marker); err != nil {
			return janitor.Report{}, err
		}
	}
	if err := c.apps.finishRemoval(ctx, broker.ByJanitor, a, ids...); err != nil {
		return janitor.Report{}, err
	}
	return janitor.Report{Removed: 1}, nil
}

// finishUpdating gives the app client the settings of its registration, which
// the last response to the client contained.
func (c *Reconciler) finishUpdating(ctx context.Context, run *janitor.Run, a *broker.AppClient) (janitor.Report, error) {
	if err := c.apps.lease(ctx, a); err != nil {
		return janitor.Report{}, err
	}
	r, err := c.apps.store.Registration(ctx, a.CognitoID)
	if errors.Is(err, broker.ErrNotFound) {
		return c.markAndRemove(ctx, run, a)
	}
	if err != nil {
		return janitor.Report{}, err
	}
	if err := c.apps.pool.Update(ctx, a.CognitoID, a.Marker, r.Metadata, nil); err != nil && !errors.Is(err, broker.ErrNotFound) {
		return janitor.Report{}, err
	}
	a.State, a.Due = broker.AppClientReady, time.Time{}
	if err := c.apps.store.ReplaceAppClient(ctx, a); err != nil {
		return janitor.Report{}, err
	}
	c.apps.trail.AppClient(ctx, telemetry.AppClientUpdated, broker.ByJanitor, a, a.CognitoID)
	return janitor.Report{Restored: 1}, nil
}

// finishAdopting decides about an adoption that was interrupted. It is complete
// if the app client got our mark. Otherwise the registration is deleted, and
// the app client does not change.
func (c *Reconciler) finishAdopting(ctx context.Context, run *janitor.Run, a *broker.AppClient) (janitor.Report, error) {
	ids, err := run.AtCognito(ctx, a.Marker)
	if err != nil {
		return janitor.Report{}, err
	}
	if slices.Contains(ids, a.ClientID) {
		a.CognitoID, a.State, a.Due = a.ClientID, broker.AppClientReady, time.Time{}
		if err := c.apps.store.ReplaceAppClient(ctx, a); err != nil {
			return janitor.Report{}, err
		}
		c.apps.trail.AppClient(ctx, telemetry.AppClientAdopted, broker.ByJanitor, a, a.ClientID)
		return janitor.Report{Completed: 1}, nil
	}
	if err := c.apps.deleteRegistration(ctx, broker.ByJanitor, a, a.ClientID); err != nil {
		return janitor.Report{}, err
	}
	if err := c.apps.store.DeleteAppClient(ctx, a.Key, a.Version); err != nil {
		return janitor.Report{}, fmt.Errorf("delete record of app client %s: %w", a.Key, err)
	}
	return janitor.Report{Removed: 1}, nil
}

// Retire implements janitor.Reconciler. It ends no grants, because the grants
// of direct mode are at Cognito.
func (c *Reconciler) Retire(ctx context.Context, run *janitor.Run, r *broker.Registration) (janitor.Report, error) {
	a, err := c.apps.store.AppClient(ctx, r.AppClient)
	if errors.Is(err, broker.ErrNotFound) {
		return janitor.Report{}, nil
	}
	if err != nil {
		return janitor.Report{}, fmt.Errorf("read app client %s: %w", r.AppClient, err)
	}
	return c.markAndRemove(ctx, run, a)
}

// Orphan implements janitor.Reconciler.
func (c *Reconciler) Orphan(ctx context.Context, o broker.ListedAppClient, r *broker.Registration) (bool, error) {
	if r.AppClient == "" || r.State == broker.RegistrationDeleting {
		return false, nil
	}
	return true, c.apps.store.CreateAppClient(ctx, &broker.AppClient{
		Key: r.AppClient, State: broker.AppClientReady, Marker: o.Marker, CognitoID: o.ID, Profile: r.Profile,
		CreatedAt: broker.Seconds(c.apps.now()),
	})
}

// Gone implements janitor.Reconciler. The registration ends with its app client.
func (c *Reconciler) Gone(ctx context.Context, run *janitor.Run, a *broker.AppClient) (janitor.Report, error) {
	r, err := c.apps.store.Registration(ctx, a.CognitoID)
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		return janitor.Report{}, fmt.Errorf("read registration %s: %w", a.CognitoID, err)
	}
	if err != nil || r.AppClient != a.Key {
		return c.markAndRemove(ctx, run, a)
	}
	if r.State == broker.RegistrationDisabled || r.State == broker.RegistrationDeleted {
		return c.Retire(ctx, run, r)
	}
	before := r.Clone()
	r.Tombstone(c.apps.now())
	if err := c.apps.store.ReplaceRegistration(ctx, r); err != nil {
		return janitor.Report{}, fmt.Errorf("retire registration %s: %w", r.ClientID, err)
	}
	c.apps.trail.End(ctx, telemetry.RegistrationRemoved, broker.ByJanitor, before, r.State)
	done, err := c.Retire(ctx, run, r)
	if err == nil {
		err = janitor.CloseTombstone(ctx, c.apps.store, r, c.apps.now())
	}
	return done, err
}
