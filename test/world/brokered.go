package world

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/provision"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// Brokered is a World in brokered mode.
type Brokered struct {
	*World
	Keys     *seal.Ring
	Grants   *fake.Grants
	Branding bool
	// Maker makes app clients: the pool, unless a test sets another before
	// Restart.
	Maker provision.Pool
	// Log discards unless a test sets another before Restart.
	Log *slog.Logger
	// Scopes are the scopes of the deployment.
	Scopes []string
	// Conf is the configuration in force, except its Policy. By default it has
	// only the lifetime of refresh tokens, 30 days.
	Conf configuration.Configuration
	// ConfErr is the error of reading the configuration.
	ConfErr error
	// KeysErr is the error of reading the keys.
	KeysErr error
}

// Options are what a test changes in a world of brokered mode. The zero value has
// BrokeredPolicy, a clock that stands at Start, and a pool in memory.
type Options struct {
	Policy   string
	Scopes   []string // of the deployment
	Clock    *fake.Clock
	Branding bool
	// Maker makes the app clients; nil is the pool in memory.
	Maker func(*Brokered) provision.Pool
}

// NewBrokered returns a Brokered under BrokeredPolicy.
func NewBrokered(t testing.TB) *Brokered {
	t.Helper()
	return NewBrokeredWith(t, Options{})
}

// NewBrokeredWith is NewBrokered with Options.
func NewBrokeredWith(t testing.TB, o Options) *Brokered {
	t.Helper()
	w := &Brokered{World: &World{T: t, Clock: o.Clock, Pool: fake.NewPool()}, Grants: fake.NewGrants(), Branding: o.Branding, Scopes: o.Scopes}
	if w.Clock == nil {
		w.Clock = fake.ClockAt(Start)
	}
	if w.Scopes == nil {
		w.Scopes = BrokeredScopes
	}
	if o.Policy == "" {
		o.Policy = BrokeredPolicy
	}
	w.UseBrokeredPolicy(o.Policy)
	w.Conf.Tokens.RefreshToken = 30 * Day
	w.Keys = fake.Ring(t)
	w.Inner = memory.NewStore(w.Now)
	w.Store = fake.NewStore(w.Inner)
	w.Maker = w.Pool
	if o.Maker != nil {
		w.Maker = o.Maker(w)
	}
	w.Restart()
	return w
}

// Restart starts new processes, which have nothing in memory.
func (w *Brokered) Restart() {
	w.T.Helper()
	b, err := Assemble(Parts{
		Mode: broker.ModeBrokered, Store: w.Store, Pool: w.Pool, Maker: w.Maker, Branding: w.Branding, Grants: w.Grants,
		Keys: w.Ring, JWTs: &w.JWTs, Policy: w.PolicySource, Now: w.Now, Log: w.Log,
	})
	if err != nil {
		w.T.Fatal(err)
	}
	w.Broker = b
}

// Ring returns the keys.
func (w *Brokered) Ring(context.Context) (*seal.Ring, error) { return w.Keys, w.KeysErr }

func (w *Brokered) logger() *slog.Logger {
	if w.Log == nil {
		return Discard
	}
	return w.Log
}

// UseBrokeredPolicy puts a policy of brokered mode into force.
func (w *Brokered) UseBrokeredPolicy(doc string) {
	w.T.Helper()
	w.policy = ParsePolicy(w.T, broker.ModeBrokered, doc, w.Scopes)
}

// Registration returns the stored registration of a client.
func (w *Brokered) Registration(clientID string) *broker.Registration {
	w.T.Helper()
	r, err := w.Inner.Registration(w.T.Context(), clientID)
	if err != nil {
		w.T.Fatalf("registration %s: %v", clientID, err)
	}
	return r
}

// AppClientKey is the key of the app client of a client, under today's policy.
func (w *Brokered) AppClientKey(clientID string) string {
	w.T.Helper()
	r := w.Registration(clientID)
	p, ok := w.policy.Profile(r.Profile)
	if !ok {
		w.T.Fatalf("no profile %s", r.Profile)
	}
	return policy.AppClientKey(r, p)
}

