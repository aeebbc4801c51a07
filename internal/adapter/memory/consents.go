package memory

import (
	"context"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// PutConsent implements broker.GrantStore.
func (s *Store) PutConsent(ctx context.Context, c *broker.Consent) error {
	return s.do(ctx, "PutConsent", func() error {
		s.removeExpired()
		stored := c.Clone()
		stored.Scopes = nilIfEmpty(stored.Scopes)
		stored.CreatedAt = seconds(c.CreatedAt)
		stored.ExpiresAt = seconds(c.ExpiresAt)
		s.consents[c.Key] = stored
		return nil
	})
}

// Consent implements broker.GrantStore.
func (s *Store) Consent(ctx context.Context, key string) (*broker.Consent, error) {
	return result(ctx, s, "Consent", func() (*broker.Consent, error) {
		c, ok := s.consents[key]
		if !ok || expired(c.ExpiresAt, s.now()) {
			return nil, broker.ErrNotFound
		}
		return c.Clone(), nil
	})
}

// DeleteConsent implements broker.GrantStore.
func (s *Store) DeleteConsent(ctx context.Context, key string) error {
	return s.do(ctx, "DeleteConsent", func() error {
		delete(s.consents, key)
		return nil
	})
}
