package provision

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// TakePlace takes a place for a among the app clients of its profile, in both
// modes. limit is the maximum number of places; 0 means no limit. If no place
// is free, the error is broker.ErrProfileFull.
//
// The place belongs to the marker of a, and not to its key. A marker is never
// used again, so a place that is returned late, by a sweep or request that
// another one has overtaken, is never the place of a later app client with the
// same key.
func TakePlace(ctx context.Context, budgets broker.Budgets, a *broker.AppClient, limit int) error {
	if limit == 0 {
		return nil
	}
	err := budgets.TakeBudget(ctx, broker.Budget{Key: placesKey(a), Limit: limit}, a.Marker)
	if errors.Is(err, broker.ErrExhausted) {
		e := dcr.Errorf(dcr.Unavailable, "no more clients can be registered at the moment")
		e.RetryAfter = time.Hour
		return fmt.Errorf("%w: %w", e, broker.ErrProfileFull)
	}
	if err != nil {
		return fmt.Errorf("app clients of profile: %w", err)
	}
	return nil
}

// ReturnPlace returns the place that TakePlace may have taken for a. Nothing at
// Cognito carries the marker of a any more, or the record counts it as abandoned.
func ReturnPlace(ctx context.Context, budgets broker.Budgets, a *broker.AppClient) error {
	return returnPlace(ctx, budgets, a, a.Marker)
}

// returnPlace returns the place of a marker that the record of a has or had.
func returnPlace(ctx context.Context, budgets broker.Budgets, a *broker.AppClient, marker string) error {
	if err := budgets.ReturnBudget(ctx, placesKey(a), marker); err != nil {
		return fmt.Errorf("give back place of app client %s: %w", a.Key, err)
	}
	return nil
}

func placesKey(a *broker.AppClient) string { return "app_clients/" + a.Profile }
