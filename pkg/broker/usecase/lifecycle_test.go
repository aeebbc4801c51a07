package usecase_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/usecase"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

const lifePolicy = `{"version":1,"open_registration":"open","profiles":{
	"open":{"redirect_uris":{"presets":["claude"]},"limits":{"app_clients":5},"lifetimes":{"inactive":"3d","unconfirmed":"4d"}},
	"trusted":{"redirect_uris":{"any_https":true},"limits":{"app_clients":5},"lifetimes":{"inactive":"3d","absolute":"30d"},
		"token_endpoint_auth_methods":["client_secret_basic","none"]},
	"lasting":{"redirect_uris":{"any_https":true},"app_client":"shared"},
	"asked":{"redirect_uris":{"any_https":true},"approval":"manual","limits":{"app_clients":5},"lifetimes":{"inactive":"3d"}}}}`

const (
	day     = 24 * time.Hour
	appBody = `{"client_name":"App","redirect_uris":["https://app.example.com/cb"],"token_endpoint_auth_method":"none"}`
)

func newLife(t *testing.T) *brokeredWorld {
	t.Helper()
	w := newBrokeredWorld(t)
	w.useBrokeredPolicy(lifePolicy)
	return w
}

// use is a request for a token.
func (w *brokeredWorld) use(clientID string) {
	w.t.Helper()
	r, err := w.Client(w.t.Context(), clientID)
	if err == nil {
		err = w.Touch(w.t.Context(), r)
	}
	if err != nil {
		w.t.Fatalf("use %s: %v", clientID, err)
	}
}

// allow is a user who allows the client.
func (w *brokeredWorld) allow(clientID string) {
	w.grants.Add(fake.Grant{
		ID: credential.NewID(), ClientID: clientID, Generation: w.registration(clientID).Generation, Sub: "ann",
	})
}

// standing counts the grants of a client that have not been ended.
func (w *brokeredWorld) standing(clientID string) int {
	n := 0
	for _, g := range w.grants.Standing() {
		if g.ClientID == clientID {
			n++
		}
	}
	return n
}

func (w *brokeredWorld) mustSweep() usecase.Swept {
	w.t.Helper()
	done, err := w.Sweep(w.t.Context(), usecase.SweepOptions{})
	if err != nil || done.Failed > 0 || done.Unfinished {
		w.t.Errorf("Sweep = %+v, %v", done, err)
	}
	return done
}

// wantState fails the test unless the registration is in that state.
func (w *brokeredWorld) wantState(clientID string, want broker.RegistrationState) *broker.Registration {
	w.t.Helper()
	r := w.registration(clientID)
	if r.State != want {
		w.t.Errorf("client %s is %s, want %s", clientID, r.State, want)
	}
	return r
}

// passes lets time pass with a sweep every hour and the clients used twice a day.
func (w *brokeredWorld) passes(d time.Duration, used ...string) {
	w.t.Helper()
	for h := range int(d / time.Hour) {
		w.wait(time.Hour)
		if h%12 == 0 {
			for _, id := range used {
				w.use(id)
			}
		}
		w.mustSweep()
	}
}

func TestAClientThatNobodyUsesIsRemoved(t *testing.T) {
	whateverFails(t, func(t *testing.T, w *brokeredWorld, fault func()) {
		w.useBrokeredPolicy(lifePolicy)
		used, _ := w.vouched("trusted", appBody)
		idle, rat := w.vouched("trusted", appBody)
		usedKey, idleKey := w.appClientKey(used), w.appClientKey(idle)
		for _, id := range []string{used, idle} {
			w.mustProvision(w.appClientKey(id))
			w.use(id)
			w.allow(id)
			w.allow(id)
		}
		w.recover(usedKey, idleKey)
		w.wait(2 * day)
		w.use(used)
		w.wait(day)
		fault()
		_, _ = w.Sweep(t.Context(), usecase.SweepOptions{}) // an error or not: the next run finishes it
		w.recover(usedKey)

		r := w.wantState(idle, broker.RegistrationRemoved)
		if left := r.ExpiresAt.Sub(w.now()); !r.Due.IsZero() || left < 89*day || left > 90*day {
			t.Errorf("the tombstone is due at %v and lives until %v, want never and about 90 days", r.Due, r.ExpiresAt)
		}
		if n := w.standing(idle); n != 0 {
			t.Errorf("%d grants of the removed client stand", n)
		}
		if _, err := w.inner.AppClient(t.Context(), idleKey); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("the record of its app client is still there: %v", err)
		}
		_, err := w.Client(t.Context(), idle)
		if !errors.Is(err, broker.ErrRemoved) || !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("Client = %v, want ErrRemoved", err)
		}
		_, err = w.Read(t.Context(), idle, rat)
		wantCode(t, "Read", err, dcr.InvalidToken)
		wantCode(t, "Delete", w.Delete(t.Context(), idle, rat), dcr.InvalidToken)

		w.wantState(used, broker.RegistrationActive)
		if n := w.standing(used); n != 2 {
			t.Errorf("%d grants of the client in use stand, want 2", n)
		}
		w.wait(91 * day)
		if _, err := w.inner.Registration(t.Context(), idle); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("after 91 days the tombstone is still there: %v", err)
		}
	})
}

