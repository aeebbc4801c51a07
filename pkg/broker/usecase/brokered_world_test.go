package usecase_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/broker/usecase"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// brokeredPolicy has a profile of each sort.
const brokeredPolicy = `{"version":1,"open_registration":"open","profiles":{
	"open":{"redirect_uris":{"presets":["claude"],"loopback":true,"https":["https://*.apps.example.com/cb"]},"limits":{"app_clients":5}},
	"trusted":{"redirect_uris":{"any_https":true,"loopback":true},
		"grant_types":["authorization_code","refresh_token","client_credentials"],
		"token_endpoint_auth_methods":["client_secret_basic","client_secret_post","none"],"limits":{"app_clients":5}},
	"short":{"redirect_uris":{"any_https":true},"lifetimes":{"unconfirmed":"2h"}},
	"together":{"redirect_uris":{"any_https":true},"app_client":"shared"}}}`

var brokeredScopes = []string{"openid", "mcp/read", "mcp/write"}

// brokeredWorld is a world in brokered mode, with what makes its app clients.
type brokeredWorld struct {
	*world
	*usecase.Provisioning
	keys     *seal.Ring
	grants   *fake.Grants
	branding bool
	// maker is what app clients are made by, the pool unless set.
	maker broker.AppClientMaker
	// log is nowhere unless set.
	log *slog.Logger
}

func newBrokeredWorld(t *testing.T) *brokeredWorld {
	t.Helper()
	w := &brokeredWorld{world: &world{t: t, clock: start, pool: fake.NewPool()}}
	w.useBrokeredPolicy(brokeredPolicy)
	keys, err := seal.Parse(seal.Generate())
	if err != nil {
		t.Fatal(err)
	}
	w.keys, w.maker, w.grants = keys, w.pool, fake.NewGrants()
	w.inner = memory.NewStore(w.now)
	w.store = fake.NewStore(w.inner)
	w.restart()
	return w
}

