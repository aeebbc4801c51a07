package grants

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/clock"
)

const (
	// appTime is how long an app client is cached. If its secret changes
	// earlier, Cognito refuses the old secret, and WithApp reads the record
	// again.
	appTime = 10 * time.Minute
	maxApps = 1000
)

// ErrAppClientGone means that the app client of a grant no longer exists. The
// tokens that Cognito issued to it are not valid either.
var ErrAppClientGone = errors.New("the app client no longer exists")

// AppClientRecords is the part of broker.AppClientRecords that AppClients uses.
type AppClientRecords interface {
	AppClient(ctx context.Context, key string) (*broker.AppClient, error)
}

// AppClients opens the broker's own app clients and caches them. It is safe for
// concurrent use.
type AppClients struct {
	records AppClientRecords
	now     func() time.Time

	mu     sync.Mutex
	cached map[string]App
}

// NewAppClients returns the app clients whose records are in store.
func NewAppClients(store AppClientRecords, now func() time.Time) *AppClients {
	return &AppClients{records: store, now: now, cached: make(map[string]App)}
}

// App is an app client with its secret. It prints as "[redacted]".
type App struct {
	broker.AppCredentials
	Scopes []string
	// Stale reports that the secret is sealed with a former key.
	Stale  bool
	readAt time.Time
}

// Get returns the app client with this key, or broker.ErrNotFound if no such
// app client is ready.
func (s *AppClients) Get(ctx context.Context, ring *seal.Ring, key string) (App, error) {
	s.mu.Lock()
	a, ok := s.cached[key]
	s.mu.Unlock()
	if ok && clock.Fresh(a.readAt, s.now(), appTime) {
		return a, nil
	}
	return s.Read(ctx, ring, key)
}

// Read is Get without the cache.
func (s *AppClients) Read(ctx context.Context, ring *seal.Ring, key string) (App, error) {
	readAt := s.now()
	rec, err := s.records.AppClient(ctx, key)
	if err != nil {
		return App{}, fmt.Errorf("read app client %s: %w", key, err)
	}
	if rec.State != broker.AppClientReady && rec.State != broker.AppClientUpdating || len(rec.Secret) == 0 {
		return App{}, fmt.Errorf("app client %s is %s: %w", key, rec.State, broker.ErrNotFound)
	}
	secret, err := ring.Open(broker.SecretPurpose, rec.SecretOwner(), rec.Secret)
	if err != nil {
		return App{}, fmt.Errorf("secret of app client %s: %w", key, err)
	}
	a := App{
		AppCredentials: broker.AppCredentials{ID: rec.CognitoID, Secret: secret}, Scopes: slices.Clone(rec.Scopes),
		Stale: !ring.Current(rec.Secret), readAt: readAt,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.cached) >= maxApps {
		clear(s.cached)
	}
	s.cached[key] = a
	return a, nil
}

// recorded returns the app client that g names, or ErrAppClientGone.
func (s *AppClients) recorded(ctx context.Context, ring *seal.Ring, g *broker.Grant) (App, error) {
	a, err := s.Get(ctx, ring, g.AppClient)
	if err == nil && a.ID != g.CognitoID {
		a, err = s.Read(ctx, ring, g.AppClient)
	}
	if errors.Is(err, broker.ErrNotFound) || err == nil && a.ID != g.CognitoID {
		return App{}, ErrAppClientGone
	}
	return a, err
}

// AppOf returns a function for WithApp that finds the app client of g. Its
// first call returns the app client with the secret that is stored with t,
// Cognito's tokens of g, and needs no read of the record. Later calls return
// the app client of the record.
func (s *AppClients) AppOf(ctx context.Context, ring *seal.Ring, g *broker.Grant, t broker.Tokens) func() (App, error) {
	secret := t.AppSecret
	return func() (App, error) {
		if secret == "" {
			return s.recorded(ctx, ring, g)
		}
		a := App{AppCredentials: broker.AppCredentials{ID: g.CognitoID, Secret: secret}}
		secret = ""
		return a, nil
	}
}

// WithApp calls call with the app client that find returns. If Cognito refuses
// the app client's secret, the secret may be a former one. WithApp then removes
// the app client with this key from the cache, and calls call again if find now
// returns other credentials.
func (s *AppClients) WithApp(find func() (App, error), key string, call func(App) error) error {
	a, err := find()
	if err != nil {
		return err
	}
	err = call(a)
	if broker.UpstreamCode(err) != string(broker.InvalidClient) {
		return err
	}
	s.mu.Lock()
	delete(s.cached, key)
	s.mu.Unlock()
	again, findErr := find()
	if findErr != nil || again.AppCredentials == a.AppCredentials {
		return errors.Join(err, findErr)
	}
	return call(again)
}
