package world

import (
	"context"
	"errors"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// InBubble runs f in a synctest bubble: the clock moves when every goroutine waits.
func InBubble(t *testing.T, f func(t *testing.T, w *Brokered)) {
	synctest.Test(t, func(t *testing.T) {
		w := NewBrokered(t)
		w.Clock.Tick()
		f(t, w)
	})
}

// MeantimeStore calls a function when a registration is about to be stored or a
// use to be taken, and fails if the function returns an error. Each is called
// once. Created and Replaced are called just after the write.
type MeantimeStore struct {
	broker.Store
	Creating, Created, Replacing, Replaced, Using func() error
}

func once(f *func() error) error {
	act := *f
	if *f = nil; act == nil {
		return nil
	}
	return act()
}

func (s *MeantimeStore) CreateRegistration(ctx context.Context, r *broker.Registration) error {
	if err := once(&s.Creating); err != nil {
		return err
	}
	if err := s.Store.CreateRegistration(ctx, r); err != nil {
		return err
	}
	return once(&s.Created)
}

func (s *MeantimeStore) ReplaceRegistration(ctx context.Context, r *broker.Registration) error {
	if err := once(&s.Replacing); err != nil {
		return err
	}
	if s.Replaced == nil {
		return s.Store.ReplaceRegistration(ctx, r)
	}
	if err := s.Store.ReplaceRegistration(ctx, r.Clone()); err != nil { // the version is lost with the reply
		return err
	}
	return once(&s.Replaced)
}

func (s *MeantimeStore) UseInitialAccessToken(ctx context.Context, id, member string) error {
	if err := once(&s.Using); err != nil {
		return err
	}
	return s.Store.UseInitialAccessToken(ctx, id, member)
}

// LaggingStore lists the app clients with these keys as due, whatever they are.
type LaggingStore struct {
	broker.Store
	Keys []string
}

func (s *LaggingStore) Due(context.Context, time.Time, string) iter.Seq2[broker.DueRecord, error] {
	return func(yield func(broker.DueRecord, error) bool) {
		for _, key := range s.Keys {
			if !yield(broker.DueRecord{Kind: broker.DueAppClient, Key: key}, nil) {
				return
			}
		}
	}
}

// MeantimePool calls the functions that are set before Cognito does anything, and
// fails if they return an error. Created is called just after an app client was
// made.
type MeantimePool struct {
	*fake.Pool
	Creating, Updating, Deleting func() error
	Created                      func()
}

func (p *MeantimePool) Create(ctx context.Context, marker string, m dcr.ClientMetadata) (broker.NewAppClient, error) {
	if p.Creating != nil {
		if err := p.Creating(); err != nil {
			return broker.NewAppClient{}, err
		}
	}
	made, err := p.Pool.Create(ctx, marker, m)
	if p.Created != nil {
		p.Created()
	}
	return made, err
}

func (p *MeantimePool) Update(ctx context.Context, id, marker string, m dcr.ClientMetadata, check func(string) error) error {
	if p.Updating != nil {
		if err := p.Updating(); err != nil {
			return err
		}
	}
	return p.Pool.Update(ctx, id, marker, m, check)
}

func (p *MeantimePool) Delete(ctx context.Context, id, marker string) error {
	if p.Deleting != nil {
		if err := p.Deleting(); err != nil {
			return err
		}
	}
	return p.Pool.Delete(ctx, id, marker)
}

// SlowStore calls Before when a registration is about to be stored.
type SlowStore struct {
	broker.Store
	Before func()
}

func (s *SlowStore) CreateRegistration(ctx context.Context, r *broker.Registration) error {
	s.Before()
	return s.Store.CreateRegistration(ctx, r)
}

// PausingStore stops where a place is given back, until GoOn is closed.
type PausingStore struct {
	broker.Store
	Reached, GoOn chan struct{}
}

func (s *PausingStore) ReturnBudget(ctx context.Context, key, member string) error {
	close(s.Reached)
	<-s.GoOn
	return s.Store.ReturnBudget(ctx, key, member)
}

// SlowMaker calls Before and After around the making of an app client, or fails
// with Err.
type SlowMaker struct {
	*fake.Pool
	Before, After func()
	Err           error
}

func (s *SlowMaker) CreateBrokered(ctx context.Context, marker string, spec broker.BrokeredAppClient) (broker.NewAppClient, error) {
	if s.Before != nil {
		s.Before()
	}
	if s.Err != nil {
		return broker.NewAppClient{}, s.Err
	}
	made, err := s.Pool.CreateBrokered(ctx, marker, spec)
	if s.After != nil {
		s.After()
	}
	return made, err
}

// RetiringStore calls Before when a registration is about to be retired.
type RetiringStore struct {
	broker.Store
	Before func()
}

func (s *RetiringStore) RetireRegistration(ctx context.Context, r *broker.Registration) error {
	s.Before()
	return s.Store.RetireRegistration(ctx, r)
}

// WantNoClient checks that a client cannot be used in s.
func WantNoClient(t testing.TB, what string, s *Broker, clientID string) {
	t.Helper()
	if _, err := s.Client(t.Context(), clientID); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("%s: Client = %v, want ErrNotFound", what, err)
	}
}

// AtRest checks that a client cannot be used, read or changed in s, which is of
// the other mode.
func AtRest(t testing.TB, s *Broker, clientID, body string, rat credential.Token) {
	t.Helper()
	WantNoClient(t, "of the other mode", s, clientID)
	_, err := s.Read(t.Context(), clientID, rat)
	WantCode(t, "Read", err, dcr.InvalidToken)
	_, err = s.Update(t.Context(), clientID, rat, Update(t, body, clientID))
	WantCode(t, "Update", err, dcr.InvalidToken)
}
