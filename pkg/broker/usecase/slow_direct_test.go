package usecase_test

import (
	"context"
	"iter"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/usecase"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// meantimeStore lets somebody else act when a registration is about to be
// stored or a use to be taken, and then fails if that returned an error. Each
// happens once. created and replaced are for just after it was stored.
type meantimeStore struct {
	broker.Store
	creating, created, replacing, replaced, using func() error
}

func once(f *func() error) error {
	act := *f
	if *f = nil; act == nil {
		return nil
	}
	return act()
}

func (s *meantimeStore) CreateRegistration(ctx context.Context, r *broker.Registration) error {
	if err := once(&s.creating); err != nil {
		return err
	}
	if err := s.Store.CreateRegistration(ctx, r); err != nil {
		return err
	}
	return once(&s.created)
}

func (s *meantimeStore) ReplaceRegistration(ctx context.Context, r *broker.Registration) error {
	if err := once(&s.replacing); err != nil {
		return err
	}
	if s.replaced == nil {
		return s.Store.ReplaceRegistration(ctx, r)
	}
	if err := s.Store.ReplaceRegistration(ctx, r.Clone()); err != nil { // the version is lost with the reply
		return err
	}
	return once(&s.replaced)
}

func (s *meantimeStore) UseInitialAccessToken(ctx context.Context, id, member string) error {
	if err := once(&s.using); err != nil {
		return err
	}
	return s.Store.UseInitialAccessToken(ctx, id, member)
}

// laggingStore says that what was due once is due still.
type laggingStore struct {
	broker.Store
	keys []string
}

func (s *laggingStore) Due(context.Context, time.Time, string) iter.Seq2[broker.DueRecord, error] {
	return func(yield func(broker.DueRecord, error) bool) {
		for _, key := range s.keys {
			if !yield(broker.DueRecord{Kind: broker.DueAppClient, Key: key}, nil) {
				return
			}
		}
	}
}

// meantimePool calls the functions that are set when Cognito is asked, before it
// does anything, and fails if they return an error; created is for just after an
// app client was made.
type meantimePool struct {
	*fake.Pool
	creating, updating, deleting func() error
	created                      func()
}

func (p *meantimePool) Create(ctx context.Context, marker string, m dcr.ClientMetadata) (broker.NewAppClient, error) {
	if p.creating != nil {
		if err := p.creating(); err != nil {
			return broker.NewAppClient{}, err
		}
	}
	made, err := p.Pool.Create(ctx, marker, m)
	if p.created != nil {
		p.created()
	}
	return made, err
}

func (p *meantimePool) Update(ctx context.Context, id, marker string, m dcr.ClientMetadata, check func(string) error) error {
	if p.updating != nil {
		if err := p.updating(); err != nil {
			return err
		}
	}
	return p.Pool.Update(ctx, id, marker, m, check)
}

func (p *meantimePool) Delete(ctx context.Context, id, marker string) error {
	if p.deleting != nil {
		if err := p.deleting(); err != nil {
			return err
		}
	}
	return p.Pool.Delete(ctx, id, marker)
}

// on returns the use cases of w in direct mode on another store and pool.
func (w *world) on(store broker.Store, pool broker.AppClients) *usecase.Service {
	w.t.Helper()
	s, err := usecase.New(usecase.Config{
		Store: store, AppClients: pool, Deployment: "test", Issuer: "https://auth.example.com", Now: w.now, Log: discard, Policy: w.policySource,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// limitedClient is a client registered under limitedPolicy.
type limitedClient struct {
	info *dcr.ClientInformation
	rat  credential.Token
	iat  string // the id of the initial access token
	r    *broker.Registration
	a    *broker.AppClient
}

func (w *world) limitedClient() *limitedClient {
	w.t.Helper()
	w.usePolicy(limitedPolicy)
	tok, iat := w.token("limited", 1)
	info, rat := w.mustRegister(confidentialBody, tok)
	c := &limitedClient{info: info, rat: rat, iat: iat}
	var err error
	if c.r, err = w.inner.Registration(w.t.Context(), info.ClientID); err != nil {
		w.t.Fatal(err)
	}
	if c.a, err = w.inner.AppClient(w.t.Context(), c.r.AppClient); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// put stores what was changed of c.
func (w *world) put(c *limitedClient) {
	w.t.Helper()
	if err := w.inner.ReplaceRegistration(w.t.Context(), c.r); err != nil {
		w.t.Fatal(err)
	}
	if err := w.inner.ReplaceAppClient(w.t.Context(), c.a); err != nil {
		w.t.Fatal(err)
	}
}
