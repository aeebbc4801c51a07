package memory

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// CreateAppClient implements broker.AppClientRecords.
func (s *Store) CreateAppClient(ctx context.Context, a *broker.AppClient) error {
	return s.write(ctx, "CreateAppClient", &a.Version, func() (int64, error) {
		if _, ok := s.appClients[a.Key]; ok {
			return 0, broker.ErrExists
		}
		return s.putAppClient(a, 1), nil
	})
}

// AppClient implements broker.AppClientRecords.
func (s *Store) AppClient(ctx context.Context, key string) (*broker.AppClient, error) {
	return result(ctx, s, "AppClient", func() (*broker.AppClient, error) {
		stored, ok := s.appClients[key]
		if !ok {
			return nil, broker.ErrNotFound
		}
		return stored.Clone(), nil
	})
}

// ReplaceAppClient implements broker.AppClientRecords.
func (s *Store) ReplaceAppClient(ctx context.Context, a *broker.AppClient) error {
	return s.write(ctx, "ReplaceAppClient", &a.Version, func() (int64, error) {
		stored, ok := s.appClients[a.Key]
		if !ok {
			return 0, broker.ErrNotFound
		}
		if stored.Version != a.Version {
			return 0, broker.ErrConflict
		}
		return s.putAppClient(a, stored.Version+1), nil
	})
}

// DeleteAppClient implements broker.AppClientRecords.
func (s *Store) DeleteAppClient(ctx context.Context, key string, version int64) error {
	return s.do(ctx, "DeleteAppClient", func() error {
		stored, ok := s.appClients[key]
		if !ok {
			return nil
		}
		if stored.Version != version {
			return broker.ErrConflict
		}
		delete(s.appClients, key)
		s.putDue(broker.DueAppClient, key, time.Time{})
		return nil
	})
}

// AppClientKeys implements broker.AppClientRecords. It yields the records that
// exist when it begins.
func (s *Store) AppClientKeys(ctx context.Context) iter.Seq2[string, error] {
	return sequence(ctx, s, "AppClientKeys", func() []string {
		return slices.Collect(maps.Keys(s.appClients))
	})
}

// putAppClient stores a copy of a as that version, which it returns. The caller
// holds s.mu.
func (s *Store) putAppClient(a *broker.AppClient, version int64) int64 {
	stored := a.Clone()
	stored.Version = version
	stored.Abandoned = nilIfEmpty(stored.Abandoned)
	stored.Scopes = nilIfEmpty(stored.Scopes)
	stored.CreatedAt = seconds(a.CreatedAt)
	stored.Due = seconds(a.Due)
	s.appClients[a.Key] = stored
	s.putDue(broker.DueAppClient, a.Key, stored.Due)
	return version
}
