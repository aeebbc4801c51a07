// Package memory is an adapter: a broker.Store and a broker.GrantStore in the
// memory of one process, for the local development server and for tests that
// are not about the store. Package records says how records are stored; this
// package has one table for all of them, which behaves like the DynamoDB table
// in every way that a caller can see, also with cancelled contexts and with the
// largest size of an item. It leaves out persistence: all records end with the
// process.
package memory

import (
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/clock"
)

// Store is a broker.Store and broker.GrantStore in memory. Make one with
// NewStore.
type Store struct {
	*records.Store
	table records.Table
	now   func() time.Time
}

// NewStore returns an empty Store with the time from now, or from clock.Now if
// now is nil.
func NewStore(now func() time.Time) *Store {
	if now == nil {
		now = clock.Now
	}
	return newStore(newTable(now), now)
}

func newStore(t records.Table, now func() time.Time) *Store {
	return &Store{records.New(t, now), t, now}
}
