package records

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

const (
	columnMembers = "members"
	columnCount   = "count"
	// prefixShare begins the column of a share.
	prefixShare = "s_"
)

// TakeBudget implements broker.Budgets. The call that begins a budget sets its
// expiry: if each call extended it, a budget in use would never expire.
//
// The key does not contain the expiry, because ReturnBudget does not know it.
// So an expired budget that the table has not removed yet is overwritten.
func (s *Store) TakeBudget(ctx context.Context, b broker.Budget, member string) error {
	const op = "TakeBudget"
	key, m := kindBudget+b.Key, memberOf(member)
	if !isKey(key) {
		return fmt.Errorf("%s: %w", op, errKey)
	}
	begun := Item{columnSchema: int64(schema)}
	if !b.ExpiresAt.IsZero() {
		begun[columnExpiry], begun[ColumnTTL] = b.ExpiresAt.Unix(), b.ExpiresAt.Unix()
	}
	room := is(columnMembers, Contains, m)
	if b.Limit > 0 {
		room = either(room, is(columnMembers, Lacks, nil), is(columnMembers, Fewer, int64(b.Limit)))
	}
	join := Write{Key: key, If: all(live, room), Change: &Change{Default: begun, Join: map[string]Member{columnMembers: m}}}
	// Another attempt is needed if the budget has expired, and if then another
	// call begins it at the same time. A few attempts are always enough.
	for range 5 {
		out, err := s.table.Write(ctx, op, join)
		switch {
		case errors.Is(err, ErrTooLarge):
			return broker.ErrExhausted
		case err != nil || !out.Refused:
			return err
		case b.Limit < 1 || !absentAt(out.Item, s.now()):
			return broker.ErrExhausted
		}
		first := maps.Clone(begun)
		first[ColumnKey], first[columnMembers] = key, Set{m}
		out, err = s.table.Write(ctx, op, Write{Key: key, Put: first, If: either(absent, over)})
		if err != nil || !out.Refused {
			return err
		}
	}
	return fmt.Errorf("%s: the budget has expired again at each attempt", op)
}

// ReturnBudget implements broker.Budgets.
func (s *Store) ReturnBudget(ctx context.Context, key, member string) error {
	return s.leave(ctx, "ReturnBudget", kindBudget, key, columnMembers, member)
}

// Count implements broker.Budgets. A share is a column of the counter's item, so
// it costs no call of its own and expires with the counter. An event adds at most
// a column for each of its shares, and only if it is admitted, so the limit of the
// counter bounds the size of the item.
func (s *Store) Count(ctx context.Context, c broker.Counter) error {
	const op = "Count"
	key := kindCounter + c.Key
	if !isKey(key) || len(c.Shares) > maxShares {
		return fmt.Errorf("%s: %w", op, errKey)
	}
	conditions, columns := []Condition{below(columnCount, c.Limit)}, []string{columnCount}
	for _, share := range c.Shares {
		if !isShare(share.Name) {
			return fmt.Errorf("%s: share %q: %w", op, share.Name, errKey)
		}
		column := prefixShare + share.Name
		conditions, columns = append(conditions, below(column, share.Limit)), append(columns, column)
	}
	out, err := s.table.Write(ctx, op, Write{Key: key, If: all(conditions...), Change: &Change{
		Set: Item{columnSchema: int64(schema), ColumnTTL: c.ExpiresAt.Unix()}, Increment: columns,
	}})
	if err != nil || !out.Refused {
		return err
	}
	if n, _ := out.Item[columnCount].(int64); n >= int64(c.Limit) {
		return broker.ErrExhausted
	}
	return broker.ErrShareExhausted
}

// below returns the condition that a number is less than limit. A column that
// does not exist counts as 0.
func below(column string, limit int) Condition {
	less := is(column, Less, int64(limit))
	if limit > 0 {
		return either(is(column, Lacks, nil), less)
	}
	return less
}

// maxShares is the largest number of shares of an event.
const maxShares = 8

func isShare(name string) bool {
	return name != "" && len(name) <= 8 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
