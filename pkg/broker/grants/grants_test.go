package grants_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/grants"
	"github.com/dcr-broker/dcr-broker/test/fake"
	kit "github.com/dcr-broker/dcr-broker/test/world"
)

// revocations is Cognito's revocation endpoint, with faults in Revoke.
type revocations struct {
	*fake.Faults
	revoked []string // refresh tokens
	secrets []string // with which it was called
	known   string   // the app client's secret; "" is any
}

func (c *revocations) Revoke(_ context.Context, app broker.AppCredentials, token string) error {
	c.secrets = append(c.secrets, app.Secret)
	if c.known != "" && app.Secret != c.known {
		return &broker.UpstreamError{Code: "invalid_client"}
	}
	err := c.Do("Revoke", func() error {
		c.revoked = append(c.revoked, token)
		return nil
	})
	if err != nil {
		return &broker.UpstreamError{RetryAfter: time.Second, Cause: err}
	}
	return nil
}

// world is an Ender with an in-memory store.
type world struct {
	*kit.Brokered
	*grants.Ender
	cognito *revocations
}

// redirect is the redirect URI of every grant.
const redirect = "https://client.example/cb"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Brokered: kit.NewBrokered(t), cognito: &revocations{Faults: fake.NewFaults("Revoke")}}
	w.Ender = w.Brokered.Ender(w.Store, w.cognito)
	return w
}

// grant stores a grant with Cognito's refresh token "rt-" and its id, and the
// remembered consent.
func (w *world) grant(clientID, generation, sub, appSecret string) *broker.Grant {
	w.T.Helper()
	tokens := broker.Tokens{AccessToken: fake.AccessToken(sub, w.Now()), AppSecret: appSecret, Sub: sub, OriginJTI: credential.NewID()}
	tokens.RefreshToken = "rt-" + broker.GrantID(w.Keys, tokens.OriginJTI, 0)
	g, _ := w.AddGrant(&broker.Registration{ClientID: clientID, Generation: generation}, tokens, redirect, func(g *broker.Grant) {
		g.Live = []credential.Hash{credential.NewRefreshToken(g.ID, w.Keys).Hash()}
	})
	return g
}

// wantEnded checks that the grant has ended and its consent and tokens are
// deleted.
func (w *world) wantEnded(g *broker.Grant) {
	w.T.Helper()
	stored, err := w.Inner.Grant(w.T.Context(), g.ID)
	if err != nil || stored.Unfinished() || len(stored.Live) != 0 {
		w.T.Errorf("grant %s = %+v, %v, want it ended completely", g.ID, stored, err)
	}
	if w.remembered(g) {
		w.T.Errorf("the consent of grant %s is remembered", g.ID)
	}
	if _, err := w.Inner.Tokens(w.T.Context(), g.TokensID); !errors.Is(err, broker.ErrNotFound) {
		w.T.Errorf("tokens of grant %s: %v, want them deleted", g.ID, err)
	}
	if !slices.Contains(w.cognito.revoked, "rt-"+g.ID) {
		w.T.Errorf("Cognito's token of grant %s was not revoked", g.ID)
	}
}

// remembered reports whether the consent of g is stored.
func (w *world) remembered(g *broker.Grant) bool {
	w.T.Helper()
	_, err := w.Inner.Consent(w.T.Context(), g.ConsentKey)
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		w.T.Fatal(err)
	}
	return err == nil
}

// wantStanding checks that g is unchanged.
func (w *world) wantStanding(g *broker.Grant) {
	w.T.Helper()
	if stored, err := w.Inner.Grant(w.T.Context(), g.ID); err != nil || stored.Version != g.Version {
		w.T.Errorf("grant %s = %+v, %v, want it unchanged", g.ID, stored, err)
	}
}

func TestEndOfClient(t *testing.T) {
	w := newWorld(t)
	former, current, other := w.grant("client", "old", "ann", "s"), w.grant("client", "new", "ann", "s"), w.grant("other", "old", "ann", "s")
	over := func(_ context.Context, generation string) (bool, error) { return generation == "old", nil }
	if n, err := w.EndOfClient(t.Context(), "client", over); n != 1 || err != nil {
		t.Errorf("EndOfClient, of a generation that is over = %d, %v, want 1", n, err)
	}
	w.wantEnded(former)
	w.wantStanding(current)
	if n, err := w.EndOfClient(t.Context(), "client", over); n != 0 || err != nil {
		t.Errorf("again = %d, %v, want 0", n, err)
	}
	if n, err := w.EndOfClient(t.Context(), "client", nil); n != 1 || err != nil {
		t.Errorf("EndOfClient, of all generations = %d, %v, want 1", n, err)
	}
	w.wantEnded(current)
	w.wantStanding(other)
}

func TestEndOfUser(t *testing.T) {
	w := newWorld(t)
	one, two, other := w.grant("a", "g", "ann", "s"), w.grant("b", "g", "ann", "s"), w.grant("a", "g", "bob", "s")
	if n, err := w.EndOfUser(t.Context(), "ann"); n != 2 || err != nil {
		t.Errorf("EndOfUser = %d, %v, want 2", n, err)
	}
	w.wantEnded(one)
	w.wantEnded(two)
	// The grants of clients to themselves have no user.
	if n, err := w.EndOfUser(t.Context(), ""); n != 0 || err != nil {
		t.Errorf("EndOfUser without a user = %d, %v, want 0", n, err)
	}
	w.wantStanding(other)
}

