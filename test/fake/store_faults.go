package fake

import (
	"context"
	"iter"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// Store is a broker.Store that fails when it is told to. The names of
// the methods are those of broker.Store. A sequence whose reply is lost yields
// everything and then the error.
type Store struct {
	*Faults
	store broker.Store
}

var _ broker.Store = (*Store)(nil)

// NewStore returns store behind switches that are all off.
func NewStore(store broker.Store) *Store {
	return &Store{
		Faults: NewFaults(
			"CreateRegistration", "Registration", "ReplaceRegistration", "RetireRegistration", "RenewRegistration", "DeleteRegistration",
			"TouchRegistration", "ListRegistrations",
			"CreateAppClient", "AppClient", "ReplaceAppClient", "DeleteAppClient", "AppClientKeys",
			"CreateInitialAccessToken", "InitialAccessToken", "UseInitialAccessToken",
			"ReturnInitialAccessToken", "RevokeInitialAccessToken", "ListInitialAccessTokens",
			"TakeBudget", "ReturnBudget", "TakeSlot",
			"Due", "SweepPlace", "SetSweepPlace", "TableOwner", "CreateTableOwner", "SetTableOwner", "Identity",
		),
		store: store,
	}
}

// CreateRegistration implements broker.Registrations.
func (s *Store) CreateRegistration(ctx context.Context, r *broker.Registration) error {
	sent := r.Clone()
	err := s.Do("CreateRegistration", func() error { return s.store.CreateRegistration(ctx, sent) })
	if err == nil {
		r.Version = sent.Version
	}
	return err
}

// Registration implements broker.Registrations.
func (s *Store) Registration(ctx context.Context, clientID string) (*broker.Registration, error) {
	return result(s.Faults, "Registration", func() (*broker.Registration, error) {
		return s.store.Registration(ctx, clientID)
	})
}

// ReplaceRegistration implements broker.Registrations.
func (s *Store) ReplaceRegistration(ctx context.Context, r *broker.Registration) error {
	sent := r.Clone()
	err := s.Do("ReplaceRegistration", func() error { return s.store.ReplaceRegistration(ctx, sent) })
	if err == nil {
		r.Version = sent.Version
	}
	return err
}

// RetireRegistration implements broker.Registrations.
func (s *Store) RetireRegistration(ctx context.Context, r *broker.Registration) error {
	sent := r.Clone()
	err := s.Do("RetireRegistration", func() error { return s.store.RetireRegistration(ctx, sent) })
	if err == nil {
		r.Version = sent.Version
	}
	return err
}

// RenewRegistration implements broker.Registrations.
func (s *Store) RenewRegistration(ctx context.Context, r *broker.Registration, generation string) error {
	sent := r.Clone()
	err := s.Do("RenewRegistration", func() error { return s.store.RenewRegistration(ctx, sent, generation) })
	if err == nil {
		r.Version, r.Generation, r.LastUsedAt = sent.Version, sent.Generation, sent.LastUsedAt
	}
	return err
}

// DeleteRegistration implements broker.Registrations.
func (s *Store) DeleteRegistration(ctx context.Context, clientID, generation string) error {
	return s.Do("DeleteRegistration", func() error { return s.store.DeleteRegistration(ctx, clientID, generation) })
}

// TouchRegistration implements broker.Registrations.
func (s *Store) TouchRegistration(ctx context.Context, clientID, generation string, at time.Time) error {
	return s.Do("TouchRegistration", func() error {
		return s.store.TouchRegistration(ctx, clientID, generation, at)
	})
}

// ListRegistrations implements broker.Registrations.
func (s *Store) ListRegistrations(ctx context.Context) iter.Seq2[*broker.Registration, error] {
	return sequence(s.Faults, "ListRegistrations", func() iter.Seq2[*broker.Registration, error] {
		return s.store.ListRegistrations(ctx)
	})
}

// CreateAppClient implements broker.AppClientRecords.
func (s *Store) CreateAppClient(ctx context.Context, a *broker.AppClient) error {
	sent := a.Clone()
	err := s.Do("CreateAppClient", func() error { return s.store.CreateAppClient(ctx, sent) })
	if err == nil {
		a.Version = sent.Version
	}
	return err
}

// AppClient implements broker.AppClientRecords.
func (s *Store) AppClient(ctx context.Context, key string) (*broker.AppClient, error) {
	return result(s.Faults, "AppClient", func() (*broker.AppClient, error) { return s.store.AppClient(ctx, key) })
}

// ReplaceAppClient implements broker.AppClientRecords.
func (s *Store) ReplaceAppClient(ctx context.Context, a *broker.AppClient) error {
	sent := a.Clone()
	err := s.Do("ReplaceAppClient", func() error { return s.store.ReplaceAppClient(ctx, sent) })
	if err == nil {
		a.Version = sent.Version
	}
	return err
}

// DeleteAppClient implements broker.AppClientRecords.
func (s *Store) DeleteAppClient(ctx context.Context, key string, version int64) error {
	return s.Do("DeleteAppClient", func() error { return s.store.DeleteAppClient(ctx, key, version) })
}

// AppClientKeys implements broker.AppClientRecords.
func (s *Store) AppClientKeys(ctx context.Context) iter.Seq2[string, error] {
	return sequence(s.Faults, "AppClientKeys", func() iter.Seq2[string, error] { return s.store.AppClientKeys(ctx) })
}

// CreateInitialAccessToken implements broker.InitialAccessTokens.
func (s *Store) CreateInitialAccessToken(ctx context.Context, t *credential.InitialAccessToken) error {
	return s.Do("CreateInitialAccessToken", func() error { return s.store.CreateInitialAccessToken(ctx, t) })
}

// InitialAccessToken implements broker.InitialAccessTokens.
func (s *Store) InitialAccessToken(ctx context.Context, id string) (*credential.InitialAccessToken, error) {
	return result(s.Faults, "InitialAccessToken", func() (*credential.InitialAccessToken, error) {
		return s.store.InitialAccessToken(ctx, id)
	})
}

// UseInitialAccessToken implements broker.InitialAccessTokens.
func (s *Store) UseInitialAccessToken(ctx context.Context, id, member string) error {
	return s.Do("UseInitialAccessToken", func() error { return s.store.UseInitialAccessToken(ctx, id, member) })
}

// ReturnInitialAccessToken implements broker.InitialAccessTokens.
func (s *Store) ReturnInitialAccessToken(ctx context.Context, id, member string) error {
	return s.Do("ReturnInitialAccessToken", func() error {
		return s.store.ReturnInitialAccessToken(ctx, id, member)
	})
}

// RevokeInitialAccessToken implements broker.InitialAccessTokens.
func (s *Store) RevokeInitialAccessToken(ctx context.Context, id string, at time.Time) error {
	return s.Do("RevokeInitialAccessToken", func() error { return s.store.RevokeInitialAccessToken(ctx, id, at) })
}

// ListInitialAccessTokens implements broker.InitialAccessTokens.
func (s *Store) ListInitialAccessTokens(ctx context.Context) iter.Seq2[*credential.InitialAccessToken, error] {
	return sequence(s.Faults, "ListInitialAccessTokens", func() iter.Seq2[*credential.InitialAccessToken, error] {
		return s.store.ListInitialAccessTokens(ctx)
	})
}

// TakeBudget implements broker.Budgets.
func (s *Store) TakeBudget(ctx context.Context, b broker.Budget, member string) error {
	return s.Do("TakeBudget", func() error { return s.store.TakeBudget(ctx, b, member) })
}

// ReturnBudget implements broker.Budgets.
func (s *Store) ReturnBudget(ctx context.Context, key, member string) error {
	return s.Do("ReturnBudget", func() error { return s.store.ReturnBudget(ctx, key, member) })
}

// TakeSlot implements broker.Budgets.
func (s *Store) TakeSlot(ctx context.Context, key string, at time.Time, limit int) (bool, error) {
	return result(s.Faults, "TakeSlot", func() (bool, error) { return s.store.TakeSlot(ctx, key, at, limit) })
}

// Due implements broker.Sweeping.
func (s *Store) Due(ctx context.Context, now time.Time, after string) iter.Seq2[broker.DueRecord, error] {
	return sequence(s.Faults, "Due", func() iter.Seq2[broker.DueRecord, error] { return s.store.Due(ctx, now, after) })
}

// SweepPlace implements broker.Sweeping.
func (s *Store) SweepPlace(ctx context.Context) (string, error) {
	return result(s.Faults, "SweepPlace", func() (string, error) { return s.store.SweepPlace(ctx) })
}

// SetSweepPlace implements broker.Sweeping.
func (s *Store) SetSweepPlace(ctx context.Context, place string) error {
	return s.Do("SetSweepPlace", func() error { return s.store.SetSweepPlace(ctx, place) })
}

// Deployment implements broker.Sweeping.
func (s *Store) TableOwner(ctx context.Context) (*broker.TableOwner, error) {
	return result(s.Faults, "TableOwner", func() (*broker.TableOwner, error) { return s.store.TableOwner(ctx) })
}

// CreateDeployment implements broker.Sweeping.
func (s *Store) CreateTableOwner(ctx context.Context, d *broker.TableOwner) error {
	return s.Do("CreateTableOwner", func() error { return s.store.CreateTableOwner(ctx, d) })
}

// SetDeployment implements broker.Sweeping.
func (s *Store) SetTableOwner(ctx context.Context, d *broker.TableOwner) error {
	return s.Do("SetTableOwner", func() error { return s.store.SetTableOwner(ctx, d) })
}

// Identity implements broker.Sweeping.
func (s *Store) Identity(ctx context.Context) (string, error) {
	return result(s.Faults, "Identity", func() (string, error) { return s.store.Identity(ctx) })
}

// result is Do for a call that returns something, which is lost with the reply.
func result[T any](f *Faults, method string, call func() (T, error)) (T, error) {
	var got, none T
	err := f.Do(method, func() (err error) {
		got, err = call()
		return err
	})
	if err != nil {
		return none, err
	}
	return got, nil
}

// sequence is Do for a call that returns a sequence; a call is counted each
// time that the sequence is read.
func sequence[T any](f *Faults, method string, call func() iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		stopped := false
		err := f.Do(method, func() error {
			for item, err := range call() {
				if !yield(item, err) {
					stopped = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			var none T
			yield(none, err)
		}
	}
}
