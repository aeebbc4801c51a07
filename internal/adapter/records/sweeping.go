package records

import (
	"context"
	"errors"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// sweep is the record of the janitor's progress. It is a single item, as the
// owner of the table is; both have an empty id.
type sweep struct {
	Place string `json:"place"`
}

// SweepPlace implements broker.Sweeping.
func (s *Store) SweepPlace(ctx context.Context) (string, error) {
	r, err := read(ctx, s, "SweepPlace", sweeps, "")
	if errors.Is(err, broker.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return r.Place, nil
}

// SetSweepPlace implements broker.Sweeping.
func (s *Store) SetSweepPlace(ctx context.Context, place string) error {
	_, err := put(ctx, s, "SetSweepPlace", sweeps, "", &sweep{place}, Condition{})
	return err
}

// TableOwner implements broker.Sweeping.
func (s *Store) TableOwner(ctx context.Context) (*broker.TableOwner, error) {
	return read(ctx, s, "TableOwner", owners, "")
}

// CreateTableOwner implements broker.Sweeping.
func (s *Store) CreateTableOwner(ctx context.Context, d *broker.TableOwner) error {
	out, err := put(ctx, s, "CreateTableOwner", owners, "", d, absent)
	if err == nil && out.Refused {
		return broker.ErrExists
	}
	return err
}

// SetTableOwner implements broker.Sweeping.
func (s *Store) SetTableOwner(ctx context.Context, d *broker.TableOwner) error {
	_, err := put(ctx, s, "SetTableOwner", owners, "", d, Condition{})
	return err
}

// Identity implements broker.Sweeping.
func (s *Store) Identity(ctx context.Context) (string, error) {
	return s.table.Identity(ctx, "Identity")
}
