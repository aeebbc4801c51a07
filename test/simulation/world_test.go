package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/grants"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
	"github.com/dcr-broker/dcr-broker/test/fake"
	kit "github.com/dcr-broker/dcr-broker/test/world"
)

// store has all records of a deployment.
type store interface {
	broker.Store
	broker.GrantStore
}

// stores are two stores with the same records.
type stores struct {
	inner, faulty store
	faults        *fake.Faults // of faulty
}

// world has the use cases, on a store and a local Cognito that fail at random.
type world struct {
	*kit.Broker
	t        *testing.T
	rnd      *rand.Rand
	inner    store // of this test, without faults
	cognito  *pool
	oauth    *fake.OAuth
	keys     *seal.Ring
	flow     *authorization.Flow
	issuer   *token.Issuer
	ender    *grants.Ender
	policy   *policy.Policy
	iat      credential.Token
	members  []*member
	signIns  map[string]*attempt // by the origin_jti of Cognito
	sessions map[string]*session // of all codes that a client got, by the id of the grant
	sealed   *sealed
	warnings *fake.Log // of flow
	total    janitor.Report
	count    struct{ registered, used, faults, signedIn, refreshed, ended int }

	mu      sync.Mutex // guards rnd, count.faults and the fields below, which concurrent requests use
	faulty  bool       // calls fail at random
	settled bool       // no more calls fail, and the sweeps have done everything
	dead    bool       // the running process has died
	losses  int        // deaths, and sign-ins whose tokens never reached the broker
}

