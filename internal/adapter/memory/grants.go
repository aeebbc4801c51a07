package memory

import (
	"context"
	"iter"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// CreateGrant implements broker.GrantStore.
func (s *Store) CreateGrant(ctx context.Context, g *broker.Grant) error {
	return s.write(ctx, "CreateGrant", &g.Version, func() (int64, error) {
		if s.grant(g.ID) != nil {
			return 0, broker.ErrExists
		}
		s.removeExpired()
		return s.putGrant(g, 1), nil
	})
}

// Grant implements broker.GrantStore.
func (s *Store) Grant(ctx context.Context, id string) (*broker.Grant, error) {
	return result(ctx, s, "Grant", func() (*broker.Grant, error) {
		stored := s.grant(id)
		if stored == nil {
			return nil, broker.ErrNotFound
		}
		return stored.Clone(), nil
	})
}

// ReplaceGrant implements broker.GrantStore.
func (s *Store) ReplaceGrant(ctx context.Context, g *broker.Grant) error {
	return s.write(ctx, "ReplaceGrant", &g.Version, func() (int64, error) {
		stored := s.grant(g.ID)
		if stored == nil {
			return 0, broker.ErrNotFound
		}
		if stored.Version != g.Version {
			return 0, broker.ErrConflict
		}
		return s.putGrant(g, stored.Version+1), nil
	})
}

// GrantsOf implements broker.GrantStore. It yields the records that exist when it
// begins.
func (s *Store) GrantsOf(ctx context.Context, clientID string) iter.Seq2[string, error] {
	return sequence(ctx, s, "GrantsOf", func() []string {
		var ids []string
		for id := range s.standing[clientID] {
			if s.grant(id) != nil {
				ids = append(ids, id)
			}
		}
		return ids
	})
}

// ListGrants implements broker.GrantStore. It yields the records that exist
// when it begins.
func (s *Store) ListGrants(ctx context.Context) iter.Seq2[*broker.Grant, error] {
	return sequence(ctx, s, "ListGrants", func() []*broker.Grant {
		var all []*broker.Grant
		for id := range s.grants {
			if g := s.grant(id); g != nil {
				all = append(all, g.Clone())
			}
		}
		return all
	})
}

// grant returns the stored grant itself, or nil if there is none or it has
// expired. The caller holds s.mu.
func (s *Store) grant(id string) *broker.Grant {
	g, ok := s.grants[id]
	if !ok || expired(g.ExpiresAt, s.now()) {
		return nil
	}
	return g
}

// putGrant stores g as that version, which it returns. The caller holds s.mu.
func (s *Store) putGrant(g *broker.Grant, version int64) int64 {
	c := g.Clone()
	c.Version = version
	c.Scopes = nilIfEmpty(c.Scopes)
	c.Live = nilIfEmpty(c.Live)
	c.User.Groups = nilIfEmpty(c.User.Groups)
	c.CodeExpiresAt = seconds(g.CodeExpiresAt)
	c.SpentAt = seconds(g.SpentAt)
	c.CreatedAt = seconds(g.CreatedAt)
	c.ExpiresAt = seconds(g.ExpiresAt)
	c.EndedAt = seconds(g.EndedAt)
	if old := s.grants[g.ID]; old != nil {
		s.unlist(old)
	}
	if c.Standing() {
		if s.standing[c.ClientID] == nil {
			s.standing[c.ClientID] = make(map[string]bool)
		}
		s.standing[c.ClientID][c.ID] = true
	}
	s.grants[g.ID] = c
	return version
}

// unlist removes g from the index of grants that have not ended. The caller
// holds s.mu.
func (s *Store) unlist(g *broker.Grant) {
	delete(s.standing[g.ClientID], g.ID)
	if len(s.standing[g.ClientID]) == 0 {
		delete(s.standing, g.ClientID)
	}
}
