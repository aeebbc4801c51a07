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

// A slot is one second of what calls are counted under.
type slot struct {
	key    string
	second int64
}

// slotLifetime is how many seconds a slot is remembered, which only bounds the
// memory it takes.
const slotLifetime = 60

// TakeBudget implements broker.Budgets. The expiry of a budget is that of the
// call that began it.
func (s *Store) TakeBudget(ctx context.Context, b broker.Budget, member string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	held, ok := s.budgets[b.Key]
	if !ok || expired(held.expiresAt, now) {
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
	if _, ok := held.members[member]; !ok && len(held.members) >= b.Limit {
		return broker.ErrExhausted
	}
	held.members[member] = struct{}{}
	return nil
}

// ReturnBudget implements broker.Budgets.
func (s *Store) ReturnBudget(ctx context.Context, key, member string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if held, ok := s.budgets[key]; ok {
		delete(held.members, member)
	}
	return nil
}

// TakeSlot implements broker.Budgets.
func (s *Store) TakeSlot(ctx context.Context, key string, at time.Time, limit int) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := slot{key, at.Unix()}
	if _, ok := s.slots[wanted]; !ok {
		maps.DeleteFunc(s.slots, func(old slot, _ int) bool { return old.second+slotLifetime <= wanted.second })
	}
	if s.slots[wanted] >= limit {
		return false, nil
	}
	s.slots[wanted]++
	return true, nil
}