// restart starts new processes, which have nothing in memory.
func (w *brokeredWorld) restart() {
	w.t.Helper()
	s, err := usecase.New(usecase.Config{
		Mode: broker.ModeBrokered, Store: w.store, AppClients: w.pool, Updater: w.pool, Grants: w.grants, Keys: w.ring,
		Deployment: "test", Issuer: "https://auth.example.com", Now: w.now, Log: cmp.Or(w.log, discard), Policy: w.policySource, JWTs: &w.jwts,
		Branding: w.branding,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := usecase.NewProvisioning(usecase.ProvisioningConfig{
		Store: w.store, Maker: w.maker, Policy: w.policySource, Deployment: "test", Keys: w.ring, Branding: w.branding, Now: w.now, Log: cmp.Or(w.log, discard),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.Service, w.Provisioning = s, p
}

func (w *brokeredWorld) ring(context.Context) (*seal.Ring, error) { return w.keys, nil }

func (w *brokeredWorld) useBrokeredPolicy(doc string) {
	w.t.Helper()
	p, err := policy.Parse([]byte(doc), broker.Deployment{Scopes: brokeredScopes, Mode: broker.ModeBrokered})
	if err != nil {
		w.t.Fatal(err)
	}
	w.policy = p
}

// registration returns what is stored.
func (w *brokeredWorld) registration(clientID string) *broker.Registration {
	w.t.Helper()
	r, err := w.inner.Registration(w.t.Context(), clientID)
	if err != nil {
		w.t.Fatalf("registration %s: %v", clientID, err)
	}
	return r
}

// appClientKey is the key of the app client of a client, under today's policy.
func (w *brokeredWorld) appClientKey(clientID string) string {
	w.t.Helper()
	r := w.registration(clientID)
	p, ok := w.policy.Profile(r.Profile)
	if !ok {
		w.t.Fatalf("no profile %s", r.Profile)
	}
	return policy.AppClientKey(r, p)
}

func (w *brokeredWorld) appClient(key string) *broker.AppClient {
	w.t.Helper()
	a, err := w.inner.AppClient(w.t.Context(), key)
	if err != nil {
		w.t.Fatalf("app client %s: %v", key, err)
	}
	return a
}

func (w *brokeredWorld) mustProvision(key string) *broker.AppClient {
	w.t.Helper()
	if err := w.Provision(w.t.Context(), key); err != nil {
		w.t.Fatalf("Provision(%s): %v", key, err)
	}
	return w.appClient(key)
}

// rows counts the registrations there are.
func (w *brokeredWorld) rows() int {
	w.t.Helper()
	n := 0
	for _, err := range w.inner.ListRegistrations(w.t.Context()) {
		if err != nil {
			w.t.Fatal(err)
		}
		n++
	}
	return n
}

// checkConsistent holds whenever nothing is under way: there is no app client at
// Cognito but those with a record that can be used, keys lists the records, each
// holds a place in the budget of its profile, and nothing is due.
func (w *brokeredWorld) checkConsistent(keys ...string) {
	w.t.Helper()
	ctx := w.t.Context()
	clients := w.pool.All()
	for _, key := range keys {
		a, err := w.inner.AppClient(ctx, key)
		if err != nil {
			w.t.Errorf("app client %s: %v", key, err)
			continue
		}
		c, ok := clients[a.CognitoID]
		delete(clients, a.CognitoID)
		if !a.Usable(w.branding) || !ok || c.Marker != a.Marker || c.Branded != a.Branded || len(a.Abandoned) > 0 {
			w.t.Errorf("app client %s has record %+v and is %+v, %t at Cognito", key, a, c, ok)
			continue
		}
		if !slices.Equal(a.Scopes, c.Brokered.Scopes) {
			w.t.Errorf("app client %s lists the scopes %q and has %q", key, a.Scopes, c.Brokered.Scopes)
		}
		secret, err := w.keys.Open(broker.SecretPurpose, a.SecretOwner(), a.Secret)
		if err != nil || secret != c.Secret {
			w.t.Errorf("the secret of %s opens as %q, %v, want %q", key, secret, err, c.Secret)
		}
		if err := w.inner.TakeBudget(ctx, broker.Budget{Key: "app_clients/" + a.Profile, Limit: 0}, key); err != nil && w.limited(a.Profile) {
			w.t.Errorf("app client %s holds no place: %v", key, err)
		}
	}
	for id, c := range clients {
		w.t.Errorf("app client %s is at Cognito and has no record: %+v", id, c)
	}
	for _, profile := range []string{"open", "trusted"} {
		held := 0
		for _, key := range keys {
			if a, err := w.inner.AppClient(ctx, key); err == nil && a.Profile == profile {
				held++
			}
		}
		b := broker.Budget{Key: "app_clients/" + profile, Limit: held + 1}
		if err := w.inner.TakeBudget(ctx, b, "probe"); err != nil {
			w.t.Errorf("more than %d places of profile %s are taken", held, profile)
			continue
		}
		if err := w.inner.ReturnBudget(ctx, b.Key, "probe"); err != nil {
			w.t.Fatal(err)
		}
	}
	for key, err := range dueAppClients(ctx, w.inner, w.now().Add(24*time.Hour)) {
		if a, readErr := w.inner.AppClient(ctx, key); readErr == nil && a.Kind == broker.KindDedicated && a.Due.Equal(w.registration(a.ClientID).ExpiresAt) {
			continue // it is looked at again when its registration may be gone
		}
		w.t.Errorf("app client %s is due (%v)", key, err)
	}
}

func (w *brokeredWorld) limited(profile string) bool {
	return profile == "open" || profile == "trusted"
}

// recover is what happens later: time passes, everything works again, new
// processes start, and the janitor comes. Then all is consistent with these app
// clients and no others, if any are given.
func (w *brokeredWorld) recover(keys ...string) {
	w.t.Helper()
	w.store.Reset()
	w.pool.Reset()
	w.grants.Reset()
	w.restart()
	w.wait(5 * time.Minute)
	done, err := w.Sweep(w.t.Context(), usecase.SweepOptions{})
	if err != nil || done.Failed > 0 {
		w.t.Errorf("Sweep = %+v, %v", done, err)
	}
	again, err := w.Sweep(w.t.Context(), usecase.SweepOptions{})
	if err != nil || again != (usecase.Swept{}) {
		w.t.Errorf("a second Sweep = %+v, %v, want nothing to do", again, err)
	}
	if len(keys) > 0 {
		w.checkConsistent(keys...)
	}
}

// existing are those of keys that have a record of an app client.
func (w *brokeredWorld) existing(keys ...string) []string {
	found := []string{}
	for _, key := range keys {
		a, err := w.inner.AppClient(w.t.Context(), key)
		if !errors.Is(err, broker.ErrNotFound) && a.State != broker.AppClientVacant {
			found = append(found, key)
		}
	}
	return found
}

// whateverFails runs f once for each effect and fault, in a world of its own.
func whateverFails(t *testing.T, f func(t *testing.T, w *brokeredWorld, fault func())) {
	sample := newBrokeredWorld(t)
	each := func(method string, which func(*brokeredWorld) *fake.Faults) {
		for n := 1; n <= 4; n++ {
			for _, p := range []fake.Point{fake.NotApplied, fake.ReplyLost} {
				for _, dies := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s %d, %s, dies %t", method, n, p, dies), func(t *testing.T) {
						w := newBrokeredWorld(t)
						f(t, w, func() {
							all := []*fake.Faults{w.store.Faults, w.pool.Faults, w.grants.Faults}
							for _, f := range all {
								f.Reset()
							}
							if dies {
								which(w).DieAt(method, n, p, all...)
							} else {
								which(w).FailCall(method, n, p)
							}
						})
					})
				}
			}
		}
	}
	for _, method := range sample.store.Methods() {
		each(method, func(w *brokeredWorld) *fake.Faults { return w.store.Faults })
	}
	for _, method := range sample.pool.Methods() {
		each(method, func(w *brokeredWorld) *fake.Faults { return w.pool.Faults })
	}
	for _, method := range sample.grants.Methods() {
		each(method, func(w *brokeredWorld) *fake.Faults { return w.grants.Faults })
	}
}

// vouched registers a client with an initial access token of that profile.
func (w *brokeredWorld) vouched(profile, body string) (clientID string, rat credential.Token) {
	w.t.Helper()
	tok, _ := w.token(profile, 1)
	info, rat := w.mustRegister(body, tok)
	return info.ClientID, rat
}
