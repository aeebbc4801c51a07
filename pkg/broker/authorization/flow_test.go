package authorization

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
)

func TestNewRequiresEveryField(t *testing.T) {
	w := newWorld(t)
	for name, spoil := range map[string]func(*Config){
		"issuer":      func(c *Config) { c.Issuer = "" },
		"clients":     func(c *Config) { c.Clients = nil },
		"store":       func(c *Config) { c.Store = nil },
		"provisioner": func(c *Config) { c.Provisioner = nil },
		"conf":        func(c *Config) { c.Configuration = nil },
		"keys":        func(c *Config) { c.Keys = nil },
		"cognito":     func(c *Config) { c.Cognito = nil },
		"login":       func(c *Config) { c.LoginVersion = 0 },
		"now":         func(c *Config) { c.Now = nil },
		"pause":       func(c *Config) { c.Pause = nil },
		"log":         func(c *Config) { c.Log = nil },
	} {
		c := w.config()
		spoil(&c)
		if _, err := New(c); err == nil {
			t.Errorf("New without %s is no error", name)
		}
	}
}

func TestAFlowLeadsToACode(t *testing.T) {
	w := newWorld(t)
	s := w.begin()
	if to, err := w.flow.SignedIn(t.Context(), s, callback(s)); to != "" || err != nil {
		t.Fatalf("SignedIn = %q, %v, want the consent page", to, err)
	}
	q, err := w.flow.Ask(t.Context(), s)
	if err != nil || q.User.Username != "alice" || q.Redirect.Raw != webURI || strings.Join(q.Scopes, " ") != "notes/read" {
		t.Fatalf("Ask = %+v, %v, want alice, the redirect URI and notes/read", q, err)
	}
	o, err := w.flow.Decide(t.Context(), s, Allow, q.CSRF)
	if err != nil {
		t.Fatal(err)
	}
	u := must.ParseURL(t, o.URL)
	g, err := w.store.Grant(t.Context(), broker.GrantID(w.ring, "sign-in", 0))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := w.store.Tokens(t.Context(), g.TokensID)
	if err != nil {
		t.Fatal(err)
	}
	if code := u.Query().Get("code"); !strings.HasPrefix(o.URL, webURI+"?") || !stored.Code.Hash.Matches(credential.Presented(code)) {
		t.Errorf("URL = %s, want the redirect URI with the code of the grant", o.URL)
	}
}

