package records

import (
	"context"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// The place of the sweep is a single item, and so is the owner of the table.
// Both have an empty id.
const (
	kindSweep = "sweep"
	keySweep  = kindSweep + "#"

	columnPlace = "place"
)

// SweepPlace implements broker.Sweeping.
func (s *Store) SweepPlace(ctx context.Context) (string, error) {
	it, err := s.table.Get(ctx, "SweepPlace", keySweep)
	if err != nil || it == nil {
		return "", err
	}
	if err := checkSchema(it); err != nil {
		return "", itemError(keySweep, columnSchema, err)
	}
	place, _ := it[columnPlace].(string)
	return place, nil
}

// SetSweepPlace implements broker.Sweeping.
func (s *Store) SetSweepPlace(ctx context.Context, place string) error {
	it := Item{ColumnKey: keySweep, columnSchema: int64(schema), columnPlace: place}
	_, err := s.table.Write(ctx, "SetSweepPlace", Write{Key: keySweep, Put: it})
	return err
}

// TableOwner implements broker.Sweeping.
func (s *Store) TableOwner(ctx context.Context) (*broker.TableOwner, error) {
	return read(ctx, s, "TableOwner", owners, "")
}

// CreateTableOwner implements broker.Sweeping.
func (s *Store) CreateTableOwner(ctx context.Context, d *broker.TableOwner) error {
	const op = "CreateTableOwner"
	it, err := owners.item(op, "", d)
	if err != nil {
		return err
	}
	out, err := s.table.Write(ctx, op, Write{Key: it[ColumnKey].(string), Put: it, If: absent})
	if err == nil && out.Refused {
		return broker.ErrExists
	}
	return err
}

// SetTableOwner implements broker.Sweeping.
func (s *Store) SetTableOwner(ctx context.Context, d *broker.TableOwner) error {
	return put(ctx, s, "SetTableOwner", owners, "", d)
}

// Identity implements broker.Sweeping.
func (s *Store) Identity(ctx context.Context) (string, error) {
	return s.table.Identity(ctx, "Identity")
}
