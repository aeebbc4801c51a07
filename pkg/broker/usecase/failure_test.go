package usecase_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/usecase"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// limitedPolicy has a profile under which a registration with a token takes
// everything that can be taken: a use, a place and one of this hour.
const limitedPolicy = `{"version":1,"profiles":{"limited":{"redirect_uris":{"any_https":true},
	"token_endpoint_auth_methods":["client_secret_basic","none"],"limits":{"app_clients":3,"creations_per_hour":3}}}}`

const placesKey = "app_clients/limited"

// hourKey is the budget of this hour for confidentialBody, if the test began
// when the clock stood at start.
var hourKey = fmt.Sprintf("creations/limited/app.example.com/%d", start.Truncate(time.Hour).Unix())

// trouble is the calls of a use case that fail.
type trouble struct {
	faults []plannedFault
	// dies is whether every call after the last of faults fails too.
	dies bool
	// calls are those that the use case made, in order.
	calls []fake.Call
}

type plannedFault struct {
	fake.Call
	fake.Point
}

func (f plannedFault) String() string { return fmt.Sprintf("%s %s", f.Call, f.Point) }

func (c *trouble) String() string {
	var b strings.Builder
	for _, f := range c.faults {
		fmt.Fprintf(&b, "%s, ", f)
	}
	if c.dies {
		return b.String() + "then the process dies"
	}
	return b.String() + "then all is well"
}

// hits reports whether a call of one of the methods is to fail.
func (c *trouble) hits(methods ...string) bool {
	return slices.ContainsFunc(c.faults, func(f plannedFault) bool { return slices.Contains(methods, f.Method) })
}

// single reports whether there is one fault and the process can clean up after
// it.
func (c *trouble) single() bool { return len(c.faults) < 2 && !c.dies }

// during runs the use case with its faults, each of which it must meet.
func (c *trouble) during(w *world, useCase func()) {
	w.t.Helper()
	w.store.Reset()
	w.pool.Reset()
	var trace fake.Trace
	w.store.TraceTo(&trace)
	w.pool.TraceTo(&trace)
	for i, f := range c.faults {
		faults, other := w.store.Faults, w.pool.Faults
		if slices.Contains(other.Methods(), f.Method) {
			faults, other = other, faults
		}
		if c.dies && i == len(c.faults)-1 {
			faults.DieAt(f.Method, f.N, f.Point, other)
		} else {
			faults.FailCall(f.Method, f.N, f.Point)
		}
	}
	useCase()
	c.calls = trace.Calls()
	for _, f := range c.faults {
		if !slices.Contains(c.calls, f.Call) {
			w.t.Errorf("%s was not reached, the calls were %s", f, c.calls)
		}
	}
	w.store.Reset()
	w.pool.Reset()
}

// forEachFault runs f in worlds of its own, first with no fault, which tells
// what calls its use case makes, and then with each of these calls failing,
// before and after it was applied, the process dying of it or not.
func forEachFault(t *testing.T, f func(t *testing.T, w *world, c *trouble)) {
	t.Helper()
	eachFault(t, nil, f)
}

// forEachTwoFaults does what forEachFault does, and then fails each pair of
// calls: one, and one of those that are made after it failed.
func forEachTwoFaults(t *testing.T, f func(t *testing.T, w *world, c *trouble)) {
	t.Helper()
	eachFault(t, func(first *trouble) {
		failed := first.faults[0]
		i := slices.Index(first.calls, failed.Call)
		for _, call := range first.calls[i+1:] {
			for _, p := range points {
				c := &trouble{faults: []plannedFault{failed, {call, p}}}
				t.Run(c.String(), func(t *testing.T) { f(t, newWorld(t), c) })
			}
		}
	}, f)
}

var points = []fake.Point{fake.NotApplied, fake.ReplyLost}

// eachFault calls then, unless it is nil, with what has happened after each
// fault of which the process did not die.
func eachFault(t *testing.T, then func(*trouble), f func(t *testing.T, w *world, c *trouble)) {
	t.Helper()
	var dry trouble
	f(t, newWorld(t), &dry)
	if len(dry.calls) == 0 {
		t.Fatal("the use case makes no calls")
	}
	for _, call := range dry.calls {
		for _, p := range points {
			for _, dies := range []bool{false, true} {
				c := &trouble{faults: []plannedFault{{call, p}}, dies: dies}
				ok := t.Run(c.String(), func(t *testing.T) { f(t, newWorld(t), c) })
				if ok && !dies && then != nil {
					then(c)
				}
			}
		}
	}
}