func TestKeysAndConfigurationAreReadOnceForEachRequest(t *testing.T) {
	w := newWorld(t)
	step := func(name string, keys int) {
		t.Helper()
		if w.keysRead != keys || w.confRead != 1 {
			t.Errorf("%s read the keys %d times and the configuration %d times, want %d and 1", name, w.keysRead, w.confRead, keys)
		}
		w.keysRead, w.confRead = 0, 0
	}
	s := w.begin()
	step("Begin", 1)
	if _, err := w.flow.SignedIn(t.Context(), s, callback(s)); err != nil {
		t.Fatal(err)
	}
	step("SignedIn", 1)
	if _, err := w.flow.Ask(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	step("Ask", 1)
	o, err := w.flow.Decide(t.Context(), s, SwitchAccount, s.csrf())
	if err != nil {
		t.Fatal(err)
	}
	step("Decide", 1)
	if to, err := w.flow.Resume(t.Context(), o.Next); to == "" || err != nil {
		t.Fatalf("Resume = %q, %v, want the address of the sign-in", to, err)
	}
	step("Resume", 0)
	if _, err := w.flow.SignedIn(t.Context(), o.Next, Callback{Error: "access_denied", State: o.Next.state()}); err == nil {
		t.Fatal("SignedIn with an error of Cognito is no error")
	}
	step("SignedIn", 1)
	if _, ok := errors.AsType[*Denial](w.flow.Denied(t.Context(), o.Next, "access_denied")); !ok {
		t.Error("Denied returned no denial")
	}
	step("Denied", 0)
}

// Without keys, or without a configuration, a request has no effect and can be
// sent again.
func TestARequestThatIsNotReadyHasNoEffect(t *testing.T) {
	w := newWorld(t)
	s := w.begin()
	failing := func(name string, call func() error) {
		t.Helper()
		before := w.transaction(s)
		for _, missing := range []*error{&w.keysErr, &w.confErr} {
			*missing = errors.New("not read")
			err := call()
			wantProblem(t, err, NotReady, "not ready")
			if p, ok := errors.AsType[*Problem](err); !ok || p.RetryAfter != 10*time.Second || !errors.Is(err, *missing) {
				t.Errorf("%s = %v, want a Problem that names 10 s and has the cause", name, err)
			}
			*missing = nil
			if after := w.transaction(s); after.Version != before.Version {
				t.Errorf("%s changed the transaction", name)
			}
		}
	}
	failing("Begin", func() error {
		_, err := w.flow.Begin(t.Context(), sent(requestOf(clientID, webURI)))
		return err
	})
	failing("SignedIn", func() error { _, err := w.flow.SignedIn(t.Context(), s, callback(s)); return err })
	if _, err := w.flow.SignedIn(t.Context(), s, callback(s)); err != nil {
		t.Fatalf("the same callback later: %v", err)
	}
	failing("Ask", func() error { _, err := w.flow.Ask(t.Context(), s); return err })
	failing("Decide", func() error { _, err := w.flow.Decide(t.Context(), s, Allow, s.csrf()); return err })
	if _, err := w.flow.Decide(t.Context(), s, Allow, s.csrf()); err != nil {
		t.Fatalf("the same decision later: %v", err)
	}
}

func TestATransactionHasNoSecrets(t *testing.T) {
	w := newWorld(t)
	s := w.begin()
	stored := w.transaction(s)
	for name, held := range map[string]string{
		"the cookie": s.text, "the state": s.state(), "the verifier": s.verifier(), "the CSRF token": s.csrf(), "the app client's secret": appSecret,
	} {
		if strings.Contains(string(stored.Tokens)+stored.State+stored.Nonce+stored.Challenge+stored.Key.String(), held) {
			t.Errorf("%s is stored", name)
		}
	}
	if stored.Step != broker.StepStarted || stored.ExpiresAt != w.clock.Second().Add(broker.TransactionLifetime) {
		t.Errorf("step %s until %s, want started, for ten minutes", stored.Step, stored.ExpiresAt)
	}
}

func TestDecisionsBeforeTheSignIn(t *testing.T) {
	w := newWorld(t)
	s := w.begin()
	for _, d := range []Decision{Allow, Cancel, SwitchAccount} {
		_, err := w.flow.Decide(t.Context(), s, d, s.csrf())
		wantProblem(t, err, Expired, "decided already")
	}
	_, err := w.flow.Ask(t.Context(), s)
	wantProblem(t, err, Expired, "nobody has signed in")
	if n := w.grants(); n != 0 {
		t.Errorf("%d grants, want none", n)
	}
	// The transaction still works.
	if _, err := w.flow.SignedIn(t.Context(), s, callback(s)); err != nil {
		t.Errorf("the callback afterwards: %v", err)
	}
}

// An attacker can compute all that is derived from the zero Secret.
func TestTheZeroSecretBelongsToNoTransaction(t *testing.T) {
	w := newWorld(t)
	var none Secret
	_, err := w.flow.SignedIn(t.Context(), none, callback(none))
	wantProblem(t, err, OtherBrowser, "no cookie")
	_, err = w.flow.Ask(t.Context(), none)
	wantProblem(t, err, OtherBrowser, "no cookie")
	_, err = w.flow.Decide(t.Context(), none, Allow, none.csrf())
	wantProblem(t, err, OtherBrowser, "no cookie")
	wantProblem(t, w.flow.Denied(t.Context(), none, "access_denied"), Expired, "ended")
	if to, err := w.flow.Resume(t.Context(), none); to != "" || err != nil {
		t.Errorf("Resume = %q, %v, want nothing to continue", to, err)
	}
}

func TestASecretIsNotPrinted(t *testing.T) {
	now := fake.NewClock().Now()
	s := newSecret(now)
	if got := ParseSecret(s.ID(), s.Reveal()); got != s || !got.Began().Equal(now.Truncate(time.Millisecond)) {
		t.Errorf("ParseSecret does not return what Reveal wrote, or the time %s instead of %s", got.Began(), now)
	}
	other := newSecret(now)
	if got := ParseSecret(other.ID(), s.Reveal()); !got.IsZero() || other.ID() == s.ID() {
		t.Error("the secret of one transaction was taken for another's")
	}
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%+v %#v %s %q", s, s, s, s), slog.AnyValue(s).Resolve().String()} {
		if strings.Contains(text, s.text) {
			t.Errorf("%q has the secret", text)
		}
	}
}

// Requests that wait get their answer before API Gateway ends them.
func TestRequestAndCleanUpsHaveATimeLimit(t *testing.T) {
	// A request that fails may clean up twice: revoke, and remove its transaction.
	if whole := RequestTime + 2*cleanupTime; whole > 25*time.Second || whole < 20*time.Second {
		t.Errorf("a request may take %s, want nearly 25 s", whole)
	}
	if provisionTime+cleanupTime > RequestTime {
		t.Error("an app client may take longer than the request")
	}
}

// interrupted calls a function while Cognito redeems a code.
type interrupted struct {
	cognito
	during func()
}

func (c interrupted) Redeem(ctx context.Context, app broker.AppCredentials, code, verifier, redirectURI string) (broker.Tokens, error) {
	c.during()
	return c.cognito.Redeem(ctx, app, code, verifier, redirectURI)
}

// Another site can open the page of a denial while the callback runs. The client
// gets no code from it, and the callback continues.
func TestAPageOfADenialDoesNotDisturbTheCallback(t *testing.T) {
	w := newWorld(t)
	s, c := w.begin(), w.config()
	c.Cognito = interrupted{cognito{now: w.clock.Now}, func() {
		var d *Denial
		if err := w.flow.Denied(t.Context(), s, "server_error"); !errors.As(err, &d) {
			t.Errorf("Denied while the callback runs = %v, want a Denial", err)
			return
		}
		if u := d.URL(); !strings.HasPrefix(u, webURI+"?error=server_error&") || strings.Contains(u, "code=") {
			t.Errorf("got the URL %s, want an error for the client", u)
		}
	}}
	running, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := running.SignedIn(t.Context(), s, callback(s)); err != nil {
		t.Errorf("SignedIn = %v, want the consent page", err)
	}
	if step := w.transaction(s).Step; step != broker.StepSignedIn {
		t.Errorf("the transaction is at the step %s, want %s", step, broker.StepSignedIn)
	}
}