// readOnce calls after when a registration has been read for the first time, and
// before whoever reads it has it.
type readOnce struct {
	broker.Store
	after func()
}

func (s *readOnce) Registration(ctx context.Context, clientID string) (*broker.Registration, error) {
	r, err := s.Store.Registration(ctx, clientID)
	if after := s.after; after != nil {
		s.after = nil
		after()
	}
	return r, err
}

// A sweep that has read a tombstone does not end what was granted to the client
// that registered again meanwhile.
func TestAClientThatComesBackWhileItsTombstoneIsSwept(t *testing.T) {
	w := newLife(t)
	info, _ := w.mustRegister(publicBody, none)
	w.use(info.ClientID)
	w.allow(info.ClientID)
	w.wait(4 * day)
	w.grants.FailNext("EndOfClient", 1, fake.NotApplied)
	if done, err := w.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done.Failed != 1 {
		t.Fatalf("Sweep that cannot end grants = %+v, %v", done, err)
	}
	old := w.wantState(info.ClientID, broker.RegistrationRemoved).Generation
	store := &readOnce{Store: w.store, after: func() {
		w.mustRegister(publicBody, none)
		w.allow(info.ClientID)
	}}
	s, err := usecase.New(usecase.Config{
		Mode: broker.ModeBrokered, Store: store, AppClients: w.pool, Grants: w.grants, Deployment: "test",
		Issuer: "https://auth.example.com", Now: w.now, Log: discard, Policy: w.policySource,
	})
	if err != nil {
		t.Fatal(err)
	}
	done, err := s.Sweep(t.Context(), usecase.SweepOptions{})
	if err != nil || done.EndedGrants != 1 {
		t.Errorf("Sweep = %+v, %v, want one grant ended", done, err)
	}
	for _, g := range w.grants.Standing() {
		if g.Generation == old {
			t.Errorf("grant %s of the former generation stands", g.ID)
		}
	}
	if n := w.standing(info.ClientID); n != 1 {
		t.Errorf("%d grants stand, want the one of the client that came back", n)
	}
	w.wantState(info.ClientID, broker.RegistrationActive)
}

