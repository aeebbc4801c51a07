package usecase_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/usecase"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// What is there of a registration that an app client is to serve.
const (
	there    = "its registration is there"
	gone     = "its registration is gone"
	deleting = "its registration is being deleted"
	another  = "the registration with its id is of another app client"
)

// leftBehind are the app clients that a process can leave behind, and what
// becomes of each.
var leftBehind = []struct {
	state        broker.AppClientState
	registration string
	appClient    bool // whether there is one at Cognito
	known        bool // whether the record has its id
	holdsUse     bool // whether the record still holds the token's use
	want         usecase.Swept
	uses         int // of the token, in the end
}{
	{broker.AppClientCreating, there, true, false, true, usecase.Swept{Completed: 1}, 1},
	{broker.AppClientCreating, gone, true, false, true, usecase.Swept{Removed: 1}, 0},
	{broker.AppClientCreating, gone, false, false, true, usecase.Swept{Removed: 1}, 0},
	{broker.AppClientCreating, deleting, true, false, true, usecase.Swept{Removed: 1}, 0},
	{broker.AppClientCreating, another, true, false, true, usecase.Swept{Removed: 1}, 0},

	{broker.AppClientUpdating, there, true, true, false, usecase.Swept{Restored: 1}, 1},
	{broker.AppClientUpdating, gone, true, true, false, usecase.Swept{Removed: 1}, 1},
	{broker.AppClientUpdating, gone, false, true, false, usecase.Swept{Removed: 1}, 1},
	// Somebody else removed it. The client hears of it at its next PUT, and can
	// delete itself.
	{broker.AppClientUpdating, there, false, true, false, usecase.Swept{Restored: 1}, 1},

	{broker.AppClientRemoving, deleting, true, true, false, usecase.Swept{Removed: 1}, 1},
	{broker.AppClientRemoving, deleting, false, true, false, usecase.Swept{Removed: 1}, 1},
	{broker.AppClientRemoving, there, true, true, false, usecase.Swept{Removed: 1}, 1}, // the process died in between
	{broker.AppClientRemoving, gone, true, true, false, usecase.Swept{Removed: 1}, 1},
	{broker.AppClientRemoving, gone, false, true, false, usecase.Swept{Removed: 1}, 1},
	{broker.AppClientRemoving, another, true, true, false, usecase.Swept{Removed: 1}, 1},
	// The making was given up without knowing whether there is an app client.
	{broker.AppClientRemoving, gone, true, false, true, usecase.Swept{Removed: 1}, 0},
	{broker.AppClientRemoving, gone, false, false, true, usecase.Swept{Removed: 1}, 0},
}

// forEachLeftBehind calls f for each of leftBehind. begin brings it about; check
// is to be called when the janitor is done.
func forEachLeftBehind(t *testing.T, f func(t *testing.T, begin func(*world) *limitedClient, check func(*world, *limitedClient), want usecase.Swept)) {
	for _, tt := range leftBehind {
		name := fmt.Sprintf("%s, %s, app client there %t, known %t", tt.state, tt.registration, tt.appClient, tt.known)
		begin := func(w *world) *limitedClient {
			w.t.Helper()
			c := w.limitedClient()
			c.a.State, c.a.Due = tt.state, w.now().Add(2*time.Minute)
			if tt.holdsUse {
				c.a.InitialAccessToken = c.iat
			}
			if !tt.known {
				c.a.CognitoID = ""
			}
			switch tt.registration {
			case deleting:
				c.r.State = broker.RegistrationDeleting
			case another:
				c.r.AppClient = "another"
			}
			w.put(c)
			if tt.registration == gone {
				if err := w.inner.DeleteRegistration(w.t.Context(), c.r.ClientID, c.r.Generation); err != nil {
					w.t.Fatal(err)
				}
			}
			if tt.state == broker.AppClientUpdating { // it got as far as Cognito
				m := c.r.Metadata.Clone()
				m.ClientName = "Renamed"
				if err := w.pool.Update(w.t.Context(), c.r.ClientID, c.a.Marker, m, nil); err != nil {
					w.t.Fatal(err)
				}
			}
			if !tt.appClient {
				if err := w.pool.Delete(w.t.Context(), c.r.ClientID, c.a.Marker); err != nil {
					w.t.Fatal(err)
				}
			}
			w.wait(2 * time.Minute)
			return c
		}
		check := func(w *world, c *limitedClient) {
			w.t.Helper()
			if tt.registration == another {
				if err := w.inner.DeleteRegistration(w.t.Context(), c.r.ClientID, c.r.Generation); err != nil {
					w.t.Fatal(err)
				}
			}
			if tt.want.Removed == 0 {
				if tt.appClient {
					w.checkConsistent()
				}
				w.wantTaken("with the client", c.iat, taken{1, 1, 1})
				if err := w.Delete(w.t.Context(), c.r.ClientID, c.rat); err != nil {
					w.t.Errorf("Delete: %v", err)
				}
			}
			w.checkConsistent()
			w.wantTaken("in the end", c.iat, taken{tt.uses, 0, 1})
			if _, err := w.inner.AppClient(w.t.Context(), c.a.Key); !errors.Is(err, broker.ErrNotFound) {
				w.t.Errorf("the record is still there (%v)", err)
			}
		}
		t.Run(name, func(t *testing.T) { f(t, begin, check, tt.want) })
	}
}

