package direct

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/provision"
	"github.com/dcr-broker/dcr-broker/pkg/broker/registration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// A Pool has the app clients of direct mode. Implementations are safe for
// concurrent use and never change or remove an app client without this
// deployment's marker. An error that wraps *broker.NotAppliedError means that
// nothing was changed at Cognito. After any other error the caller does not
// know whether the call was applied.
type Pool interface {
	// Create creates an app client. Two calls with the same marker create two
	// app clients, because Cognito has no idempotency token.
	Create(ctx context.Context, marker string, m dcr.ClientMetadata) (broker.NewAppClient, error)
	// Update gives the app client with this id the settings that follow from m.
	// If check is not nil, Update first calls it with the current client secret;
	// an error of check is returned unchanged inside a *broker.NotAppliedError.
	// If the app client does not exist, Update returns broker.ErrNotFound inside
	// a *broker.NotAppliedError.
	Update(ctx context.Context, id, marker string, m dcr.ClientMetadata, check func(secret string) error) error
	// Delete removes the app client with this id. An app client that does not
	// exist is no error.
	Delete(ctx context.Context, id, marker string) error
}

// appClients are the app clients of direct mode with their records.
type appClients struct {
	store broker.Store
	pool  Pool
	now   func() time.Time
	log   *slog.Logger
	trail broker.AuditTrail
}

func newAppClients(store broker.Store, pool Pool, now func() time.Time, trail broker.AuditTrail) *appClients {
	return &appClients{store: store, pool: pool, now: now, log: trail.Log, trail: trail}
}

// lease makes the caller the only one that updates the app client. With two,
// the settings that reach Cognito last could differ from those that are
// recorded last. A lease outlasts any request and then expires.
func (c *appClients) lease(ctx context.Context, a *broker.AppClient) error {
	now := broker.Seconds(c.now())
	if a.State == broker.AppClientUpdating && a.Due.After(now) {
		e := dcr.Errorf(dcr.Unavailable, "another update of this client is in progress")
		e.RetryAfter = a.Due.Sub(now)
		return fmt.Errorf("%w: %w", e, broker.ErrConflict)
	}
	a.State, a.Due = broker.AppClientUpdating, now.Add(broker.LeaseTime)
	if err := c.store.ReplaceAppClient(ctx, a); err != nil {
		return fmt.Errorf("mark app client %s for update: %w", a.Key, err)
	}
	return nil
}

// settle marks a as ready after an update. If another update has begun in the
// meantime, it leaves the mark to that update.
func (c *appClients) settle(ctx context.Context, a *broker.AppClient) {
	ctx, cancel := broker.CleanupContext(ctx)
	defer cancel()
	a.State, a.Due = broker.AppClientReady, time.Time{}
	broker.LogUnfinished(ctx, c.log, a.Key, c.store.ReplaceAppClient(ctx, a))
}

// complete marks a as ready. From then on its uses are spent. If the mark may
// not have been set, the client is complete anyway, and the janitor sets the
// mark; it is an error only if the janitor has abandoned the app client in the
// meantime. Then a still has its use, which the caller returns.
func (c *appClients) complete(ctx context.Context, a *broker.AppClient) error {
	id, ready := a.CognitoID, a.Clone()
	ready.State, ready.Use, ready.Due = broker.AppClientReady, broker.Use{}, time.Time{}
	err := c.store.ReplaceAppClient(ctx, ready)
	switch {
	case err == nil:
		*a = *ready
		return nil
	case errors.Is(err, broker.ErrConflict), errors.Is(err, broker.ErrNotFound):
		now, readErr := c.store.AppClient(ctx, a.Key)
		if readErr == nil && now.State == broker.AppClientReady && now.CognitoID == id {
			return nil
		}
		return fmt.Errorf("app client %s was given up while it was being made: %w", a.Key, err)
	}
	broker.LogUnfinished(ctx, c.log, a.Key, err)
	return nil
}

// remove removes an app client and the registration that it serves, in an order
// that can be repeated after a failure.
func (c *appClients) remove(ctx context.Context, by telemetry.Actor, a *broker.AppClient) error {
	if err := broker.BeginRemoval(ctx, c.store, a, c.now()); err != nil {
		return err
	}
	return c.finishRemoval(ctx, by, a, a.CognitoID)
}

// finishRemoval does the remaining steps for an app client that is marked for
// removal and has these ids at Cognito.
func (c *appClients) finishRemoval(ctx context.Context, by telemetry.Actor, a *broker.AppClient, ids ...string) error {
	for _, id := range ids {
		if err := c.pool.Delete(ctx, id, a.Marker); err != nil {
			return fmt.Errorf("delete app client %s: %w", id, err)
		}
		c.trail.Removed(ctx, by, a, id)
		if err := c.deleteRegistration(ctx, by, a, id); err != nil {
			return err
		}
	}
	if err := c.returnBudgets(ctx, a); err != nil {
		return err
	}
	if err := c.store.DeleteAppClient(ctx, a.Key, a.Version); err != nil {
		return fmt.Errorf("delete record of app client %s: %w", a.Key, err)
	}
	return nil
}

// deleteRegistration deletes the registration with this client id if a serves
// it. It writes an audit event, but only if the janitor made the change and no
// event was written before.
func (c *appClients) deleteRegistration(ctx context.Context, by telemetry.Actor, a *broker.AppClient, id string) error {
	r, err := c.store.Registration(ctx, id)
	if errors.Is(err, broker.ErrNotFound) || err == nil && r.AppClient != a.Key {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read registration %s: %w", id, err)
	}
	switch r.State {
	case broker.RegistrationDisabled, broker.RegistrationDeleted, broker.RegistrationRemoved:
		return nil // the record of such a client outlives its app client
	}
	if err := c.store.DeleteRegistration(ctx, id, r.Generation); err != nil {
		return fmt.Errorf("delete registration %s: %w", id, err)
	}
	if by == broker.ByJanitor && r.State != broker.RegistrationDeleting {
		c.trail.End(ctx, telemetry.RegistrationRemoved, by, r, broker.RegistrationRemoved)
	}
	return nil
}

// returnBudgets returns the places of a: the use of an initial access token,
// and the place among the app clients of its profile.
func (c *appClients) returnBudgets(ctx context.Context, a *broker.AppClient) error {
	return errors.Join(
		registration.ReturnUse(ctx, c.store, a.Use, a.Key),
		provision.ReturnPlace(ctx, c.store, a))
}
