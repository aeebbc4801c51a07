package memory

import (
	"context"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// PutConsent implements grant.Store.
func (s *Store) PutConsent(ctx context.Context, c *broker.Consent) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeExpired()
	stored := c.Clone()
	stored.Scopes = nilIfEmpty(stored.Scopes)
	stored.CreatedAt = seconds(c.CreatedAt)
	stored.ExpiresAt = seconds(c.ExpiresAt)
	s.consents[c.Key] = stored
	return nil
}

// Consent implements grant.Store.
func (s *Store) Consent(ctx context.Context, key string) (*broker.Consent, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.consents[key]
	if !ok || expired(c.ExpiresAt, s.now()) {
		return nil, broker.ErrNotFound
	}
	return c.Clone(), nil
}

// DeleteConsent implements grant.Store.
func (s *Store) DeleteConsent(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.consents, key)
	return nil
}
