package broker_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/brokertest"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// effects are the calls of the store and of Cognito that the use cases make,
// and how often at most.
var effects = []struct {
	method  string
	cognito bool
	calls   int
}{
	{"CreateAppClient", false, 1},
	{"TakeBudget", false, 2},
	{"UseInitialAccessToken", false, 1},
	{"Create", true, 1},
	{"CreateRegistration", false, 1},
	{"ReplaceAppClient", false, 2},
	{"ReplaceRegistration", false, 1},
	{"Update", true, 1},
	{"Delete", true, 1},
	{"DeleteRegistration", false, 1},
	{"ReturnBudget", false, 1},
	{"DeleteAppClient", false, 1},
	{"Registration", false, 3},
	{"AppClient", false, 2},
	{"InitialAccessToken", false, 1},
}

// forEachFault runs f once for each effect, failing once before and once after
// it was applied, in a world of its own. down also keeps Cognito and the store
// down after the fault, so that nothing can be cleaned up at once.
func forEachFault(t *testing.T, f func(t *testing.T, w *world, fault func())) {
	for _, e := range effects {
		for n := 1; n <= e.calls; n++ {
			for _, p := range []brokertest.Point{brokertest.NotApplied, brokertest.ReplyLost} {
				for _, after := range []string{"then all is well", "then the process dies"} {
					t.Run(fmt.Sprintf("%s %d, %s, %s", e.method, n, p, after), func(t *testing.T) {
						w := newWorld(t)
						f(t, w, func() {
							w.store.Reset()
							w.pool.Reset()
							faults := w.store.Faults
							if e.cognito {
								faults = w.pool.Faults
							}
							faults.FailCall(e.method, n, p)
							if after == "then the process dies" {
								w.dieAfter(e.method, n)
							}
						})
					})
				}
			}
		}
	}
}

// dieAfter makes every effect fail that could clean up after a failure of the
// n-th call of method.
func (w *world) dieAfter(method string, n int) {
	for _, m := range []string{"ReturnBudget", "ReturnInitialAccessToken", "DeleteAppClient", "DeleteRegistration"} {
		if m != method {
			w.store.FailNext(m, 1000, brokertest.NotApplied)
		}
	}
	if method != "Delete" {
		w.pool.FailNext("Delete", 1000, brokertest.NotApplied)
	}
	for i := range 10 {
		if method != "ReplaceAppClient" {
			w.store.FailCall("ReplaceAppClient", 2+i, brokertest.NotApplied)
		} else {
			w.store.FailCall("ReplaceAppClient", n+1+i, brokertest.NotApplied)
		}
	}
}

// recover is what happens later: time passes, everything works again, and the
// janitor comes.
func (w *world) recover() {
	w.t.Helper()
	w.store.Reset()
	w.pool.Reset()
	w.wait(5 * time.Minute)
	done, err := w.Reconcile(w.t.Context())
	if err != nil || done.Failed > 0 {
		w.t.Errorf("Reconcile = %+v, %v", done, err)
	}
	w.checkConsistent()
	again, err := w.Reconcile(w.t.Context())
	if err != nil || again != (broker.Reconciled{}) {
		w.t.Errorf("a second Reconcile = %+v, %v, want nothing to do", again, err)
	}
}

func TestRegisterWhateverFails(t *testing.T) {
	forEachFault(t, func(t *testing.T, w *world, fault func()) {
		tok, id := w.token("trusted", 1)
		fault()
		info, err := w.Register(t.Context(), request(t, confidentialBody), tok)
		if err != nil {
			if e := wantCode(t, "Register", err, dcr.Unavailable); e.RetryAfter <= 0 {
				t.Error("no Retry-After")
			}
		}
		w.recover()

		used := 0
		if err == nil {
			used = 1
			if _, err := w.Read(t.Context(), info.ClientID, credential.Presented(info.RegistrationAccessToken)); err != nil {
				t.Errorf("the client was told that it is registered, and is not: %v", err)
			}
			if got := w.pool.All()[info.ClientID].Secret; got != info.ClientSecret {
				t.Errorf("secret = %q, the client was told %q", got, info.ClientSecret)
			}
		} else if len(w.pool.All()) == 1 {
			// Finished although the client was not told: the answer was lost
			// for good, and the use with it.
			used = 1
		}
		if got := w.uses(id); got != used {
			t.Errorf("%d uses taken, want %d", got, used)
		}
	})
}

func TestUpdateWhateverFails(t *testing.T) {
	forEachFault(t, func(t *testing.T, w *world, fault func()) {
		info, tok := w.mustRegister(publicBody, credential.Token{})
		fault()
		changed, err := w.Update(t.Context(), info.ClientID, tok, update(t, publicBody, info.ClientID, "client_name", "Renamed"))
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
		if _, err := w.Update(t.Context(), info.ClientID, tok, update(t, publicBody, info.ClientID, "client_name", "Again")); err != nil {
			t.Errorf("the next update: %v", err)
		}
		w.checkConsistent()
	})
}

func TestDeleteWhateverFails(t *testing.T) {
	forEachFault(t, func(t *testing.T, w *world, fault func()) {
		info, tok := w.mustRegister(publicBody, credential.Token{})
		fault()
		err := w.Delete(t.Context(), info.ClientID, tok)
		if err != nil {
			wantCode(t, "Delete", err, dcr.Unavailable)
			w.store.Reset()
			w.pool.Reset()
			if err := w.Delete(t.Context(), info.ClientID, tok); err != nil {
				// Gone already is as good.
				wantCode(t, "Delete again", err, dcr.InvalidToken)
			}
		}
		w.recover()
		if n := len(w.pool.All()); n != 0 {
			t.Errorf("%d app clients left", n)
		}
		_, err = w.Client(t.Context(), info.ClientID)
		if !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("Client: %v, want ErrNotFound", err)
		}
	})
}

// A deletion that was begun and never repeated is finished by the janitor, and
// the client gets no tokens meanwhile.
func TestDeleteThatDiesIsFinished(t *testing.T) {
	w := newWorld(t)
	info, tok := w.mustRegister(publicBody, credential.Token{})
	w.pool.FailNext("Delete", 1, brokertest.NotApplied)
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
func TestReconcileOvertakesARegistration(t *testing.T) {
	w := newWorld(t)
	slow := &slowCreate{AppClients: w.pool}
	s, err := broker.New(broker.Config{
		Store: w.store, AppClients: slow, Issuer: "https://auth.example.com", Now: w.now, Log: discard, Policy: w.policySource,
	})
	if err != nil {
		t.Fatal(err)
	}
	slow.after = func() {
		w.wait(3 * time.Minute)
		if done, err := w.Reconcile(t.Context()); err != nil || done.Removed != 1 {
			t.Errorf("Reconcile = %+v, %v, want one removed", done, err)
		}
	}
	_, err = s.Register(t.Context(), request(t, publicBody), credential.Token{})
	wantCode(t, "Register", err, dcr.Unavailable)
	w.recover()
	if n := len(w.pool.All()); n != 0 {
		t.Errorf("%d app clients left", n)
	}
}
