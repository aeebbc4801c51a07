package world

import (
	"context"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/contract"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// World is a broker in direct mode on a store and a user pool in memory. The
// test moves its clock and can make calls of the store and the pool fail.
type World struct {
	*Broker
	T     testing.TB
	Clock *fake.Clock
	// Inner is the store without faults, for the reads and writes of the test
	// itself.
	Inner *memory.Store
	Store *fake.Store
	Pool  *fake.Pool
	JWTs  KnownJWTs

	policy *policy.Policy
}

// New returns a World under DirectPolicy.
func New(t testing.TB) *World {
	t.Helper()
	w := &World{T: t, Clock: fake.ClockAt(Start), Pool: fake.NewPool()}
	w.UsePolicy(DirectPolicy)
	w.Inner = memory.NewStore(w.Now)
	w.Store = fake.NewStore(w.Inner)
	b, err := Assemble(Parts{Store: w.Store, Pool: w.Pool, JWTs: &w.JWTs, Policy: w.PolicySource, Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	w.Broker = b
	return w
}

// Now returns the time of the world.
func (w *World) Now() time.Time { return w.Clock.Now() }

// Wait moves the clock.
func (w *World) Wait(d time.Duration) { w.Clock.Advance(d) }

// UsePolicy puts a policy of direct mode into force.
func (w *World) UsePolicy(doc string) {
	w.T.Helper()
	w.policy = ParsePolicy(w.T, broker.ModeDirect, doc, DirectScopes)
}

// Token makes an initial access token for the profile, and also returns its id.
func (w *World) Token(profile string, uses int) (credential.Token, string) {
	w.T.Helper()
	tok, rec, err := credential.NewInitialAccessToken(credential.Terms{Profile: profile, MaxUses: uses, Lifetime: 24 * time.Hour}, w.Now())
	if err != nil {
		w.T.Fatal(err)
	}
	if err := w.Inner.CreateInitialAccessToken(w.T.Context(), rec); err != nil {
		w.T.Fatal(err)
	}
	return tok, rec.ID
}

// Uses counts the uses of an initial access token.
func (w *World) Uses(id string) int {
	w.T.Helper()
	rec, err := w.Inner.InitialAccessToken(w.T.Context(), id)
	if err != nil {
		w.T.Fatal(err)
	}
	return rec.Uses
}

// MustRegister registers a client, and also returns its registration access
// token.
func (w *World) MustRegister(body string, tok credential.Token) (*dcr.ClientInformation, credential.Token) {
	w.T.Helper()
	info, err := w.Register(w.T.Context(), Request(w.T, body), tok)
	if err != nil {
		w.T.Fatalf("Register: %v", err)
	}
	return info, credential.Presented(info.RegistrationAccessToken)
}

// CheckConsistent checks what holds when no request is in progress: each
// registration has its app client, with the settings of the registration; there
// is no other app client; and nothing is due.
func (w *World) CheckConsistent() {
	w.T.Helper()
	ctx := w.T.Context()
	clients := w.Pool.All()
	registered := 0
	for r, err := range w.Inner.ListAllRegistrations(ctx) {
		if err != nil {
			w.T.Fatal(err)
		}
		registered++
		c, ok := clients[r.ClientID]
		if !ok {
			w.T.Errorf("registration %s has no app client", r.ClientID)
			continue
		}
		if got, want := MustJSON(w.T, c.Metadata), MustJSON(w.T, r.Metadata); got != want {
			w.T.Errorf("app client %s has %s, its registration %s", r.ClientID, got, want)
		}
		a, err := w.Inner.AppClient(ctx, r.AppClient)
		if err != nil || a.State != broker.AppClientReady || a.CognitoID != r.ClientID || !a.Due.IsZero() || r.State != broker.RegistrationActive {
			w.T.Errorf("registration %s is %s and has record %+v, %v", r.ClientID, r.State, a, err)
		}
	}
	if len(clients) != registered {
		w.T.Errorf("%d app clients for %d registrations", len(clients), registered)
	}
	for key, err := range DueAppClients(ctx, w.Inner, w.Now().Add(24*time.Hour)) {
		w.T.Errorf("app client %s is due (%v)", key, err)
	}
}

// PolicySource returns the policy in force.
func (w *World) PolicySource(context.Context) (*policy.Policy, error) { return w.policy, nil }

// Recover does what happens later: time passes, calls succeed again, and the
// janitor sweeps. Then it checks that all records are consistent.
func (w *World) Recover() {
	w.T.Helper()
	w.Settle()
	w.CheckConsistent()
}

// Settle is Recover without the final check.
func (w *World) Settle() {
	w.T.Helper()
	w.Store.Reset()
	w.Pool.Reset()
	w.Wait(5 * time.Minute)
	done, err := w.Sweep(w.T.Context(), janitor.Options{})
	if err != nil || done.Failed > 0 {
		w.T.Errorf("Sweep = %+v, %v", done, err)
	}
	again, err := w.Sweep(w.T.Context(), janitor.Options{})
	if err != nil || again != (janitor.Report{}) {
		w.T.Errorf("a second Sweep = %+v, %v, want nothing to do", again, err)
	}
}

// CI makes a JWT of the CI system that is valid for ten minutes.
func (w *World) CI(token, repo string) credential.Token {
	return w.JWTs.Says(token, CIIssuer, w.Now().Add(10*time.Minute), CIClaims(repo))
}

// TakenByJWT counts the uses of the JWT "a.b.c".
func (w *World) TakenByJWT() int {
	return w.Members("jwt/id of a.b.c")
}

// On returns a Broker in direct mode on another store and pool.
func (w *World) On(store broker.Store, pool contract.Pool) *Broker {
	w.T.Helper()
	b, err := Assemble(Parts{Store: store, Pool: pool, Policy: w.PolicySource, Now: w.Now})
	if err != nil {
		w.T.Fatal(err)
	}
	return b
}

// Orphan makes an app client of that age that carries our marker and has no
// record.
func (w *World) Orphan(age time.Duration) string {
	id := "orphan" + credential.NewID()
	w.Pool.Put(id, fake.AppClient{Marker: broker.NewMarker(w.Now().Add(-age)), Brokered: &broker.BrokeredAppClient{}})
	return id
}

// Exists reports whether the pool has an app client with that id.
func (w *World) Exists(id string) bool {
	_, ok := w.Pool.All()[id]
	return ok
}

// SweepOnce sweeps, and fails the test if the sweep fails.
func (w *World) SweepOnce() {
	w.T.Helper()
	if done, err := w.Sweep(w.T.Context(), janitor.Options{}); err != nil || done.Failed > 0 {
		w.T.Errorf("Sweep = %+v, %v", done, err)
	}
}

// ByHand makes an app client as an administrator does at the console: without
// our marker.
func (w *World) ByHand(id string) dcr.ClientMetadata {
	w.T.Helper()
	m, err := dcr.Validate(Request(w.T, PublicBody).Metadata)
	if err != nil {
		w.T.Fatal(err)
	}
	m.Scope = "openid mcp/read mcp/write"
	w.Pool.Put(id, fake.AppClient{Metadata: m.ClientMetadata})
	return m.ClientMetadata
}