func newWorld(t *testing.T, rnd *rand.Rand, s stores) *world {
	t.Helper()
	w := &world{
		t: t, rnd: rnd, inner: s.inner, keys: fake.Ring(t), oauth: fake.NewOAuth(time.Now), warnings: new(fake.Log),
		signIns: make(map[string]*attempt), sessions: make(map[string]*session),
	}
	var err error
	w.policy = kit.ParsePolicy(t, broker.ModeBrokered, policyDocument, []string{"openid", "mcp/read"})
	w.cognito = newPool(t, s.inner)
	w.oauth.Secret, w.oauth.Rotates = w.cognito.Secret, func() bool { return w.chance(0.3) }
	w.sealed = &sealed{store: s.faulty, grants: make(map[string]string)}
	w.ender, err = grants.New(grants.Config{
		Store: s.faulty, AppClients: grants.NewAppClients(s.faulty, time.Now), Cognito: w.oauth, Keys: w.ring, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Broker, err = kit.Assemble(kit.Parts{
		Mode: broker.ModeBrokered, Store: s.faulty, Pool: w.cognito, Grants: w.ender, Keys: w.ring, Policy: w.inForce, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.openEndpoints(s.faulty)
	tok, rec, err := credential.NewInitialAccessToken(credential.Terms{Profile: "trusted", Lifetime: 2 * span}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.inner.CreateInitialAccessToken(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	w.iat = tok
	for _, f := range []*fake.Faults{s.faults, w.cognito.Faults, w.oauth.Faults} {
		f.FailBy(w.fails)
	}
	w.faulty = true
	return w
}

// openEndpoints makes the use cases of the authorization and token endpoints.
func (w *world) openEndpoints(s store) {
	w.t.Helper()
	var err error
	w.flow, err = authorization.New(authorization.Config{
		Issuer: "https://auth.example.com", Clients: w.Directory, Store: w.sealed, Provisioner: w.Provisioner, Configuration: w.configuration, Keys: w.ring,
		Cognito: w.oauth, LoginVersion: 1, Now: time.Now, Pause: broker.Pause,
		Log: slog.New(slog.NewTextHandler(w.warnings, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.issuer, err = token.New(token.Config{
		Store: s, Clients: w.Directory, AppClients: grants.NewAppClients(s, time.Now), Ender: w.ender, Cognito: w.oauth,
		Provisioner: w.Provisioner, AccessTokens: accessTokens{}, Configuration: w.configuration, Keys: w.ring, Now: time.Now, Log: kit.Discard,
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) configuration(context.Context) (*configuration.Configuration, error) {
	return &configuration.Configuration{
		Policy: w.policy, Resources: []broker.Resource{{URL: resource, Scopes: []string{"mcp/read"}}}, Tokens: configuration.Tokens{RefreshToken: fake.OAuthLifetime},
		IntrospectionClients: []configuration.IntrospectionClient{{ID: "mcp", SecretSHA256: credential.Presented(resourceSecret).Hash().String(), Resource: resource}},
	}, nil
}

func (w *world) inForce(context.Context) (*policy.Policy, error) { return w.policy, nil }

func (w *world) ring(context.Context) (*seal.Ring, error) { return w.keys, nil }

func (w *world) now() time.Time { return time.Now().UTC() }

func (w *world) chance(p float64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rnd.Float64() < p
}

func (w *world) intN(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rnd.IntN(n)
}

func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.intN(int(d))) }

// fails decides for each call whether it fails: one in two hundred does, and
// after one in three of these the process is dead.
func (w *world) fails(call fake.Call) (fake.Point, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.faulty:
		return 0, false
	case w.dead:
		return fake.NotApplied, true
	case w.rnd.Float64() >= 0.005:
		return 0, false
	}
	w.count.faults++
	w.dead = w.rnd.IntN(3) == 0
	if w.dead || call.Method == "Redeem" {
		w.losses++
	}
	if w.rnd.IntN(2) == 0 {
		return fake.ReplyLost, true
	}
	return fake.NotApplied, true
}

// try runs f as one process, which may die.
func (w *world) try(f func(context.Context) error) error {
	w.alive()
	defer w.alive()
	return f(w.t.Context())
}

// request is try for a request, and also reports whether a fault happened in it.
func (w *world) request(f func(context.Context) error) (faulty bool, err error) {
	before := w.faults()
	err = w.try(f)
	return w.faults() > before, err
}

func (w *world) faults() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count.faults
}

func (w *world) lossCount() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.losses
}

func (w *world) alive() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = false
}

func (w *world) add(s janitor.Report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.total.Add(s)
}

// settle runs sweeps without faults, and checks that they finish all pending
// work within three hours.
func (w *world) settle() {
	w.faulty = false
	for range 3 {
		time.Sleep(time.Hour)
		if done, err := w.Sweep(w.t.Context(), janitor.Options{}); err != nil || done.Failed > 0 || done.Unfinished {
			w.t.Errorf("Sweep without faults = %+v, %v", done, err)
		}
	}
	for d, err := range w.inner.Due(w.t.Context(), w.now(), "") {
		w.t.Errorf("%s %s is still due (%v)", d.Kind, d.Key, err)
	}
	w.settled = true
}

// check checks the final state.
func (w *world) check() {
	w.checkAppClients()
	w.checkRegistrations()
	w.checkRemoved()
	w.completeEnds()
	w.checkSessions()
	w.checkEnds()
	w.checkStored()
	for _, m := range w.members {
		r, err := w.inner.Registration(w.t.Context(), m.id)
		if err == nil && r.State == broker.RegistrationActive || m.off || m.over {
			continue
		}
		w.lost(m, fmt.Errorf("%v, %v", r, err))
	}
}

// checkAppClients compares the pool with the records and the budgets.
func (w *world) checkAppClients() {
	ctx := w.t.Context()
	there := make(map[string]string) // markers by id
	for c, err := range w.cognito.inner.List(ctx) {
		if err != nil {
			w.t.Fatal(err)
		}
		there[c.ID] = c.Marker
	}
	held := map[string]int{"open": 0, "trusted": 0}
	for key, err := range w.inner.AppClientKeys(ctx) {
		if err != nil {
			w.t.Fatal(err)
		}
		a, err := w.inner.AppClient(ctx, key)
		if err != nil {
			w.t.Fatal(err)
		}
		if a.State == broker.AppClientVacant {
			continue
		}
		held[a.Profile]++
		if marker, ok := there[a.CognitoID]; a.State != broker.AppClientReady || !ok || marker != a.Marker {
			w.t.Errorf("the record %s is %s, its app client there %t with marker %s: %+v", key, a.State, ok, marker, a)
		}
		delete(there, a.CognitoID)
		if a.Kind == broker.KindDedicated {
			if r, err := w.inner.Registration(ctx, a.ClientID); err != nil || r.Generation != a.Generation || r.State != broker.RegistrationActive {
				w.t.Errorf("the app client %s has no active registration: %+v, %v", key, r, err)
			}
		}
	}
	for id, marker := range there {
		made, _ := broker.MarkedAt(marker)
		w.t.Errorf("the app client %s, created at %s, is an orphan", id, made)
	}
	for profile, n := range held {
		b := broker.Budget{Key: "app_clients/" + profile, Limit: n + 1}
		if err := w.inner.TakeBudget(ctx, b, "probe"); err != nil {
			w.t.Errorf("more than %d places of the profile %s are used: %v", n, profile, err)
		}
		b.Limit--
		if err := w.inner.TakeBudget(ctx, b, "another probe"); err == nil {
			w.t.Errorf("fewer than %d places of the profile %s are used", n, profile)
		}
	}
}

// checkRegistrations checks that no registration has outlived its lifetime.
func (w *world) checkRegistrations() {
	for r, err := range w.inner.ListAllRegistrations(w.t.Context()) {
		if err != nil {
			w.t.Fatal(err)
		}
		if r.State != broker.RegistrationActive || !r.ExpiresAt.IsZero() {
			continue
		}
		last := slices.MaxFunc([]time.Time{r.IssuedAt, r.LastUsedAt, r.ActiveSince}, time.Time.Compare)
		if r.Due.IsZero() || w.now().Sub(last) > inactive+2*time.Hour || w.now().Sub(r.IssuedAt) > absolute+2*time.Hour {
			w.t.Errorf("the registration %s is still active: issued %s, last used %s, due %s", r.ClientID, r.IssuedAt, last, r.Due)
		}
	}
}