// hasRegistration reports whether there is a registration with the id of c.
func (w *world) hasRegistration(c *limitedClient) bool {
	w.t.Helper()
	_, err := w.inner.Registration(w.t.Context(), c.r.ClientID)
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		w.t.Fatal(err)
	}
	return err == nil
}

func TestSweepOfDirectMode(t *testing.T) {
	forEachLeftBehind(t, func(t *testing.T, begin func(*world) *limitedClient, check func(*world, *limitedClient), want usecase.Swept) {
		w := newWorld(t)
		c := begin(w)
		if done, err := w.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done != want {
			t.Errorf("Sweep = %+v, %v, want %+v", done, err, want)
		}
		if keeps := want.Removed == 0 || c.r.AppClient == "another"; w.hasRegistration(c) != keeps {
			t.Errorf("the registration is there: %t, want %t", !keeps, keeps)
		}
		check(w, c)
	})
}

func TestSweepOfDirectModeWhateverFails(t *testing.T) {
	forEachLeftBehind(t, func(t *testing.T, begin func(*world) *limitedClient, check func(*world, *limitedClient), _ usecase.Swept) {
		forEachFault(t, func(t *testing.T, w *world, c *trouble) {
			client := begin(w)
			c.during(w, func() {
				done, err := w.Sweep(t.Context(), usecase.SweepOptions{})
				if failed := err != nil || done.Failed > 0; failed != (len(c.faults) > 0) {
					t.Errorf("Sweep = %+v, %v with these faults: %s", done, err, c.faults)
				}
			})
			w.sweep()
			check(w, client)
		})
	})
}

// What is not due is left alone, although the list of what is due, which may
// lag behind, has it.
func TestSweepLeavesWhatIsNotDue(t *testing.T) {
	for _, state := range []broker.AppClientState{broker.AppClientCreating, broker.AppClientUpdating, broker.AppClientRemoving} {
		t.Run(string(state)+", begun a moment ago", func(t *testing.T) {
			w := newWorld(t)
			c := w.limitedClient()
			c.a.State, c.a.Due = state, w.now().Add(time.Second)
			w.put(c)
			w.wantUntouched(c)
		})
	}
	t.Run("ready, by another janitor", func(t *testing.T) {
		w := newWorld(t)
		w.wantUntouched(w.limitedClient())
	})
	t.Run("removed, by another janitor", func(t *testing.T) {
		w := newWorld(t)
		janitor := w.on(&laggingStore{Store: w.store, keys: []string{"gone"}}, w.pool)
		if done, err := janitor.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done != (usecase.Swept{}) {
			t.Errorf("Sweep = %+v, %v, want nothing to do", done, err)
		}
	})
}

// wantUntouched checks that a janitor who is told that c is due does nothing.
func (w *world) wantUntouched(c *limitedClient) {
	w.t.Helper()
	w.pool.Reset()
	janitor := w.on(&laggingStore{Store: w.store, keys: []string{c.a.Key}}, w.pool)
	if done, err := janitor.Sweep(w.t.Context(), usecase.SweepOptions{}); err != nil || done != (usecase.Swept{}) {
		w.t.Errorf("Sweep = %+v, %v, want nothing to do", done, err)
	}
	for _, method := range w.pool.Methods() {
		if method == "List" {
			continue // to compare
		}
		if n := w.pool.Calls(method); n != 0 {
			w.t.Errorf("%d calls of %s at Cognito, want none", n, method)
		}
	}
	if a, err := w.inner.AppClient(w.t.Context(), c.a.Key); err != nil || a.Version != c.a.Version {
		w.t.Errorf("the record = %+v, %v, want it unchanged", a, err)
	}
}

// Whoever is still making an app client that the janitor gives up must find that
// out, even if the janitor found none at Cognito and has not finished yet.
func TestSweepMarksBeforeItRemoves(t *testing.T) {
	w := newWorld(t)
	w.usePolicy(limitedPolicy)
	tok, iat := w.token("limited", 1)
	making, create := make(chan struct{}), make(chan struct{})
	slow := w.on(w.store, &meantimePool{Pool: w.pool, creating: func() error { close(making); <-create; return nil }})
	registered, reconciled := make(chan error), make(chan error)
	go func() {
		_, err := slow.Register(t.Context(), request(t, confidentialBody), tok)
		registered <- err
	}()
	<-making
	w.wait(3 * time.Minute)
	pausing := &pausingStore{Store: w.store, reached: make(chan struct{}), goOn: make(chan struct{})}
	janitor := w.on(pausing, w.pool)
	go func() {
		_, err := janitor.Sweep(t.Context(), usecase.SweepOptions{})
		reconciled <- err
	}()
	<-pausing.reached // it has found no app client with that marker, and given back the use
	close(create)
	wantCode(t, "Register", <-registered, dcr.Unavailable)
	close(pausing.goOn)
	if err := <-reconciled; err != nil {
		t.Error(err)
	}
	w.recover()
	w.wantTaken("in the end", iat, taken{})
}

