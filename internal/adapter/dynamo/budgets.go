package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

const (
	kindBudget = "budget"
	kindSlot   = "slot"
)

// TakeBudget implements broker.Budgets. The call that begins a budget sets its
// expiry: if each call extended it, a budget in use would never expire.
//
// The key does not contain the expiry, because ReturnBudget does not know it.
// So an expired budget that DynamoDB has not removed yet is overwritten.
func (s *Store) TakeBudget(ctx context.Context, b broker.Budget, member string) error {
	const op = "take budget"
	k, ok := key(kindBudget, b.Key)
	if !ok {
		return errKey(op)
	}
	// Another attempt is needed if another call began the budget at the same
	// time, or if that budget has expired by now. A few attempts are always
	// enough.
	for range 5 {
		began, err := s.joinBudget(ctx, op, k, b.Limit, member)
		if began || err != nil {
			return err
		}
		if b.Limit < 1 {
			return broker.ErrExhausted
		}
		began, err = s.beginBudget(ctx, op, k, b, member)
		if began || err != nil {
			return err
		}
	}
	return fmt.Errorf("dynamodb: %s: %w", op, errors.New("the budget expires at once"))
}

// joinBudget adds a member to an existing budget. It returns false if the
// budget does not exist.
func (s *Store) joinBudget(ctx context.Context, op, k string, limit int, member string) (bool, error) {
	now := s.now().Unix()
	room := "contains(#members, :member)"
	values := item{":use": set(member), ":member": str(member), ":now": num(now)}
	if limit > 0 {
		room += " OR attribute_not_exists(#members) OR size(#members) < :limit"
		values[":limit"] = num(limit)
	}
	out, err := s.update(ctx, op, k, "ADD #members :use", isPresent+" AND "+isLive+" AND ("+room+")", values)
	switch {
	case err != nil:
		return false, err
	case !out.refused:
		return true, nil
	case out.old == nil, expired(out.old, now):
		return false, nil
	}
	return false, broker.ErrExhausted
}

// beginBudget stores a budget with one member. It returns false if another call
// has begun one.
func (s *Store) beginBudget(ctx context.Context, op, k string, b broker.Budget, member string) (bool, error) {
	it := newItem(kindBudget, k)
	it["members"] = set(member)
	putTime(it, attrExpiresAt, b.ExpiresAt)
	putTime(it, attrTTL, b.ExpiresAt)
	out, err := s.put(ctx, op, it, isAbsent+" OR "+isExpired, item{":now": num(s.now().Unix())})
	return err == nil && !out.refused, err
}

// ReturnBudget implements broker.Budgets.
func (s *Store) ReturnBudget(ctx context.Context, id, member string) error {
	k, ok := key(kindBudget, id)
	if !ok {
		return nil
	}
	_, err := s.update(ctx, "return budget", k, "DELETE #members :use", isPresent, item{":use": set(member)})
	return err
}

// slotLifetime is the time after its second at which DynamoDB may remove the
// item of a slot.
const slotLifetime = time.Minute

// TakeSlot implements broker.Budgets.
func (s *Store) TakeSlot(ctx context.Context, id string, at time.Time, limit int) (bool, error) {
	const op = "take slot"
	k, ok := key(kindSlot, fmt.Sprintf("%s#%d", id, at.Unix()))
	if !ok {
		return false, errKey(op)
	}
	if limit < 1 {
		return false, nil
	}
	out, err := s.update(ctx, op, k,
		"SET #kind = :kind, #schema = :schema, #ttl = :ttl ADD #calls :one",
		"attribute_not_exists(#calls) OR #calls < :limit",
		item{
			":kind": str(kindSlot), ":schema": num(schema), ":ttl": num(at.Add(slotLifetime).Unix()),
			":one": num(1), ":limit": num(limit),
		})
	return err == nil && !out.refused, err
}
