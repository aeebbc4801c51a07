package memory

import (
	"context"
	"maps"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// CreateTransaction implements broker.GrantStore.
func (s *Store) CreateTransaction(ctx context.Context, t *broker.Transaction) error {
	return s.write(ctx, "CreateTransaction", &t.Version, func() (int64, error) {
		if s.transaction(t.Key) != nil {
			return 0, broker.ErrExists
		}
		s.removeExpired()
		return s.putTransaction(t, 1), nil
	})
}

// Transaction implements broker.GrantStore.
func (s *Store) Transaction(ctx context.Context, key credential.Hash) (*broker.Transaction, error) {
	return result(ctx, s, "Transaction", func() (*broker.Transaction, error) {
		stored := s.transaction(key)
		if stored == nil {
			return nil, broker.ErrNotFound
		}
		return stored.Clone(), nil
	})
}

// TakeStep implements broker.GrantStore.
func (s *Store) TakeStep(ctx context.Context, key credential.Hash, from, to broker.Step) (*broker.Transaction, error) {
	return result(ctx, s, "TakeStep", func() (*broker.Transaction, error) {
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
	})
}

// ReplaceTransaction implements broker.GrantStore.
func (s *Store) ReplaceTransaction(ctx context.Context, t *broker.Transaction) error {
	return s.write(ctx, "ReplaceTransaction", &t.Version, func() (int64, error) {
		stored := s.transaction(t.Key)
		if stored == nil {
			return 0, broker.ErrNotFound
		}
		if stored.Version != t.Version {
			return 0, broker.ErrConflict
		}
		return s.putTransaction(t, stored.Version+1), nil
	})
}

// DeleteTransaction implements broker.GrantStore.
func (s *Store) DeleteTransaction(ctx context.Context, key credential.Hash) error {
	return s.do(ctx, "DeleteTransaction", func() error {
		delete(s.transactions, key)
		return nil
	})
}

// transaction returns the stored transaction itself, or nil if there is none or
// it has expired. The caller holds s.mu.
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
	c.Scopes = nilIfEmpty(c.Scopes)
	c.User.Groups = nilIfEmpty(c.User.Groups)
	c.ExpiresAt = seconds(t.ExpiresAt)
	s.transactions[t.Key] = c
	return version
}

// nilIfEmpty returns l, or nil if it is empty, as a store returns it.
func nilIfEmpty[T any](l []T) []T {
	if len(l) == 0 {
		return nil
	}
	return l
}

// removeExpired removes the expired transactions, grants and consents, if the
// number of records has doubled since the last time. The caller holds s.mu.
func (s *Store) removeExpired() {
	if s.expirable() < s.removeExpiredAt {
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
	s.removeExpiredAt = max(1000, 2*s.expirable())
}

func (s *Store) expirable() int { return len(s.transactions) + len(s.grants) + len(s.consents) }
