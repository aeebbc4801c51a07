package memory

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// CreateInitialAccessToken implements broker.InitialAccessTokens.
func (s *Store) CreateInitialAccessToken(ctx context.Context, t *credential.InitialAccessToken) error {
	return s.do(ctx, "CreateInitialAccessToken", func() error {
		if _, ok := s.tokens[t.ID]; ok {
			return broker.ErrExists
		}
		stored := t.Clone()
		stored.CreatedAt = seconds(t.CreatedAt)
		stored.ExpiresAt = seconds(t.ExpiresAt)
		stored.RevokedAt = seconds(t.RevokedAt)
		s.tokens[t.ID] = stored
		return nil
	})
}

// InitialAccessToken implements broker.InitialAccessTokens.
func (s *Store) InitialAccessToken(ctx context.Context, id string) (*credential.InitialAccessToken, error) {
	return result(ctx, s, "InitialAccessToken", func() (*credential.InitialAccessToken, error) {
		t, ok := s.tokens[id]
		if !ok {
			return nil, broker.ErrNotFound
		}
		return t.Clone(), nil
	})
}

// UseInitialAccessToken implements broker.InitialAccessTokens.
func (s *Store) UseInitialAccessToken(ctx context.Context, id, member string) error {
	return s.do(ctx, "UseInitialAccessToken", func() error {
		t, ok := s.tokens[id]
		switch {
		case !ok:
			return broker.ErrNotFound
		case !t.RevokedAt.IsZero():
			return broker.ErrExhausted
		case t.MaxUses == 0 || slices.Contains(t.Uses, member):
			return nil
		case len(t.Uses) >= t.MaxUses:
			return broker.ErrExhausted
		}
		t.Uses = append(t.Uses, member)
		return nil
	})
}

// ReturnInitialAccessToken implements broker.InitialAccessTokens.
func (s *Store) ReturnInitialAccessToken(ctx context.Context, id, member string) error {
	return s.do(ctx, "ReturnInitialAccessToken", func() error {
		if t, ok := s.tokens[id]; ok {
			t.Uses = slices.DeleteFunc(t.Uses, func(m string) bool { return m == member })
		}
		return nil
	})
}

// RevokeInitialAccessToken implements broker.InitialAccessTokens.
func (s *Store) RevokeInitialAccessToken(ctx context.Context, id string, at time.Time) error {
	return s.do(ctx, "RevokeInitialAccessToken", func() error {
		t, ok := s.tokens[id]
		if !ok {
			return broker.ErrNotFound
		}
		if t.RevokedAt.IsZero() {
			t.RevokedAt = seconds(at)
		}
		return nil
	})
}

// ListInitialAccessTokens implements broker.InitialAccessTokens. It yields the
// records that exist when it begins.
func (s *Store) ListInitialAccessTokens(ctx context.Context) iter.Seq2[*credential.InitialAccessToken, error] {
	return sequence(ctx, s, "ListInitialAccessTokens", func() []*credential.InitialAccessToken {
		var list []*credential.InitialAccessToken
		for _, t := range s.tokens {
			list = append(list, t.Clone())
		}
		return list
	})
}
