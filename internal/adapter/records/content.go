package records

import (
	"context"
	"slices"
)

// CountRecords returns the number of items of each kind, including expired
// items that the table has not removed yet. It reads the whole table.
func (s *Store) CountRecords(ctx context.Context) (map[string]int, error) {
	counts := make(map[string]int)
	for it, err := range s.table.Query(ctx, "CountRecords", Query{Prefixes: kinds}) {
		if err != nil {
			return nil, err
		}
		counts[kindOf(it[ColumnKey].(string))]++
	}
	return counts, nil
}

// DeleteRecords removes all items that Stores have written, and no others. It
// removes the record of the table's owner last: after an interruption the table
// still has its owner. It calls done, if not nil, after each item with the
// number so far, and returns the number of removed items, also with an error.
// It is for a table whose deployment has been deleted.
func (s *Store) DeleteRecords(ctx context.Context, done func(int)) (int, error) {
	const op = "DeleteRecords"
	n := 0
	removed := func() {
		if n++; done != nil {
			done(n)
		}
	}
	others := slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool { return kind == owners.name })
	for it, err := range s.table.Query(ctx, op, Query{Prefixes: others}) {
		if err == nil {
			_, err = s.table.Write(ctx, op, Write{Key: it[ColumnKey].(string)})
		}
		if err != nil {
			return n, err
		}
		removed()
	}
	out, err := s.remove(ctx, op, owners.name, "", present)
	if err == nil && !out.Refused {
		removed()
	}
	return n, err
}