// AppClient returns the stored record with that key.
func (w *Brokered) AppClient(key string) *broker.AppClient {
	w.T.Helper()
	a, err := w.Inner.AppClient(w.T.Context(), key)
	if err != nil {
		w.T.Fatalf("app client %s: %v", key, err)
	}
	return a
}

// MustProvision makes the app client with that key, and returns its record.
func (w *Brokered) MustProvision(key string) *broker.AppClient {
	w.T.Helper()
	if err := w.Provision(w.T.Context(), key); err != nil {
		w.T.Fatalf("Provision(%s): %v", key, err)
	}
	return w.AppClient(key)
}

// Rows counts the stored registrations.
func (w *Brokered) Rows() int {
	w.T.Helper()
	n := 0
	for _, err := range w.Inner.ListAllRegistrations(w.T.Context()) {
		if err != nil {
			w.T.Fatal(err)
		}
		n++
	}
	return n
}

// CheckConsistent checks what holds whenever nothing is under way: the app
// clients at Cognito are those of the records with these keys, each record can
// be used and holds a place in the budget of its profile, and nothing is due.
func (w *Brokered) CheckConsistent(keys ...string) {
	w.T.Helper()
	ctx := w.T.Context()
	clients := w.Pool.All()
	for _, key := range keys {
		a, err := w.Inner.AppClient(ctx, key)
		if err != nil {
			w.T.Errorf("app client %s: %v", key, err)
			continue
		}
		c, ok := clients[a.CognitoID]
		delete(clients, a.CognitoID)
		if !a.Usable(w.Branding) || !ok || c.Marker != a.Marker || c.Branded != a.Branded || len(a.Abandoned) > 0 {
			w.T.Errorf("app client %s has record %+v and is %+v, %t at Cognito", key, a, c, ok)
			continue
		}
		if !slices.Equal(a.Scopes, c.Brokered.Scopes) {
			w.T.Errorf("app client %s lists the scopes %q and has %q", key, a.Scopes, c.Brokered.Scopes)
		}
		secret, err := w.Keys.Open(broker.SecretPurpose, a.SecretOwner(), a.Secret)
		if err != nil || secret != c.Secret {
			w.T.Errorf("the secret of %s opens as %q, %v, want %q", key, secret, err, c.Secret)
		}
		if err := w.Inner.TakeBudget(ctx, broker.Budget{Key: "app_clients/" + a.Profile, Limit: 0}, a.Marker); err != nil && w.limited(a.Profile) {
			w.T.Errorf("app client %s holds no place: %v", key, err)
		}
	}
	for id, c := range clients {
		w.T.Errorf("app client %s is at Cognito and has no record: %+v", id, c)
	}
	for _, profile := range []string{"open", "trusted"} {
		held := 0
		for _, key := range keys {
			if a, err := w.Inner.AppClient(ctx, key); err == nil && a.Profile == profile {
				held++
			}
		}
		b := broker.Budget{Key: "app_clients/" + profile, Limit: held + 1}
		if err := w.Inner.TakeBudget(ctx, b, "probe"); err != nil {
			w.T.Errorf("more than %d places of profile %s are taken", held, profile)
			continue
		}
		if err := w.Inner.ReturnBudget(ctx, b.Key, "probe"); err != nil {
			w.T.Fatal(err)
		}
	}
	for key, err := range DueAppClients(ctx, w.Inner, w.Now().Add(24*time.Hour)) {
		if a, readErr := w.Inner.AppClient(ctx, key); readErr == nil && a.Kind == broker.KindDedicated && a.Due.Equal(w.Registration(a.ClientID).ExpiresAt) {
			continue // it is checked again when its registration may be gone
		}
		w.T.Errorf("app client %s is due (%v)", key, err)
	}
}

func (w *Brokered) limited(profile string) bool {
	return profile == "open" || profile == "trusted"
}

