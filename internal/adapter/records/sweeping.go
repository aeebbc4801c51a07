package records

import (
	"context"
	"errors"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// The methods in this file, and Due, implement broker.Sweeping, whose comments
// are their contract.

// sweep is the record of the janitor's progress. It is a single item, as the
// owner of the table is; both have an empty id.
type sweep struct {
	Place string `json:"place"`
}

func (s *Store) SweepPlace(ctx context.Context) (string, error) {
	r, err := read(ctx, s, "SweepPlace", sweeps, "")
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return "", nil
	case err != nil:
		return "", err
	}
	return r.Place, nil
}

func (s *Store) SetSweepPlace(ctx context.Context, place string) error {
	_, err := put(ctx, s, "SetSweepPlace", sweeps, &sweep{place}, Condition{})
	return err
}

func (s *Store) TableOwner(ctx context.Context) (*broker.TableOwner, error) {
	return read(ctx, s, "TableOwner", owners, "")
}

func (s *Store) CreateTableOwner(ctx context.Context, d *broker.TableOwner) error {
	out, err := put(ctx, s, "CreateTableOwner", owners, d, absent)
	if err == nil && out.Refused {
		return broker.ErrExists
	}
	return err
}

func (s *Store) SetTableOwner(ctx context.Context, d *broker.TableOwner) error {
	_, err := put(ctx, s, "SetTableOwner", owners, d, Condition{})
	return err
}

func (s *Store) Identity(ctx context.Context) (string, error) {
	return s.table.Identity(ctx, "Identity")
}
