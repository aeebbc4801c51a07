package direct

import (
	"context"
	"errors"
	"fmt"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/registration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// Update implements registration.Lifecycle. It updates Cognito before the
// registration. A lease on the record of the app client excludes other updates.
func (l *Lifecycle) Update(ctx context.Context, ch *registration.Change) error {
	c, r := l.apps, ch.Before
	a, err := appClientOf(ctx, c.store, r)
	if errors.Is(err, broker.ErrNotFound) {
		c.log.WarnContext(ctx, "registration without app client", "client_id", r.ClientID, "app_client", r.AppClient)
		return registration.BadToken()
	}
	if err != nil {
		return registration.Unavailable(fmt.Errorf("app client of registration %s: %w", r.ClientID, err))
	}
	if a.State == broker.AppClientRemoving {
		// An update must not undo the removal. The state of the registration does
		// not show the removal yet, but the registration will soon be deleted.
		return registration.Unavailable(fmt.Errorf("app client %s is being removed: %w", a.Key, broker.ErrConflict))
	}
	if err := c.lease(ctx, a); err != nil {
		return registration.Unavailable(err)
	}
	if err := c.pool.Update(ctx, a.CognitoID, a.Marker, ch.After.Metadata, secretCheck(ch)); err != nil {
		if _, ok := errors.AsType[*broker.NotAppliedError](err); !ok {
			return registration.Unavailable(err) // the janitor restores the settings of r
		}
		c.settle(ctx, a)
		if errors.Is(err, broker.ErrNotFound) {
			c.log.WarnContext(ctx, "registration without app client", "client_id", r.ClientID, "app_client", a.Key)
			return registration.BadToken()
		}
		return err
	}
	c.trail.AppClient(ctx, telemetry.AppClientUpdated, broker.ByClient(r), a, a.CognitoID)
	if err := ch.Commit(ctx); err != nil {
		return err
	}
	c.settle(ctx, a)
	return nil
}

// secretCheck returns a check of the update's client secret against Cognito's,
// or nil if the update has none.
func secretCheck(ch *registration.Change) func(string) error {
	if ch.Secret.IsZero() {
		return nil
	}
	return func(secret string) error { return ch.CheckSecret(credential.Presented(secret).Hash()) }
}

// Delete implements registration.Deleter. It removes the app client and the
// registration.
func (l *Lifecycle) Delete(ctx context.Context, r *broker.Registration) error {
	a, notWritten, err := beginDeletion(ctx, l.apps.store, l.apps.trail, r, broker.Seconds(l.apps.now()))
	if err != nil || a == nil {
		return err
	}
	// The removal is decided, so it continues even if the registration could not
	// be written.
	if err := l.apps.finishRemoval(ctx, broker.ByClient(r), a, a.CognitoID); err != nil {
		return registration.Unavailable(errors.Join(notWritten, err))
	}
	return nil
}

// appClientOf returns the record of the app client of a registration. The
// client knows its id, so the app client was created, even if the record is
// older.
func appClientOf(ctx context.Context, store broker.AppClientRecords, r *broker.Registration) (*broker.AppClient, error) {
	a, err := store.AppClient(ctx, r.AppClient)
	if err != nil {
		return nil, err
	}
	if a.State == broker.AppClientCreating {
		a.State, a.CognitoID, a.Use = broker.AppClientReady, r.ClientID, broker.Use{}
	}
	return a, nil
}
