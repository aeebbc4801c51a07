package memory

import (
	"context"
	"maps"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

type budget struct {
	members   map[string]struct{}
	expiresAt time.Time
}

// A slot is one second of a key whose calls are counted.
type slot struct {
	key    string
	second int64
}

// slotLifetime is how many seconds a slot stays in memory.
const slotLifetime = 60

// TakeBudget implements broker.Budgets. The call that begins a budget sets its
// expiry.
func (s *Store) TakeBudget(ctx context.Context, b broker.Budget, member string) error {
	return s.do(ctx, "TakeBudget", func() error {
		now := s.now()
		stored, ok := s.budgets[b.Key]
		if !ok || expired(stored.expiresAt, now) {
			if b.Limit < 1 {
				return broker.ErrExhausted
			}
			maps.DeleteFunc(s.budgets, func(_ string, old *budget) bool { return expired(old.expiresAt, now) })
			s.budgets[b.Key] = &budget{
				members:   map[string]struct{}{member: {}},
				expiresAt: seconds(b.ExpiresAt),
			}
			return nil
		}
		if _, ok := stored.members[member]; !ok && len(stored.members) >= b.Limit {
			return broker.ErrExhausted
		}
		stored.members[member] = struct{}{}
		return nil
	})
}

// ReturnBudget implements broker.Budgets.
func (s *Store) ReturnBudget(ctx context.Context, key, member string) error {
	return s.do(ctx, "ReturnBudget", func() error {
		if stored, ok := s.budgets[key]; ok {
			delete(stored.members, member)
		}
		return nil
	})
}

// TakeSlot implements broker.Budgets.
func (s *Store) TakeSlot(ctx context.Context, key string, at time.Time, limit int) (bool, error) {
	return result(ctx, s, "TakeSlot", func() (bool, error) {
		current := slot{key, at.Unix()}
		if _, ok := s.slots[current]; !ok {
			maps.DeleteFunc(s.slots, func(old slot, _ int) bool { return old.second+slotLifetime <= current.second })
		}
		if s.slots[current] >= limit {
			return false, nil
		}
		s.slots[current]++
		return true, nil
	})
}
