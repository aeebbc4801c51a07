package memory

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// A dueKey names a record with a due time.
type dueKey struct {
	kind broker.DueKind
	key  string
}

// putDue sets when a record is due; zero means never. The caller holds s.mu.
func (s *Store) putDue(kind broker.DueKind, key string, at time.Time) {
	if at.IsZero() {
		delete(s.due, dueKey{kind, key})
		return
	}
	s.due[dueKey{kind, key}] = at
}

// Due implements broker.Sweeping. It yields the records that exist when it
// begins.
func (s *Store) Due(ctx context.Context, now time.Time, after string) iter.Seq2[broker.DueRecord, error] {
	return sequence(ctx, s, "Due", func() []broker.DueRecord {
		var all []broker.DueRecord
		for k, at := range s.due {
			if !at.After(now) {
				place := fmt.Sprintf("%s %d %s", k.kind, at.Unix(), k.key)
				all = append(all, broker.DueRecord{Kind: k.kind, Key: k.key, Place: place})
			}
		}
		slices.SortFunc(all, func(a, b broker.DueRecord) int { return cmp.Compare(a.Place, b.Place) })
		n := 0
		for n < len(all) && all[n].Place <= after {
			n++
		}
		return append(all[n:], all[:n]...)
	})
}

// SweepPlace implements broker.Sweeping.
func (s *Store) SweepPlace(ctx context.Context) (string, error) {
	return result(ctx, s, "SweepPlace", func() (string, error) { return s.sweepPlace, nil })
}

// SetSweepPlace implements broker.Sweeping.
func (s *Store) SetSweepPlace(ctx context.Context, place string) error {
	return s.do(ctx, "SetSweepPlace", func() error {
		s.sweepPlace = place
		return nil
	})
}

// TableOwner implements broker.Sweeping.
func (s *Store) TableOwner(ctx context.Context) (*broker.TableOwner, error) {
	return result(ctx, s, "TableOwner", func() (*broker.TableOwner, error) {
		if s.owner == nil {
			return nil, broker.ErrNotFound
		}
		d := *s.owner
		return &d, nil
	})
}

// CreateTableOwner implements broker.Sweeping.
func (s *Store) CreateTableOwner(ctx context.Context, d *broker.TableOwner) error {
	return s.do(ctx, "CreateTableOwner", func() error {
		if s.owner != nil {
			return broker.ErrExists
		}
		s.putTableOwner(d)
		return nil
	})
}

// SetTableOwner implements broker.Sweeping.
func (s *Store) SetTableOwner(ctx context.Context, d *broker.TableOwner) error {
	return s.do(ctx, "SetTableOwner", func() error {
		s.putTableOwner(d)
		return nil
	})
}

// putTableOwner stores a copy of d. The caller holds s.mu.
func (s *Store) putTableOwner(d *broker.TableOwner) {
	stored := *d
	stored.Began = seconds(d.Began)
	s.owner = &stored
}

// Identity implements broker.Sweeping. It is random, because each process has
// another store.
func (s *Store) Identity(ctx context.Context) (string, error) {
	return result(ctx, s, "Identity", func() (string, error) { return s.identity, nil })
}