func TestLifetimes(t *testing.T) {
	t.Run("a client in use lives on", func(t *testing.T) {
		w := newLife(t)
		id, _ := w.vouched("trusted", appBody)
		w.passes(20*day, id)
		w.wantState(id, broker.RegistrationActive)
	})
	t.Run("until it is too old", func(t *testing.T) {
		w := newLife(t)
		id, _ := w.vouched("trusted", appBody)
		w.passes(30*day-2*time.Hour, id)
		w.wantState(id, broker.RegistrationActive)
		w.passes(3 * time.Hour)
		w.wantState(id, broker.RegistrationRemoved)
	})
	t.Run("inactivity counts from the registration if it was never used", func(t *testing.T) {
		w := newLife(t)
		id, _ := w.vouched("trusted", appBody)
		w.passes(3*day - 2*time.Hour)
		w.wantState(id, broker.RegistrationActive)
		w.passes(3 * time.Hour)
		w.wantState(id, broker.RegistrationRemoved)
	})
	t.Run("a profile without lifetimes keeps its clients", func(t *testing.T) {
		w := newLife(t)
		id, _ := w.vouched("lasting", appBody)
		w.wait(3000 * day)
		w.mustSweep()
		w.wantState(id, broker.RegistrationActive)
	})
	t.Run("a changed policy reaches a client within a week", func(t *testing.T) {
		w := newLife(t)
		id, _ := w.vouched("lasting", appBody)
		w.wait(day)
		w.useBrokeredPolicy(strings.Replace(lifePolicy, `"app_client":"shared"`, `"app_client":"shared","lifetimes":{"inactive":"1d"}`, 1))
		w.passes(7 * day)
		w.wantState(id, broker.RegistrationRemoved)
	})
	t.Run("a profile that is gone ends no life", func(t *testing.T) {
		w := newLife(t)
		id, _ := w.vouched("trusted", appBody)
		w.useBrokeredPolicy(brokeredPolicyWithout("trusted"))
		w.passes(40 * day)
		w.wantState(id, broker.RegistrationActive)
	})
	t.Run("what nobody used goes without the janitor", func(t *testing.T) {
		w := newLife(t)
		info, _ := w.mustRegister(publicBody, none)
		if isDue(w, info.ClientID) {
			t.Error("an unconfirmed registration is due")
		}
		w.wait(4 * day)
		if _, err := w.inner.Registration(t.Context(), info.ClientID); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("Registration = %v, want ErrNotFound", err)
		}
	})
	t.Run("the first use has it looked at after a day", func(t *testing.T) {
		w := newLife(t)
		info, _ := w.mustRegister(publicBody, none)
		w.wait(3 * day)
		w.use(info.ClientID)
		if r := w.registration(info.ClientID); !r.Due.Equal(w.now().Add(day)) || !r.ActiveSince.Equal(w.now()) || !r.ExpiresAt.IsZero() {
			t.Errorf("after the first use = %+v", r)
		}
		w.passes(3*day - time.Hour)
		w.wantState(info.ClientID, broker.RegistrationActive)
		w.passes(2 * time.Hour)
		w.wantState(info.ClientID, broker.RegistrationRemoved)
	})
	t.Run("registering again on the last day is a use", func(t *testing.T) {
		w := newLife(t)
		info, _ := w.mustRegister(publicBody, none)
		w.use(info.ClientID)
		w.wait(2*day - time.Hour)
		w.restart()
		w.mustRegister(publicBody, none) // too early to count
		if r := w.registration(info.ClientID); !r.LastUsedAt.IsZero() {
			t.Errorf("last use %v, want none", r.LastUsedAt)
		}
		w.wait(2 * time.Hour)
		w.restart()
		w.mustRegister(publicBody, none)
		w.passes(2 * day)
		w.wantState(info.ClientID, broker.RegistrationActive)
	})
}

func brokeredPolicyWithout(string) string {
	return `{"version":1,"profiles":{"other":{"redirect_uris":{"any_https":true}}}}`
}

func isDue(w *brokeredWorld, clientID string) bool {
	w.t.Helper()
	for d, err := range w.inner.Due(w.t.Context(), w.now().AddDate(100, 0, 0), "") {
		if err != nil {
			w.t.Fatal(err)
		}
		if d.Kind == broker.DueRegistration && d.Key == clientID {
			return true
		}
	}
	return false
}

// A client that is used at the very moment in which it is to be removed stays.
func TestAClientThatIsUsedAtThatMomentIsNotRemoved(t *testing.T) {
	w := newLife(t)
	id, _ := w.vouched("trusted", appBody)
	w.mustProvision(w.appClientKey(id))
	w.allow(id)
	w.wait(4 * day)
	store := &retiringStore{Store: w.store, before: func() { w.use(id) }}
	janitor, err := usecase.New(usecase.Config{
		Mode: broker.ModeBrokered, Store: store, AppClients: w.pool, Grants: w.grants, Deployment: "test",
		Issuer: "https://auth.example.com", Now: w.now, Log: discard, Policy: w.policySource,
	})
	if err != nil {
		t.Fatal(err)
	}
	if done, err := janitor.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done.Expired != 0 || done.Failed != 0 {
		t.Errorf("Sweep = %+v, %v, want none expired", done, err)
	}
	w.recover(w.appClientKey(id))
	w.wantState(id, broker.RegistrationActive)
	if n := w.standing(id); n != 1 {
		t.Errorf("%d grants stand, want 1", n)
	}
}