// A removal that was begun because there is no registration is known as one.
func TestSweepMarksAnUpdateThatBecomesARemoval(t *testing.T) {
	w := newWorld(t)
	c := w.limitedClient()
	c.a.State, c.a.Due = broker.AppClientUpdating, w.now()
	w.put(c)
	if err := w.inner.DeleteRegistration(t.Context(), c.r.ClientID, c.r.Generation); err != nil {
		t.Fatal(err)
	}
	w.pool.FailNext("Delete", 1, fake.NotApplied)
	if done, err := w.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done.Failed != 1 {
		t.Errorf("Sweep = %+v, %v, want one failed", done, err)
	}
	a, err := w.inner.AppClient(t.Context(), c.a.Key)
	if err != nil || a.State != broker.AppClientRemoving || !a.Due.Equal(w.now().Add(2*time.Minute)) {
		t.Errorf("the record = %+v, %v, want it marked for removal and due in two minutes", a, err)
	}
	w.recover()
	w.wantTaken("in the end", c.iat, taken{1, 0, 1})
}

// A PUT that comes while the janitor restores the app client is told to come
// back: which of the two Cognito heard last could not be known.
func TestUpdateDuringSweep(t *testing.T) {
	w := newWorld(t)
	c := w.limitedClient()
	c.a.State, c.a.Due = broker.AppClientUpdating, w.now()
	w.put(c)
	put := func() (*dcr.ClientInformation, error) {
		return w.Update(t.Context(), c.r.ClientID, c.rat, update(t, confidentialBody, c.r.ClientID, "client_name", "Renamed"))
	}
	janitor := w.on(w.store, &meantimePool{Pool: w.pool, updating: func() error {
		_, err := put()
		if e := wantCode(t, "Update", err, dcr.Unavailable); e.RetryAfter != 45*time.Second {
			t.Errorf("Retry-After = %s, want the 45 s of the lease", e.RetryAfter)
		}
		return nil
	}})
	if done, err := janitor.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done != (usecase.Swept{Restored: 1}) {
		t.Errorf("Sweep = %+v, %v, want one restored", done, err)
	}
	w.checkConsistent()
	if _, err := put(); err != nil {
		t.Errorf("Update afterwards: %v", err)
	}
	w.checkConsistent()
}

// If Cognito asks to be left alone, the run ends; other failures are of one app
// client.
func TestSweepStopsWhenCognitoIsBusy(t *testing.T) {
	for _, tt := range []struct {
		name  string
		err   error
		calls int
		stops bool
	}{
		{"busy", &broker.NotAppliedError{Err: dcr.Errorf(dcr.Unavailable, "too many requests")}, 1, true},
		{"no call free", &broker.NotAppliedError{Err: fmt.Errorf("%w: %w", dcr.Errorf(dcr.Unavailable, "busy"), broker.ErrNoSlot)}, 2, false},
		{"another answer of the protocol", &broker.NotAppliedError{Err: dcr.Errorf(dcr.InvalidClientMetadata, "no")}, 2, false},
		{"broken", fake.ErrInjected, 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			for range 2 {
				c := w.limitedClient()
				c.a.State, c.a.Due = broker.AppClientRemoving, w.now()
				w.put(c)
			}
			calls := 0
			janitor := w.on(w.store, &meantimePool{Pool: w.pool, deleting: func() error { calls++; return tt.err }})
			done, err := janitor.Sweep(t.Context(), usecase.SweepOptions{})
			want := usecase.Swept{Failed: tt.calls, Backlog: 2 - tt.calls}
			if stopped := err != nil; stopped != tt.stops || calls != tt.calls || done != want {
				t.Errorf("Sweep = %+v, %v after %d calls, want %+v and stopped %t", done, err, calls, want, tt.stops)
			}
			if tt.stops && !errors.Is(err, tt.err) {
				t.Errorf("error = %v, want %v in it", err, tt.err)
			}
			w.recover()
		})
	}
}

// An orphan that cannot be deleted now does not hold up what is due.
func TestABusyCognitoDoesNotHoldUpWhatIsDue(t *testing.T) {
	w := newWorld(t)
	c := w.limitedClient()
	w.wait(2 * time.Hour)
	c.a.State, c.a.Due = broker.AppClientRemoving, w.now()
	w.put(c)
	w.orphan(time.Hour)
	busy := &broker.NotAppliedError{Err: dcr.Errorf(dcr.Unavailable, "too many requests")}
	calls := 0
	janitor := w.on(w.store, &meantimePool{Pool: w.pool, deleting: func() error {
		if calls++; calls == 1 {
			return busy
		}
		return nil
	}})
	done, err := janitor.Sweep(t.Context(), usecase.SweepOptions{})
	if want := (usecase.Swept{Failed: 1, Removed: 1}); done != want || !errors.Is(err, busy) {
		t.Errorf("Sweep = %+v, %v, want %+v and %v", done, err, want, busy)
	}
	w.sweepOnce()
	w.recover()
}
