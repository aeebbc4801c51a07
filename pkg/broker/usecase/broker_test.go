package usecase_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/usecase"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// world is a broker on a store and a pool that can fail, with a clock.
type world struct {
	*usecase.Service
	t     *testing.T
	inner *memory.Store
	store *fake.Store
	pool  *fake.Pool

	mu      sync.Mutex
	clock   time.Time
	ticking bool // the clock goes on by itself, in a synctest bubble
	began   time.Time
	policy  *policy.Policy
	jwts    knownJWTs
}

var start = time.Date(2026, 11, 21, 12, 30, 0, 0, time.UTC)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: start, pool: fake.NewPool()}
	w.usePolicy(string(policy.Default()))
	w.inner = memory.NewStore(w.now)
	w.store = fake.NewStore(w.inner)
	s, err := usecase.New(usecase.Config{
		Store: w.store, AppClients: w.pool, Adopter: w.pool, Deployment: "test", Issuer: "https://auth.example.com", Now: w.now, Log: discard, JWTs: &w.jwts,
		Policy: w.policySource,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Service = s
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ticking && w.began.IsZero() {
		w.began = time.Now()
	}
	if w.ticking {
		return w.clock.Add(time.Since(w.began))
	}
	return w.clock
}

func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

func (w *world) usePolicy(doc string) {
	w.t.Helper()
	p, err := policy.Parse([]byte(doc), broker.Deployment{Scopes: []string{"openid", "mcp/read", "mcp/write"}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.policy = p
}

// token makes an initial access token for the profile.
func (w *world) token(profile string, uses int) (credential.Token, string) {
	w.t.Helper()
	tok, rec, err := credential.NewInitialAccessToken(credential.Grant{Profile: profile, MaxUses: uses, Lifetime: 24 * time.Hour}, w.now())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.inner.CreateInitialAccessToken(w.t.Context(), rec); err != nil {
		w.t.Fatal(err)
	}
	return tok, rec.ID
}

func (w *world) uses(id string) int {
	w.t.Helper()
	rec, err := w.inner.InitialAccessToken(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(rec.Uses)
}

const (
	publicBody       = `{"client_name":"Claude","redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"token_endpoint_auth_method":"none"}`
	confidentialBody = `{"client_name":"App","redirect_uris":["https://app.example.com/cb"],"token_endpoint_auth_method":"client_secret_basic"}`
)

func request(t *testing.T, body string) *dcr.Request {
	t.Helper()
	req, err := dcr.Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// update is a body for PUT: that of a registration with more members.
func update(t *testing.T, body, clientID string, more ...any) *dcr.Request {
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
	return request(t, string(b))
}

func (w *world) mustRegister(body string, tok credential.Token) (*dcr.ClientInformation, credential.Token) {
	w.t.Helper()
	info, err := w.Register(w.t.Context(), request(w.t, body), tok)
	if err != nil {
		w.t.Fatalf("Register: %v", err)
	}
	return info, credential.Presented(info.RegistrationAccessToken)
}

func wantCode(t *testing.T, what string, err error, want dcr.Code) *dcr.Error {
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
func (w *world) checkConsistent() {
	w.t.Helper()
	ctx := w.t.Context()
	clients := w.pool.All()
	registered := 0
	for r, err := range w.inner.ListRegistrations(ctx) {
		if err != nil {
			w.t.Fatal(err)
		}
		registered++
		c, ok := clients[r.ClientID]
		if !ok {
			w.t.Errorf("registration %s has no app client", r.ClientID)
			continue
		}
		if got, want := mustJSON(w.t, c.Metadata), mustJSON(w.t, r.Metadata); got != want {
			w.t.Errorf("app client %s has %s, its registration %s", r.ClientID, got, want)
		}
		a, err := w.inner.AppClient(ctx, r.AppClient)
		if err != nil || a.State != broker.AppClientReady || a.CognitoID != r.ClientID || !a.Due.IsZero() || r.State != broker.RegistrationActive {
			w.t.Errorf("registration %s is %s and has record %+v, %v", r.ClientID, r.State, a, err)
		}
	}
	if len(clients) != registered {
		w.t.Errorf("%d app clients for %d registrations", len(clients), registered)
	}
	for key, err := range dueAppClients(ctx, w.inner, w.now().Add(24*time.Hour)) {
		w.t.Errorf("app client %s is due (%v)", key, err)
	}
}

// dueAppClients are the keys of the app client records that are due at now.
func dueAppClients(ctx context.Context, s broker.Store, now time.Time) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for d, err := range s.Due(ctx, now, "") {
			if (d.Kind == broker.DueAppClient || err != nil) && !yield(d.Key, err) {
				return
			}
		}
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRegister(t *testing.T) {
	t.Run("an open registration is a public client with the profile's scopes", func(t *testing.T) {
		w := newWorld(t)
		info, _ := w.mustRegister(strings.Replace(publicBody, `"none"`, `"client_secret_post"`, 1), credential.Token{})
		if info.ClientSecret != "" || info.Metadata.TokenEndpointAuthMethod != "none" {
			t.Errorf("secret %q, method %q, want a public client", info.ClientSecret, info.Metadata.TokenEndpointAuthMethod)
		}
		if want := "openid mcp/read mcp/write"; info.Metadata.Scope != want {
			t.Errorf("scope = %q, want %q", info.Metadata.Scope, want)
		}
		if want := "https://auth.example.com/register/" + info.ClientID; info.RegistrationClientURI != want {
			t.Errorf("registration_client_uri = %q, want %q", info.RegistrationClientURI, want)
		}
		if !strings.HasPrefix(info.RegistrationAccessToken, "dcr_rat_") {
			t.Errorf("registration_access_token = %q, want the prefix dcr_rat_", info.RegistrationAccessToken)
		}
		if !info.IssuedAt.Equal(start) {
			t.Errorf("issued at %s, want %s", info.IssuedAt, start)
		}
		w.checkConsistent()
	})
	t.Run("a token lets a client have a secret", func(t *testing.T) {
		w := newWorld(t)
		tok, id := w.token("trusted", 2)
		info, _ := w.mustRegister(confidentialBody, tok)
		if info.ClientSecret == "" {
			t.Error("no client secret")
		}
		if n := w.uses(id); n != 1 {
			t.Errorf("%d uses taken, want 1", n)
		}
		w.checkConsistent()
	})
	t.Run("open registration that is off asks for a token", func(t *testing.T) {
		w := newWorld(t)
		w.usePolicy(strings.Replace(string(policy.Default()), `"open_registration": "open"`, `"open_registration": null`, 1))
		_, err := w.Register(t.Context(), request(t, publicBody), credential.Token{})
		wantCode(t, "Register", err, dcr.TokenRequired)
		w.checkConsistent()
	})
	t.Run("tokens that do not vouch", func(t *testing.T) {
		w := newWorld(t)
		spent, spentID := w.token("trusted", 1)
		w.mustRegister(confidentialBody, spent)
		revoked, revokedID := w.token("trusted", 0)
		if err := w.inner.RevokeInitialAccessToken(t.Context(), revokedID, start); err != nil {
			t.Fatal(err)
		}
		valid, _ := w.token("trusted", 0)
		other, _ := w.token("trusted", 0)
		mixed := valid.Reveal()[:len("dcr_iat_")+26] + other.Reveal()[len("dcr_iat_")+26:]
		gone, _ := w.token("no-such-profile", 0)
		for _, tt := range []struct {
			name string
			tok  credential.Token
			want dcr.Code
			says string
		}{
			{"spent", spent, dcr.InvalidToken, "spent"},
			{"revoked", revoked, dcr.InvalidToken, "revoked"},
			{"not a token of ours", credential.Presented("abc"), dcr.InvalidToken, "not valid"},
			{"a registration access token", credential.NewRegistrationAccessToken(), dcr.InvalidToken, "not valid"},
			{"the id of one and the secret of another", credential.Presented(mixed), dcr.InvalidToken, "not valid"},
			{"unknown id", credential.Presented("dcr_iat_" + strings.Repeat("a", 78)), dcr.InvalidToken, "not valid"},
			{"its profile is not in the policy", gone, dcr.InsufficientScope, "profile"},
		} {
			_, err := w.Register(t.Context(), request(t, confidentialBody), tt.tok)
			if e := wantCode(t, tt.name, err, tt.want); !strings.Contains(e.Description, tt.says) {
				t.Errorf("%s: description %q does not say %q", tt.name, e.Description, tt.says)
			}
		}
		w.wait(25 * time.Hour)
		_, err := w.Register(t.Context(), request(t, confidentialBody), valid)
		if e := wantCode(t, "expired", err, dcr.InvalidToken); !strings.Contains(e.Description, "expired") {
			t.Errorf("description %q does not say expired", e.Description)
		}
		if n := w.uses(spentID); n != 1 {
			t.Errorf("%d uses of the spent token, want 1", n)
		}
		w.checkConsistent()
	})
	t.Run("what the token's profile does not allow is 403", func(t *testing.T) {
		w := newWorld(t)
		w.usePolicy(`{"version":1,"profiles":{"web":{"redirect_uris":{"https":["https://app.example.com/cb"]},"token_endpoint_auth_methods":["none"]}}}`)
		tok, id := w.token("web", 1)
		_, err := w.Register(t.Context(), request(t, confidentialBody), tok)
		wantCode(t, "Register", err, dcr.InsufficientScope)
		if n := w.uses(id); n != 0 {
			t.Errorf("%d uses taken by a refusal, want 0", n)
		}
	})
}

func TestConcurrentRegistrationsOnALastUse(t *testing.T) {
	w := newWorld(t)
	tok, id := w.token("trusted", 1)
	const n = 20
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { _, errs[i] = w.Register(t.Context(), request(t, confidentialBody), tok) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else {
			wantCode(t, "loser", err, dcr.InvalidToken)
		}
	}
	if made != 1 || w.uses(id) != 1 || len(w.pool.All()) != 1 {
		t.Errorf("%d registered, %d uses, %d app clients, want 1 of each", made, w.uses(id), len(w.pool.All()))
	}
	w.checkConsistent()
}

func TestLimits(t *testing.T) {
	limited := `{"version":1,"open_registration":"open","profiles":{"open":{
		"redirect_uris":{"presets":["claude"],"loopback":true},"limits":{%s}}}}`
	loopback := `{"redirect_uris":["http://localhost:1/cb"]}`

	t.Run("app clients in all", func(t *testing.T) {
		w := newWorld(t)
		w.usePolicy(strings.Replace(limited, "%s", `"app_clients":2`, 1))
		_, first := w.mustRegister(publicBody, credential.Token{})
		w.mustRegister(publicBody, credential.Token{})
		_, err := w.Register(t.Context(), request(t, publicBody), credential.Token{})
		if e := wantCode(t, "third", err, dcr.Unavailable); e.RetryAfter <= 0 {
			t.Error("no Retry-After")
		}
		id := ""
		for clientID := range w.pool.All() {
			if r, err := w.Read(t.Context(), clientID, first); err == nil {
				id = r.ClientID
			}
		}
		if err := w.Delete(t.Context(), id, first); err != nil {
			t.Fatal(err)
		}
		w.mustRegister(publicBody, credential.Token{}) // the place is free again
		w.checkConsistent()
	})
	t.Run("creations an hour, for each redirect host", func(t *testing.T) {
		w := newWorld(t)
		w.usePolicy(strings.Replace(limited, "%s", `"creations_per_hour":2`, 1))
		w.mustRegister(publicBody, credential.Token{})
		w.mustRegister(publicBody, credential.Token{})
		_, err := w.Register(t.Context(), request(t, publicBody), credential.Token{})
		if e := wantCode(t, "third", err, dcr.TooManyRequests); e.RetryAfter != 30*time.Minute {
			t.Errorf("Retry-After = %s, want the 30 minutes that are left of the hour", e.RetryAfter)
		}
		w.mustRegister(loopback, credential.Token{}) // another host has its own
		w.wait(30 * time.Minute)
		w.mustRegister(publicBody, credential.Token{})
		w.checkConsistent()
	})
}

var discard = slog.New(slog.DiscardHandler)

func (w *world) policySource(context.Context) (*policy.Policy, error) { return w.policy, nil }

// slowCreate calls after when an app client has been made and before whoever
// makes it knows.
type slowCreate struct {
	*fake.Pool
	after func()
}

func (s *slowCreate) Create(ctx context.Context, marker string, m dcr.ClientMetadata) (broker.NewAppClient, error) {
	made, err := s.Pool.Create(ctx, marker, m)
	s.after()
	return made, err
}