// An openly registered client comes back with its id, and nothing else.
func TestARemovedClientRegistersAgain(t *testing.T) {
	for _, finished := range []bool{true, false} {
		w := newLife(t)
		info, _ := w.mustRegister(publicBody, none)
		w.use(info.ClientID)
		w.allow(info.ClientID)
		old := w.registration(info.ClientID)
		w.wait(4 * day)
		if !finished {
			w.grants.FailNext("EndOfClient", 1, fake.NotApplied)
		}
		if done, err := w.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done.Expired != 1 || finished != (done.Failed == 0) {
			t.Errorf("Sweep = %+v, %v", done, err)
		}
		w.wantState(info.ClientID, broker.RegistrationRemoved)
		w.restart()
		again, _ := w.mustRegister(publicBody, none)
		r := w.wantState(info.ClientID, broker.RegistrationActive)
		if again.ClientID != info.ClientID || r.Generation == old.Generation || !r.LastUsedAt.IsZero() || !again.IssuedAt.Equal(w.now().Truncate(time.Second)) {
			t.Errorf("registered again = %+v, stored %+v, want the same id, and nothing of the old one", again, r)
		}
		if finished == r.ExpiresAt.IsZero() {
			t.Errorf("expires at %v, removal finished %t", r.ExpiresAt, finished)
		}
		w.allow(info.ClientID)
		w.recover()
		if n := w.standing(info.ClientID); n != 1 {
			t.Errorf("%d grants stand, want the new one alone", n)
		}
		w.wantState(info.ClientID, broker.RegistrationActive)
	}
}

func TestApproval(t *testing.T) {
	w := newLife(t)
	id, rat := w.vouched("asked", appBody)
	w.wantState(id, broker.RegistrationPending)
	if _, err := w.Client(t.Context(), id); !errors.Is(err, broker.ErrPending) || !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("Client = %v, want ErrPending", err)
	}
	if err := w.Provision(t.Context(), w.appClientKey(id)); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("Provision = %v, want ErrNotFound", err)
	}
	if _, err := w.Read(t.Context(), id, rat); err != nil {
		t.Errorf("Read = %v, want none: it can be managed", err)
	}
	if _, err := w.Approve(t.Context(), id, "ops"); err != nil {
		t.Fatal(err)
	}
	w.use(id)
	if _, err := w.Approve(t.Context(), id, "ops"); err != nil {
		t.Errorf("Approve again = %v", err)
	}
	same := update(t, appBody, id)
	info, err := w.Update(t.Context(), id, rat, same)
	if err != nil {
		t.Fatal(err)
	}
	w.wantState(id, broker.RegistrationActive)
	rat = credential.Presented(info.RegistrationAccessToken)
	if _, err := w.Update(t.Context(), id, rat, update(t, appBody, id, "redirect_uris", []string{"https://evil.example.com/cb"})); err != nil {
		t.Fatal(err)
	}
	w.wantState(id, broker.RegistrationPending) // what was approved is something else
	w.passes(4 * day)
	w.wantState(id, broker.RegistrationRemoved)

	t.Run("of a client that registered openly", func(t *testing.T) {
		w := newLife(t)
		w.useBrokeredPolicy(strings.Replace(lifePolicy, `"unconfirmed":"4d"}`, `"unconfirmed":"4d"},"approval":"manual"`, 1))
		info, _ := w.mustRegister(publicBody, none)
		w.wait(3 * day)
		if _, err := w.Approve(t.Context(), info.ClientID, "ops"); err != nil {
			t.Fatal(err)
		}
		if r := w.wantState(info.ClientID, broker.RegistrationActive); !r.ExpiresAt.Equal(w.now().Add(4 * day)) {
			t.Errorf("expires at %v, want 4 days after it was approved", r.ExpiresAt)
		}
		w.wait(4 * day)
		w.restart()
		w.mustRegister(publicBody, none)
		w.wantState(info.ClientID, broker.RegistrationPending) // it is another one
		w.useBrokeredPolicy(lifePolicy)
		w.restart()
		w.mustRegister(publicBody, none)
		w.wantState(info.ClientID, broker.RegistrationActive) // nobody is asked any more
	})
}