// recover is what happens later: time passes, everything works again, and the
// janitor comes.
func (w *world) recover() {
	w.t.Helper()
	w.sweep()
	w.checkConsistent()
}

// sweep is recover where there may be something that no janitor sets right.
func (w *world) sweep() {
	w.t.Helper()
	w.store.Reset()
	w.pool.Reset()
	w.wait(5 * time.Minute)
	done, err := w.Sweep(w.t.Context(), usecase.SweepOptions{})
	if err != nil || done.Failed > 0 {
		w.t.Errorf("Sweep = %+v, %v", done, err)
	}
	again, err := w.Sweep(w.t.Context(), usecase.SweepOptions{})
	if err != nil || again != (usecase.Swept{}) {
		w.t.Errorf("a second Sweep = %+v, %v, want nothing to do", again, err)
	}
}

// members counts the members of a budget.
func (w *world) members(key string) int {
	w.t.Helper()
	for n := range 100 {
		err := w.inner.TakeBudget(w.t.Context(), broker.Budget{Key: key, Limit: n + 1, ExpiresAt: w.now().Add(2 * time.Hour)}, "probe")
		if errors.Is(err, broker.ErrExhausted) {
			continue
		}
		if err := errors.Join(err, w.inner.ReturnBudget(w.t.Context(), key, "probe")); err != nil {
			w.t.Fatal(err)
		}
		return n
	}
	w.t.Fatalf("more than 100 members of %s", key)
	return 0
}

// taken is what registrations under the limited profile hold.
type taken struct{ uses, places, hour int }

func (w *world) taken(iat string) taken {
	w.t.Helper()
	return taken{w.uses(iat), w.members(placesKey), w.members(hourKey)}
}

func (w *world) wantTaken(when, iat string, want taken) {
	w.t.Helper()
	if got := w.taken(iat); got != want {
		w.t.Errorf("%s: taken %+v, want %+v", when, got, want)
	}
}

func TestRegisterWhateverFails(t *testing.T) {
	forEachTwoFaults(t, func(t *testing.T, w *world, c *trouble) {
		w.usePolicy(limitedPolicy)
		tok, id := w.token("limited", 1)
		var info *dcr.ClientInformation
		var err error
		c.during(w, func() { info, err = w.Register(t.Context(), request(t, confidentialBody), tok) })
		if err != nil {
			if e := wantCode(t, "Register", err, dcr.Unavailable); e.RetryAfter <= 0 {
				t.Error("no Retry-After")
			}
		}
		if err != nil && c.single() {
			// At once, so that the client can try again with the same token. Only
			// the place of an app client that may exist waits for the janitor.
			want := taken{}
			if c.hits("Create") {
				want.places = 1
			}
			w.wantTaken("after the failure", id, want)
		}
		w.recover()

		if err == nil {
			if _, err := w.Read(t.Context(), info.ClientID, credential.Presented(info.RegistrationAccessToken)); err != nil {
				t.Errorf("the client was told that it is registered, and is not: %v", err)
			}
			if got := w.pool.All()[info.ClientID].Secret; got != info.ClientSecret {
				t.Errorf("secret = %q, the client was told %q", got, info.ClientSecret)
			}
		}
		// If there is an app client although the client was not told, the answer
		// was lost for good, and the use with it.
		n := len(w.pool.All())
		want := taken{n, n, n}
		if c.dies || c.hits("ReturnBudget") {
			want.hour = w.taken(id).hour // nobody repeats that, the hour ends by itself
		}
		w.wantTaken("in the end", id, want)
	})
}

func TestUpdateWhateverFails(t *testing.T) {
	for _, with := range []string{"the current token", "the next token"} {
		t.Run(with, func(t *testing.T) {
			forEachTwoFaults(t, func(t *testing.T, w *world, c *trouble) {
				w.usePolicy(limitedPolicy)
				iat, iatID := w.token("limited", 1)
				info, tok := w.mustRegister(confidentialBody, iat)
				if with == "the next token" {
					changed, err := w.Update(t.Context(), info.ClientID, tok, update(t, confidentialBody, info.ClientID))
					if err != nil {
						t.Fatal(err)
					}
					tok = credential.Presented(changed.RegistrationAccessToken)
				}
				change := func(name string) *dcr.Request {
					return update(t, confidentialBody, info.ClientID, "client_name", name, "client_secret", info.ClientSecret)
				}
				var changed *dcr.ClientInformation
				var err error
				c.during(w, func() { changed, err = w.Update(t.Context(), info.ClientID, tok, change("Renamed")) })
				if err != nil {
					wantCode(t, "Update", err, dcr.Unavailable)
				}
				w.recover()

				if err == nil {
					tok = credential.Presented(changed.RegistrationAccessToken)
				}
				got, readErr := w.Read(t.Context(), info.ClientID, tok)
				if readErr != nil {
					t.Fatalf("the client is locked out: %v", readErr)
				}
				if err == nil && got.Metadata.ClientName != "Renamed" {
					t.Errorf("name = %q, the client was told Renamed", got.Metadata.ClientName)
				}
				if _, err := w.Update(t.Context(), info.ClientID, tok, change("Again")); err != nil {
					t.Errorf("the next update: %v", err)
				}
				w.checkConsistent()
				w.wantTaken("in the end", iatID, taken{1, 1, 1})
			})
		})
	}
}