// Recover does what happens later: time passes, calls succeed again, new
// processes start, and the janitor sweeps. If keys are given, Recover then
// checks that exactly these app clients exist and that all records are
// consistent.
func (w *Brokered) Recover(keys ...string) {
	w.T.Helper()
	w.Store.Reset()
	w.Pool.Reset()
	w.Grants.Reset()
	w.Restart()
	w.Wait(5 * time.Minute)
	done, err := w.Sweep(w.T.Context(), janitor.Options{})
	if err != nil || done.Failed > 0 {
		w.T.Errorf("Sweep = %+v, %v", done, err)
	}
	w.Wait(broker.Grace) // a record that was vacated is due once more
	again, err := w.Sweep(w.T.Context(), janitor.Options{})
	if err != nil || again != (janitor.Report{}) {
		w.T.Errorf("a second Sweep = %+v, %v, want nothing to do", again, err)
	}
	if len(keys) > 0 {
		w.CheckConsistent(keys...)
	}
}

// Existing returns the keys that have a record of an app client.
func (w *Brokered) Existing(keys ...string) []string {
	found := []string{}
	for _, key := range keys {
		a, err := w.Inner.AppClient(w.T.Context(), key)
		if !errors.Is(err, broker.ErrNotFound) && a.State != broker.AppClientVacant {
			found = append(found, key)
		}
	}
	return found
}

// Vouched registers a client with an initial access token of that profile.
func (w *Brokered) Vouched(profile, body string) (clientID string, rat credential.Token) {
	w.T.Helper()
	tok, _ := w.Token(profile, 1)
	info, rat := w.MustRegister(body, tok)
	return info.ClientID, rat
}

// NewLife returns a Brokered under LifePolicy.
func NewLife(t testing.TB) *Brokered {
	t.Helper()
	w := NewBrokered(t)
	w.UseBrokeredPolicy(LifePolicy)
	return w
}

// Use records a use of the client, as a request for a token does.
func (w *Brokered) Use(clientID string) {
	w.T.Helper()
	r, err := w.Client(w.T.Context(), clientID)
	if err == nil {
		err = w.Touch(w.T.Context(), r)
	}
	if err != nil {
		w.T.Fatalf("use %s: %v", clientID, err)
	}
}

// Allow adds a grant of a user for the client.
func (w *Brokered) Allow(clientID string) {
	w.Grants.Add(fake.Grant{
		ID: credential.NewID(), ClientID: clientID, Generation: w.Registration(clientID).Generation, Sub: "ann",
	})
}

// Standing counts the grants of a client that have not ended.
func (w *Brokered) Standing(clientID string) int {
	n := 0
	for _, g := range w.Grants.Standing() {
		if g.ClientID == clientID {
			n++
		}
	}
	return n
}

// MustSweep sweeps, and everything must be done.
func (w *Brokered) MustSweep() janitor.Report {
	w.T.Helper()
	done, err := w.Sweep(w.T.Context(), janitor.Options{})
	if err != nil || done.Failed > 0 || done.Unfinished {
		w.T.Errorf("Sweep = %+v, %v", done, err)
	}
	return done
}

// WantState fails the test unless the registration is in that state.
func (w *Brokered) WantState(clientID string, want broker.RegistrationState) *broker.Registration {
	w.T.Helper()
	r := w.Registration(clientID)
	if r.State != want {
		w.T.Errorf("client %s is %s, want %s", clientID, r.State, want)
	}
	return r
}

// Passes lets time pass. The janitor sweeps every hour, and these clients are
// used twice a day.
func (w *Brokered) Passes(d time.Duration, used ...string) {
	w.T.Helper()
	for h := range int(d / time.Hour) {
		w.Wait(time.Hour)
		if h%12 == 0 {
			for _, id := range used {
				w.Use(id)
			}
		}
		w.MustSweep()
	}
}

// Writes counts the calls that change registrations and budgets.
func (w *Brokered) Writes() int {
	return w.Store.Calls("CreateRegistration") + w.Store.Calls("ReplaceRegistration") + w.Store.Calls("DeleteRegistration") +
		w.Store.Calls("TouchRegistration") + w.Store.Calls("TakeBudget") + w.Store.Calls("Count")
}

// Direct returns a Broker in direct mode on the store and pool of w, as after the
// deployment changed its mode.
func (w *Brokered) Direct() *Broker {
	w.T.Helper()
	return w.On(w.Store, w.Pool)
}
