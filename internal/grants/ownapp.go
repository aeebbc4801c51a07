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
)

const (
	// appTime is how long an app client is kept in memory. What has changed is
	// noticed before that when Cognito refuses it.
	appTime = 10 * time.Minute
	maxApps = 1000
)

// errGone means that the app client of a grant is no more, and with it whatever
// Cognito issued to it.
var errGone = errors.New("the app client is gone")

// apps are the broker's own app clients, read once in a while.
type apps struct {
	records AppClients
	ring    *seal.Ring
	now     func() time.Time

	mu    sync.Mutex
	known map[string]app
}

// app is an app client with its secret.
type app struct {
	broker.AppCredentials
	scopes []string
	readAt time.Time
	// stale is that its secret is sealed by a key that is to be thrown away.
	stale bool
}

// get returns the app client with that key. There being none that is ready is
// broker.ErrNotFound.
func (s *apps) get(ctx context.Context, key string) (app, error) {
	s.mu.Lock()
	a, ok := s.known[key]
	s.mu.Unlock()
	if ok && s.now().Sub(a.readAt) < appTime {
		return a, nil
	}
	return s.read(ctx, key)
}

func (s *apps) read(ctx context.Context, key string) (app, error) {
	rec, err := s.records.AppClient(ctx, key)
	if err != nil {
		return app{}, fmt.Errorf("read app client %s: %w", key, err)
	}
	if rec.State != broker.AppClientReady && rec.State != broker.AppClientUpdating || rec.Secret == "" {
		return app{}, fmt.Errorf("app client %s is %s: %w", key, rec.State, broker.ErrNotFound)
	}
	secret, err := s.ring.Open(broker.SecretPurpose, rec.SecretOwner(), rec.Secret)
	if err != nil {
		return app{}, fmt.Errorf("secret of app client %s: %w", key, err)
	}
	a := app{broker.AppCredentials{ID: rec.CognitoID, Secret: secret}, slices.Clone(rec.Scopes), s.now(), !s.ring.Current(rec.Secret)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxApps {
		clear(s.known)
	}
	s.known[key] = a
	return a, nil
}

// of returns the app client that g names, or errGone.
func (s *apps) of(ctx context.Context, g *broker.Grant) (app, error) {
	a, err := s.get(ctx, g.AppClient)
	if err == nil && a.ID != g.CognitoID {
		a, err = s.read(ctx, g.AppClient)
	}
	if errors.Is(err, broker.ErrNotFound) || err == nil && a.ID != g.CognitoID {
		return app{}, errGone
	}
	return a, err
}

// kept returns what finds the app client that g names: first as it was when its
// tokens were issued, which costs no look at its record, then as the record has
// it.
func (s *apps) kept(ctx context.Context, g *broker.Grant, tokens broker.Tokens) func() (app, error) {
	secret := tokens.AppSecret
	return func() (app, error) {
		if secret == "" {
			return s.of(ctx, g)
		}
		a := app{AppCredentials: broker.AppCredentials{ID: g.CognitoID, Secret: secret}}
		secret = ""
		return a, nil
	}
}

// with calls ask with the app client that find returns. If Cognito does not know
// the app client by that secret, it may be that of before: what is kept is
// forgotten, and if the record says otherwise by now, ask is called again.
func (s *apps) with(find func() (app, error), key string, ask func(app) error) error {
	a, err := find()
	if err != nil {
		return err
	}
	err = ask(a)
	if refused, ok := errors.AsType[*broker.UpstreamError](err); !ok || refused.Code != "invalid_client" {
		return err
	}
	s.mu.Lock()
	delete(s.known, key)
	s.mu.Unlock()
	again, findErr := find()
	if findErr != nil || again.AppCredentials == a.AppCredentials {
		return errors.Join(err, findErr)
	}
	return ask(again)
}