func TestDeleteWhateverFails(t *testing.T) {
	for _, tt := range []struct {
		name          string
		repeats, half bool
	}{
		{name: "the client repeats it", repeats: true},
		{name: "the client does not come again"},
		{name: "the making was never marked as complete", half: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			forEachTwoFaults(t, func(t *testing.T, w *world, c *trouble) {
				w.usePolicy(limitedPolicy)
				iat, iatID := w.token("limited", 1)
				if tt.half {
					w.store.FailNext("ReplaceAppClient", 1, fake.NotApplied)
				}
				info, tok := w.mustRegister(confidentialBody, iat)
				var err error
				c.during(w, func() { err = w.Delete(t.Context(), info.ClientID, tok) })
				if err != nil {
					wantCode(t, "Delete", err, dcr.Unavailable)
				} else if _, err := w.Client(t.Context(), info.ClientID); !errors.Is(err, broker.ErrNotFound) {
					t.Errorf("after DELETE: Client = %v, want ErrNotFound", err)
				}
				if err != nil && tt.repeats {
					if err = w.Delete(t.Context(), info.ClientID, tok); err != nil {
						wantCode(t, "Delete again", err, dcr.InvalidToken) // gone already is as good
						err = nil
					}
				}
				w.recover()
				if n := len(w.pool.All()); n != 0 && err != nil {
					// It never began. The client is as it was.
					if err := w.Delete(t.Context(), info.ClientID, tok); err != nil {
						t.Errorf("Delete, later: %v", err)
					}
				}
				if n := len(w.pool.All()); n != 0 {
					t.Errorf("%d app clients left", n)
				}
				if _, err = w.Client(t.Context(), info.ClientID); !errors.Is(err, broker.ErrNotFound) {
					t.Errorf("Client: %v, want ErrNotFound", err)
				}
				w.checkConsistent()
				w.wantTaken("in the end", iatID, taken{1, 0, 1})
			})
		})
	}
}

// A deletion that was begun and never repeated is finished by the janitor, and
// the client gets no tokens meanwhile.
func TestDeleteThatDiesIsFinished(t *testing.T) {
	w := newWorld(t)
	info, tok := w.mustRegister(publicBody, credential.Token{})
	w.pool.FailNext("Delete", 1, fake.NotApplied)
	wantCode(t, "Delete", w.Delete(t.Context(), info.ClientID, tok), dcr.Unavailable)
	if _, err := w.Client(t.Context(), info.ClientID); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("Client: %v, want ErrNotFound", err)
	}
	_, err := w.Read(t.Context(), info.ClientID, tok)
	wantCode(t, "Read", err, dcr.InvalidToken)
	w.recover()
	if n := len(w.pool.All()); n != 0 {
		t.Errorf("%d app clients left", n)
	}
}

// The janitor may take a slow registration for dead. Whoever comes second finds
// out and leaves nothing behind.
func TestSweepOvertakesARegistration(t *testing.T) {
	w := newWorld(t)
	slow := &slowCreate{Pool: w.pool}
	s, err := usecase.New(usecase.Config{
		Store: w.store, AppClients: slow, Deployment: "test", Issuer: "https://auth.example.com", Now: w.now, Log: discard, Policy: w.policySource,
	})
	if err != nil {
		t.Fatal(err)
	}
	slow.after = func() {
		w.wait(3 * time.Minute)
		if done, err := w.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done.Removed != 1 {
			t.Errorf("Sweep = %+v, %v, want one removed", done, err)
		}
	}
	_, err = s.Register(t.Context(), request(t, publicBody), credential.Token{})
	wantCode(t, "Register", err, dcr.Unavailable)
	w.recover()
	if n := len(w.pool.All()); n != 0 {
		t.Errorf("%d app clients left", n)
	}
}
