package direct

import (
	"context"
	"errors"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/registration"
)

// discard undoes the record of an app client that Cognito certainly does not
// have. The janitor repeats a step that fails here.
func (c *appClients) discard(ctx context.Context, a *broker.AppClient, hour registration.Hour) {
	ctx, cancel := broker.CleanupContext(ctx)
	defer cancel()
	err := errors.Join(c.returnBudgets(ctx, a), hour.Return(ctx, c.store, a.Key))
	if err == nil {
		err = c.store.DeleteAppClient(ctx, a.Key, a.Version)
	}
	broker.LogUnfinished(ctx, c.log, a.Key, err)
}

// abandon ends the creation of an app client that Cognito may or may not have.
// It returns the token's use immediately, so that the client can try again. The
// janitor returns the place among the profile's app clients when it knows that
// the app client does not exist.
func (c *appClients) abandon(ctx context.Context, a *broker.AppClient, ad *registration.Admission) {
	ctx, cancel := broker.CleanupContext(ctx)
	defer cancel()
	a.State = broker.AppClientRemoving
	broker.LogUnfinished(ctx, c.log, a.Key, errors.Join(
		c.store.ReplaceAppClient(ctx, a),
		registration.ReturnUse(ctx, c.store, a.Use, a.Key),
		ad.Hour().Return(ctx, c.store, a.Key)))
}

// rollBack removes an existing app client whose registration could not be
// completed.
func (c *appClients) rollBack(ctx context.Context, a *broker.AppClient, hour registration.Hour) {
	ctx, cancel := broker.CleanupContext(ctx)
	defer cancel()
	err := hour.Return(ctx, c.store, a.Key)
	present, readErr := c.store.AppClient(ctx, a.Key)
	if errors.Is(readErr, broker.ErrNotFound) {
		// The janitor deleted the record, because it did not find the app
		// client at Cognito.
		present, readErr = a, c.store.CreateAppClient(ctx, a)
	}
	if readErr != nil {
		broker.LogUnfinished(ctx, c.log, a.Key, errors.Join(err, readErr))
		return
	}
	present.CognitoID = a.CognitoID
	broker.LogUnfinished(ctx, c.log, a.Key, errors.Join(err, c.remove(ctx, broker.ByBroker, present)))
}
