package world

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// byHand makes an app client that somebody else has made.
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

// world is a broker on a store and a pool that can fail, with a clock.
type World struct {
	*Broker
	T     testing.TB
	Inner *memory.Store
	Store *fake.Store
	Pool  *fake.Pool

	Clock  *fake.Clock
	JWTs   KnownJWTs
	policy *policy.Policy
}

// Day is a day.
const Day = 24 * time.Hour

// Start is the time at which each world begins.
var Start = time.Date(2026, 11, 21, 12, 30, 0, 0, time.UTC)

func New(t testing.TB) *World {
	t.Helper()
	w := &World{T: t, Clock: fake.ClockAt(Start), Pool: fake.NewPool()}
	w.UsePolicy(string(policy.Default()))
	w.Inner = memory.NewStore(w.Now)
	w.Store = fake.NewStore(w.Inner)
	s, err := Assemble(Parts{
		Store: w.Store, Pool: w.Pool, Now: w.Now, JWTs: &w.JWTs,
		Policy: w.PolicySource,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Broker = s
	return w
}

func (w *World) Now() time.Time { return w.Clock.Now() }

func (w *World) Wait(d time.Duration) { w.Clock.Advance(d) }

func (w *World) UsePolicy(doc string) {
	w.T.Helper()
	p, err := policy.Parse([]byte(doc), broker.Deployment{Scopes: []string{"openid", "mcp/read", "mcp/write"}})
	if err != nil {
		w.T.Fatal(err)
	}
	w.policy = p
}

// token makes an initial access token for the profile.
func (w *World) Token(profile string, uses int) (credential.Token, string) {
	w.T.Helper()
	tok, rec, err := credential.NewInitialAccessToken(credential.Grant{Profile: profile, MaxUses: uses, Lifetime: 24 * time.Hour}, w.Now())
	if err != nil {
		w.T.Fatal(err)
	}
	if err := w.Inner.CreateInitialAccessToken(w.T.Context(), rec); err != nil {
		w.T.Fatal(err)
	}
	return tok, rec.ID
}

func (w *World) Uses(id string) int {
	w.T.Helper()
	rec, err := w.Inner.InitialAccessToken(w.T.Context(), id)
	if err != nil {
		w.T.Fatal(err)
	}
	return len(rec.Uses)
}

const (
	PublicBody       = `{"client_name":"Claude","redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"token_endpoint_auth_method":"none"}`
	ConfidentialBody = `{"client_name":"App","redirect_uris":["https://app.example.com/cb"],"token_endpoint_auth_method":"client_secret_basic"}`
	AppBody          = `{"client_name":"App","redirect_uris":["https://app.example.com/cb"],"token_endpoint_auth_method":"none"}`
)

func Request(t testing.TB, body string) *dcr.Request {
	t.Helper()
	req, err := dcr.Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// update is a body for PUT: that of a registration with more members.
func Update(t testing.TB, body, clientID string, more ...any) *dcr.Request {
	t.Helper()
	members := map[string]any{}
	if err := json.Unmarshal([]byte(body), &members); err != nil {
		t.Fatal(err)
	}
	members["client_id"] = clientID
	for i := 0; i < len(more); i += 2 {
		members[more[i].(string)] = more[i+1]
	}
	b, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return Request(t, string(b))
}

func (w *World) MustRegister(body string, tok credential.Token) (*dcr.ClientInformation, credential.Token) {
	w.T.Helper()
	info, err := w.Register(w.T.Context(), Request(w.T, body), tok)
	if err != nil {
		w.T.Fatalf("Register: %v", err)
	}
	return info, credential.Presented(info.RegistrationAccessToken)
}

func WantCode(t testing.TB, what string, err error, want dcr.Code) *dcr.Error {
	t.Helper()
	e, ok := errors.AsType[*dcr.Error](err)
	if !ok || e.Code != want {
		t.Errorf("%s: error = %v, want %s", what, err, want)
		return &dcr.Error{}
	}
	return e
}

// checkConsistent holds whenever nothing is under way: each registration has
// its app client, with the settings it was told; there is no other app client;
// nothing is due; and the budgets count what there is.
func (w *World) CheckConsistent() {
	w.T.Helper()
	ctx := w.T.Context()
	clients := w.Pool.All()
	registered := 0
	for r, err := range w.Inner.ListRegistrations(ctx) {
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

// dueAppClients are the keys of the app client records that are due at now.
func DueAppClients(ctx context.Context, s broker.Store, now time.Time) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for d, err := range s.Due(ctx, now, "") {
			if (d.Kind == broker.DueAppClient || err != nil) && !yield(d.Key, err) {
				return
			}
		}
	}
}

func MustJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var Discard = slog.New(slog.DiscardHandler)

func (w *World) PolicySource(context.Context) (*policy.Policy, error) { return w.policy, nil }

// recover is what happens later: time passes, everything works again, and the
// janitor comes.
func (w *World) Recover() {
	w.T.Helper()
	w.Settle()
	w.CheckConsistent()
}

// sweep is recover where there may be something that no janitor sets right.
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

// members counts the members of a budget.
func (w *World) Members(key string) int {
	w.T.Helper()
	for n := range 100 {
		err := w.Inner.TakeBudget(w.T.Context(), broker.Budget{Key: key, Limit: n + 1, ExpiresAt: w.Now().Add(2 * time.Hour)}, "probe")
		if errors.Is(err, broker.ErrExhausted) {
			continue
		}
		if err := errors.Join(err, w.Inner.ReturnBudget(w.T.Context(), key, "probe")); err != nil {
			w.T.Fatal(err)
		}
		return n
	}
	w.T.Fatalf("more than 100 members of %s", key)
	return 0
}

func (w *World) Taken(iat string) Taken {
	w.T.Helper()
	return Taken{w.Uses(iat), w.Members(PlacesKey), w.Members(hourKey)}
}

func (w *World) WantTaken(when, iat string, want Taken) {
	w.T.Helper()
	if got := w.Taken(iat); got != want {
		w.T.Errorf("%s: taken %+v, want %+v", when, got, want)
	}
}

// ci makes a JWT of the CI system that is good for ten minutes.
func (w *World) CI(token, repo string) credential.Token {
	return w.JWTs.Says(token, CiIssuer, w.Now().Add(10*time.Minute), CIClaims(repo))
}

// members of the two budgets of a JWT that TestJWTRegistrationWhateverFails looks
// at, if the test began when the clock stood at start.
func (w *World) TakenByJWT() int {
	return w.Members("jwt/id of a.b.c")
}

var None credential.Token

const CiBody = `{"client_name":"CI","grant_types":["client_credentials"],"token_endpoint_auth_method":"client_secret_basic"}`

const MachineBody = `{"client_name":"Job","grant_types":["client_credentials"],"scope":"mcp/write mcp/read"}`

// on returns the use cases of w in direct mode on another store and pool.
func (w *World) On(store broker.Store, pool broker.AppClients) *Broker {
	w.T.Helper()
	s, err := Assemble(Parts{
		Store: store, Pool: pool, Now: w.Now, Policy: w.PolicySource,
	})
	if err != nil {
		w.T.Fatal(err)
	}
	return s
}

func (w *World) LimitedClient() *LimitedClient {
	w.T.Helper()
	w.UsePolicy(LimitedPolicy)
	tok, iat := w.Token("limited", 1)
	info, rat := w.MustRegister(ConfidentialBody, tok)
	c := &LimitedClient{Info: info, Rat: rat, Iat: iat}
	var err error
	if c.R, err = w.Inner.Registration(w.T.Context(), info.ClientID); err != nil {
		w.T.Fatal(err)
	}
	if c.A, err = w.Inner.AppClient(w.T.Context(), c.R.AppClient); err != nil {
		w.T.Fatal(err)
	}
	return c
}

// put stores what was changed of c.
func (w *World) Put(c *LimitedClient) {
	w.T.Helper()
	if err := w.Inner.ReplaceRegistration(w.T.Context(), c.R); err != nil {
		w.T.Fatal(err)
	}
	if err := w.Inner.ReplaceAppClient(w.T.Context(), c.A); err != nil {
		w.T.Fatal(err)
	}
}

// hasRegistration reports whether there is a registration with the id of c.
func (w *World) HasRegistration(c *LimitedClient) bool {
	w.T.Helper()
	_, err := w.Inner.Registration(w.T.Context(), c.R.ClientID)
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		w.T.Fatal(err)
	}
	return err == nil
}

// wantUntouched checks that a janitor who is told that c is due does nothing.
func (w *World) WantUntouched(c *LimitedClient) {
	w.T.Helper()
	w.Pool.Reset()
	sweeper := w.On(&LaggingStore{Store: w.Store, Keys: []string{c.A.Key}}, w.Pool)
	if done, err := sweeper.Sweep(w.T.Context(), janitor.Options{}); err != nil || done != (janitor.Report{}) {
		w.T.Errorf("Sweep = %+v, %v, want nothing to do", done, err)
	}
	for _, method := range w.Pool.Methods() {
		if method == "List" {
			continue // to compare
		}
		if n := w.Pool.Calls(method); n != 0 {
			w.T.Errorf("%d calls of %s at Cognito, want none", n, method)
		}
	}
	if a, err := w.Inner.AppClient(w.T.Context(), c.A.Key); err != nil || a.Version != c.A.Version {
		w.T.Errorf("the record = %+v, %v, want it unchanged", a, err)
	}
}

// orphan makes an app client that carries our mark, made some time ago, and that
// nobody knows.
func (w *World) Orphan(age time.Duration) string {
	id := "orphan" + credential.NewID()
	w.Pool.Put(id, fake.AppClient{Marker: broker.NewMarker(w.Now().Add(-age)), Brokered: &broker.BrokeredAppClient{}})
	return id
}

func (w *World) Exists(id string) bool {
	_, ok := w.Pool.All()[id]
	return ok
}

func (w *World) SweepOnce() {
	w.T.Helper()
	if done, err := w.Sweep(w.T.Context(), janitor.Options{}); err != nil || done.Failed > 0 {
		w.T.Errorf("Sweep = %+v, %v", done, err)
	}
}
