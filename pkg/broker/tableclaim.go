package broker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// A TableClaim records whose table a store is, once in the life of a process. It
// is safe for concurrent use.
type TableClaim struct {
	store      Sweeping
	deployment string
	recorded   atomic.Bool
}

// NewTableClaim returns the claim of the deployment with that id.
func NewTableClaim(store Sweeping, deployment string) *TableClaim {
	return &TableClaim{store: store, deployment: deployment}
}

// Record stores the claim, unless the table has an owner. A use case calls it
// before it records the first app client.
func (c *TableClaim) Record(ctx context.Context, now time.Time) error {
	if c.recorded.Load() {
		return nil
	}
	err := c.store.CreateTableOwner(ctx, &TableOwner{ID: c.deployment, Began: Seconds(now)})
	if err != nil && !errors.Is(err, ErrExists) {
		return fmt.Errorf("record whose table it is: %w", err)
	}
	c.recorded.Store(true)
	return nil
}
