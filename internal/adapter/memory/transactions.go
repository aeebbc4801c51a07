package memory

import (
	"context"
	"maps"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// CreateTransaction implements grant.Store.
func (s *Store) CreateTransaction(ctx context.Context, t *broker.Transaction) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.transaction(t.Key) != nil {
		return broker.ErrExists
	}
	s.sweep()
	t.Version = s.putTransaction(t, 1)
	return nil
}

// Transaction implements grant.Store.
func (s *Store) Transaction(ctx context.Context, key credential.Hash) (*broker.Transaction, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := s.transaction(key)
	if stored == nil {
		return nil, broker.ErrNotFound
	}
	return stored.Clone(), nil
}

// TakeStep implements grant.Store.
func (s *Store) TakeStep(ctx context.Context, key credential.Hash, from, to broker.Step) (*broker.Transaction, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := s.transaction(key)
	if stored == nil {
		return nil, broker.ErrNotFound
	}
	if stored.Step != from {
		return nil, broker.ErrConflict
	}
	stored.Step = to
	stored.Version++
	return stored.Clone(), nil
}

// ReplaceTransaction implements grant.Store.
func (s *Store) ReplaceTransaction(ctx context.Context, t *broker.Transaction) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := s.transaction(t.Key)
	if stored == nil {
		return broker.ErrNotFound
	}
	if stored.Version != t.Version {
		return broker.ErrConflict
	}
	t.Version = s.putTransaction(t, stored.Version+1)
	return nil
}

// DeleteTransaction implements grant.Store.
func (s *Store) DeleteTransaction(ctx context.Context, key credential.Hash) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.transactions, key)
	return nil
}

// transaction returns the stored transaction itself, or nil if there is none
// that has not expired. The caller holds s.mu.
func (s *Store) transaction(key credential.Hash) *broker.Transaction {
	t, ok := s.transactions[key]
	if !ok || expired(t.ExpiresAt, s.now()) {
		return nil
	}
	return t
}

// putTransaction stores t as that version, which it returns. The caller holds
// s.mu.
func (s *Store) putTransaction(t *broker.Transaction, version int64) int64 {
	c := t.Clone()
	c.Version = version
	c.Scopes = list(c.Scopes)
	c.User.Groups = list(c.User.Groups)
	c.ExpiresAt = seconds(t.ExpiresAt)
	s.transactions[t.Key] = c
	return version
}

// list is l as a store keeps it: nil if it is empty.
func list[T any](l []T) []T {
	if len(l) == 0 {
		return nil
	}
	return l
}

// sweep forgets the transactions, grants and consents that have expired, once
// there are twice as many of them as the last sweep left. The caller holds
// s.mu.
func (s *Store) sweep() {
	if s.held() < s.sweepAt {
		return
	}
	now := s.now()
	maps.DeleteFunc(s.transactions, func(_ credential.Hash, t *broker.Transaction) bool { return expired(t.ExpiresAt, now) })
	for id, g := range s.grants {
		if expired(g.ExpiresAt, now) {
			s.unlist(g)
			delete(s.grants, id)
		}
	}
	maps.DeleteFunc(s.consents, func(_ string, c *broker.Consent) bool { return expired(c.ExpiresAt, now) })
	s.sweepAt = max(1000, 2*s.held())
}

func (s *Store) held() int { return len(s.transactions) + len(s.grants) + len(s.consents) }