func TestEnd(t *testing.T) {
	w := newWorld(t)
	g, other := w.grant("a", "g", "ann", "s"), w.grant("a", "g", "ann", "s")
	if err := w.EndByID(t.Context(), g.ID); err != nil {
		t.Errorf("End = %v", err)
	}
	w.wantEnded(g)
	w.wantStanding(other)
	if err := w.EndByID(t.Context(), g.ID); err != nil {
		t.Errorf("End of a grant that has ended = %v, want no error", err)
	}
	if err := w.EndByID(t.Context(), credential.NewID()); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("End of no grant = %v, want %v", err, broker.ErrNotFound)
	}
}

func TestOneFailureDoesNotStopTheOthers(t *testing.T) {
	w := newWorld(t)
	a, b := w.grant("client", "g", "ann", "s"), w.grant("client", "g", "ann", "s")
	w.cognito.FailNext("Revoke", 1, fake.NotApplied)
	if n, err := w.EndOfClient(t.Context(), "client", nil); n != 2 || !errors.Is(err, fake.ErrInjected) {
		t.Errorf("EndOfClient = %d, %v, want both ended and the error of one", n, err)
	}
	if n, err := w.EndOfClient(t.Context(), "client", nil); n != 0 || err != nil {
		t.Errorf("again = %d, %v, want the missing steps done", n, err)
	}
	w.wantEnded(a)
	w.wantEnded(b)
}

func TestEndContinuesWhenTheRequestIsCancelled(t *testing.T) {
	w := newWorld(t)
	g := w.grant("a", "g", "ann", "s")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.EndGrant(ctx, w.Keys, g); err != nil {
		t.Errorf("EndGrant = %v", err)
	}
	w.wantEnded(g)
	if n, err := w.EndOfClient(ctx, "a", nil); n != 0 || err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("EndOfClient = %d, %v, want none", n, err)
	}
}

func TestWithoutKeysNoGrantEnds(t *testing.T) {
	w := newWorld(t)
	g := w.grant("a", "g", "ann", "s")
	w.KeysErr = fake.ErrInjected
	_, ofClient := w.EndOfClient(t.Context(), "a", nil)
	_, ofUser := w.EndOfUser(t.Context(), "ann")
	for name, err := range map[string]error{"EndOfClient": ofClient, "EndOfUser": ofUser, "EndByID": w.EndByID(t.Context(), g.ID)} {
		if !errors.Is(err, fake.ErrInjected) {
			t.Errorf("%s = %v, want %v", name, err, fake.ErrInjected)
		}
	}
	w.wantStanding(g)
}

// Cognito's tokens are revoked with the secret that is stored with them. If
// Cognito refuses it, the secret of the record is used.
func TestTheSecretThatRevokes(t *testing.T) {
	tests := []struct {
		name    string
		stored  string // with the tokens
		record  string
		id      string // of the record's app client; "" is no record
		known   string // to Cognito
		secrets []string
		revoked bool
	}{
		{"stored with the tokens", "s1", "", "", "s1", []string{"s1"}, true},
		{"only in the record", "", "s1", "app", "s1", []string{"s1"}, true},
		{"changed after the sign-in", "s1", "s2", "app", "s2", []string{"s1", "s2"}, true},
		{"app client deleted", "", "", "", "s1", nil, false},
		{"app client made again", "", "s2", "other", "s2", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			if tt.id != "" {
				w.AddAppClient("profile/open", broker.KindShared, broker.AppCredentials{ID: tt.id, Secret: tt.record})
			}
			w.cognito.known = tt.known
			g := w.grant("a", "g", "ann", tt.stored)
			if err := w.EndByID(t.Context(), g.ID); err != nil {
				t.Errorf("End = %v", err)
			}
			if !slices.Equal(w.cognito.secrets, tt.secrets) || (len(w.cognito.revoked) == 1) != tt.revoked {
				t.Errorf("called with %q, revoked %q; want %q, and revoked: %t", w.cognito.secrets, w.cognito.revoked, tt.secrets, tt.revoked)
			}
			if stored, err := w.Inner.Grant(t.Context(), g.ID); err != nil || stored.Unfinished() {
				t.Errorf("grant = %+v, %v, want it ended completely", stored, err)
			}
		})
	}
}

func TestNewRequiresEveryField(t *testing.T) {
	w := newWorld(t)
	full := grants.Config{
		Store: w.Store, AppClients: grants.NewAppClients(w.Store, w.Now), Cognito: w.cognito, Keys: w.Ring, Now: w.Now,
	}
	for i := range reflect.TypeFor[grants.Config]().NumField() {
		c := full
		reflect.ValueOf(&c).Elem().Field(i).SetZero()
		if _, err := grants.New(c); err == nil {
			t.Errorf("no error without %s", reflect.TypeFor[grants.Config]().Field(i).Name)
		}
	}
}
