package provision

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// TakePlace takes a place for a among the app clients of its profile, in both
// modes. limit is the maximum number of places; 0 means no limit. If no place
// is free, the error is broker.ErrAppClientLimit.
func TakePlace(ctx context.Context, budgets broker.Budgets, a *broker.AppClient, limit int) error {
	if limit == 0 {
		return nil
	}
	err := budgets.TakeBudget(ctx, broker.Budget{Key: placesKey(a), Limit: limit}, a.Key)
	if errors.Is(err, broker.ErrExhausted) {
		e := dcr.Errorf(dcr.Unavailable, "no more clients can be registered at the moment")
		e.RetryAfter = time.Hour
		return fmt.Errorf("%w: %w", e, broker.ErrAppClientLimit)
	}
	if err != nil {
		return fmt.Errorf("app clients of profile: %w", err)
	}
	return nil
}

// ReturnPlace returns the place that TakePlace may have taken for a.
func ReturnPlace(ctx context.Context, budgets broker.Budgets, a *broker.AppClient) error {
	if err := budgets.ReturnBudget(ctx, placesKey(a), a.Key); err != nil {
		return fmt.Errorf("give back place of app client %s: %w", a.Key, err)
	}
	return nil
}

// restorePlace takes a place again that was returned by mistake, even if no
// place is free.
func restorePlace(ctx context.Context, budgets broker.Budgets, a *broker.AppClient) error {
	return budgets.TakeBudget(ctx, broker.Budget{Key: placesKey(a), Limit: math.MaxInt32}, a.Key)
}

func placesKey(a *broker.AppClient) string { return "app_clients/" + a.Profile }
