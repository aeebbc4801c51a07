package memory

import (
	"context"
	"iter"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// CreateRegistration implements broker.Registrations.
func (s *Store) CreateRegistration(ctx context.Context, r *broker.Registration) error {
	return s.write(ctx, "CreateRegistration", &r.Version, func() (int64, error) {
		if s.registration(r.ClientID) != nil {
			return 0, broker.ErrExists
		}
		return s.putRegistration(wholeSeconds(r), 1), nil
	})
}

// Registration implements broker.Registrations.
func (s *Store) Registration(ctx context.Context, clientID string) (*broker.Registration, error) {
	return result(ctx, s, "Registration", func() (*broker.Registration, error) {
		stored := s.registration(clientID)
		if stored == nil {
			return nil, broker.ErrNotFound
		}
		return stored.Clone(), nil
	})
}

// ReplaceRegistration implements broker.Registrations.
func (s *Store) ReplaceRegistration(ctx context.Context, r *broker.Registration) error {
	return s.replaceRegistration(ctx, "ReplaceRegistration", r, func(stored, old *broker.Registration) error {
		stored.LastUsedAt = old.LastUsedAt
		return nil
	})
}

// RetireRegistration implements broker.Registrations.
func (s *Store) RetireRegistration(ctx context.Context, r *broker.Registration) error {
	return s.replaceRegistration(ctx, "RetireRegistration", r, func(stored, old *broker.Registration) error {
		if !stored.LastUsedAt.Equal(old.LastUsedAt) {
			return broker.ErrConflict
		}
		return nil
	})
}

// RenewRegistration implements broker.Registrations.
func (s *Store) RenewRegistration(ctx context.Context, r *broker.Registration, generation string) error {
	err := s.replaceRegistration(ctx, "RenewRegistration", r, func(stored, _ *broker.Registration) error {
		stored.Generation, stored.LastUsedAt = generation, time.Time{}
		return nil
	})
	if err == nil {
		r.Generation, r.LastUsedAt = generation, time.Time{}
	}
	return err
}

// replaceRegistration replaces the stored registration by a copy of r, which
// finish may change or refuse.
func (s *Store) replaceRegistration(ctx context.Context, operation string, r *broker.Registration, finish func(stored, old *broker.Registration) error) error {
	return s.write(ctx, operation, &r.Version, func() (int64, error) {
		old := s.registration(r.ClientID)
		if old == nil {
			return 0, broker.ErrNotFound
		}
		if old.Version != r.Version || old.Generation != r.Generation {
			return 0, broker.ErrConflict
		}
		stored := wholeSeconds(r)
		if err := finish(stored, old); err != nil {
			return 0, err
		}
		return s.putRegistration(stored, old.Version+1), nil
	})
}

// DeleteRegistration implements broker.Registrations.
func (s *Store) DeleteRegistration(ctx context.Context, clientID, generation string) error {
	return s.do(ctx, "DeleteRegistration", func() error {
		if stored, ok := s.registrations[clientID]; ok && stored.Generation == generation {
			delete(s.registrations, clientID)
			s.putDue(broker.DueRegistration, clientID, time.Time{})
		}
		return nil
	})
}

// TouchRegistration implements broker.Registrations.
func (s *Store) TouchRegistration(ctx context.Context, clientID, generation string, at time.Time) error {
	return s.do(ctx, "TouchRegistration", func() error {
		stored := s.registration(clientID)
		if stored == nil || stored.Generation != generation {
			return broker.ErrNotFound
		}
		if at = seconds(at); at.After(stored.LastUsedAt) {
			stored.LastUsedAt = at
		}
		return nil
	})
}

// ListRegistrations implements broker.Registrations. It yields the records that
// exist when it begins.
func (s *Store) ListRegistrations(ctx context.Context) iter.Seq2[*broker.Registration, error] {
	return sequence(ctx, s, "ListRegistrations", func() []*broker.Registration {
		var list []*broker.Registration
		for id := range s.registrations {
			if r := s.registration(id); r != nil {
				list = append(list, r.Clone())
			}
		}
		return list
	})
}

// registration returns the stored registration itself, or nil if there is none
// or it has expired. The caller holds s.mu.
func (s *Store) registration(clientID string) *broker.Registration {
	r, ok := s.registrations[clientID]
	if !ok || expired(r.ExpiresAt, s.now()) {
		return nil
	}
	return r
}

// putRegistration stores r itself, not a copy, as that version, which it
// returns. The caller holds s.mu.
func (s *Store) putRegistration(r *broker.Registration, version int64) int64 {
	r.Version = version
	s.registrations[r.ClientID] = r
	s.putDue(broker.DueRegistration, r.ClientID, r.Due)
	return version
}

// wholeSeconds returns a copy of r with times in whole seconds, as it is stored.
func wholeSeconds(r *broker.Registration) *broker.Registration {
	c := r.Clone()
	c.IssuedAt = seconds(r.IssuedAt)
	c.LastUsedAt = seconds(r.LastUsedAt)
	c.ActiveSince = seconds(r.ActiveSince)
	c.ExpiresAt = seconds(r.ExpiresAt)
	c.Due = seconds(r.Due)
	return c
}
