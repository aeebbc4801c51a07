package direct

import (
	"context"
	"errors"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/registration"
)

// discard undoes the record of an app client that Cognito certainly does not
// have. The janitor repeats a step that fails here.
func (c *appClients) discard(ctx context.Context, a *broker.AppClient) {
	ctx, cancel := broker.CleanupContext(ctx)
	defer cancel()
	err := c.returnBudgets(ctx, a)
	if err == nil {
		err = c.store.DeleteAppClient(ctx, a.Key, a.Version)
	}
	broker.LogUnfinished(ctx, c.log, a.Key, err)
}

// abandon ends the creation of an app client that Cognito may or may not have.
// It returns the token's use immediately, so that the client can try again. The
// janitor returns the place among the profile's app clients when it knows that
// the app client does not exist.
func (c *appClients) abandon(ctx context.Context, a *broker.AppClient) {
	ctx, cancel := broker.CleanupContext(ctx)
	defer cancel()
	a.State = broker.AppClientRemoving
	err := c.store.ReplaceAppClient(ctx, a)
	if errors.Is(err, broker.ErrNotFound) {
		err = c.store.CreateAppClient(ctx, a) // the janitor deleted the record before the app client was made
	}
	broker.LogUnfinished(ctx, c.log, a.Key, errors.Join(err, registration.ReturnUse(ctx, c.store, a.Use, a.Key)))
}

// rollBack removes an existing app client whose registration could not be
// completed.
func (c *appClients) rollBack(ctx context.Context, a *broker.AppClient) {
	ctx, cancel := broker.CleanupContext(ctx)
	defer cancel()
	present, err := c.store.AppClient(ctx, a.Key)
	if errors.Is(err, broker.ErrNotFound) {
		// The janitor deleted the record, because it did not find the app
		// client at Cognito.
		present, err = a, c.store.CreateAppClient(ctx, a)
	}
	if err == nil {
		present.CognitoID, present.Use = a.CognitoID, a.Use
		err = c.remove(ctx, broker.ByBroker, present)
	}
	broker.LogUnfinished(ctx, c.log, a.Key, err)
}
