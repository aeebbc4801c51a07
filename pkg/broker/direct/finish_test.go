package direct_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// The states of the registration that an app client serves.
const (
	there    = "its registration exists"
	gone     = "its registration is deleted"
	deleting = "its registration is being deleted"
	another  = "the registration with its id has another app client"
)

// leftBehind are the app clients that a process can leave behind, with the
// result of the next sweep.
var leftBehind = []struct {
	state        broker.AppClientState
	registration string
	appClient    bool // whether it exists at Cognito
	known        bool // whether the record has its id
	holdsUse     bool // whether the record still holds the token's use
	want         janitor.Report
	uses         int // of the token, in the end
}{
	{broker.AppClientCreating, there, true, false, true, janitor.Report{Completed: 1}, 1},
	{broker.AppClientCreating, gone, true, false, true, janitor.Report{Removed: 1}, 0},
	{broker.AppClientCreating, gone, false, false, true, janitor.Report{Removed: 1}, 0},
	{broker.AppClientCreating, deleting, true, false, true, janitor.Report{Removed: 1}, 0},
	{broker.AppClientCreating, another, true, false, true, janitor.Report{Removed: 1}, 0},

	{broker.AppClientUpdating, there, true, true, false, janitor.Report{Restored: 1}, 1},
	{broker.AppClientUpdating, gone, true, true, false, janitor.Report{Removed: 1}, 1},
	{broker.AppClientUpdating, gone, false, true, false, janitor.Report{Removed: 1}, 1},
	// An administrator removed it at Cognito. The client finds that out at its
	// next PUT, and can delete itself.
	{broker.AppClientUpdating, there, false, true, false, janitor.Report{Restored: 1}, 1},

	{broker.AppClientRemoving, deleting, true, true, false, janitor.Report{Removed: 1}, 1},
	{broker.AppClientRemoving, deleting, false, true, false, janitor.Report{Removed: 1}, 1},
	{broker.AppClientRemoving, there, true, true, false, janitor.Report{Removed: 1}, 1}, // the process died in between
	{broker.AppClientRemoving, gone, true, true, false, janitor.Report{Removed: 1}, 1},
	{broker.AppClientRemoving, gone, false, true, false, janitor.Report{Removed: 1}, 1},
	{broker.AppClientRemoving, another, true, true, false, janitor.Report{Removed: 1}, 1},
	// The creation was given up before it was known whether the app client
	// exists.
	{broker.AppClientRemoving, gone, true, false, true, janitor.Report{Removed: 1}, 0},
	{broker.AppClientRemoving, gone, false, false, true, janitor.Report{Removed: 1}, 0},
}

// forEachLeftBehind calls f for each of leftBehind. begin brings about the
// state; f calls check after the sweep.
func forEachLeftBehind(t *testing.T, f func(t *testing.T, begin func(*world.World) *world.LimitedClient, check func(*world.World, *world.LimitedClient), want janitor.Report)) {
	for _, tt := range leftBehind {
		name := fmt.Sprintf("%s, %s, app client exists %t, known %t", tt.state, tt.registration, tt.appClient, tt.known)
		begin := func(w *world.World) *world.LimitedClient {
			w.T.Helper()
			c := w.LimitedClient()
			c.A.State, c.A.Due = tt.state, w.Now().Add(2*time.Minute)
			if tt.holdsUse {
				c.A.Use = broker.Use{Token: c.IAT}
			}
			if !tt.known {
				c.A.CognitoID = ""
			}
			switch tt.registration {
			case deleting:
				c.R.State = broker.RegistrationDeleting
			case another:
				c.R.AppClient = "another"
			}
			w.Put(c)
			if tt.registration == gone {
				if err := w.Inner.DeleteRegistration(w.T.Context(), c.R.ClientID, c.R.Generation); err != nil {
					w.T.Fatal(err)
				}
			}
			if tt.state == broker.AppClientUpdating { // the update reached Cognito
				m := c.R.Metadata.Clone()
				m.ClientName = "Renamed"
				if err := w.Pool.Update(w.T.Context(), c.R.ClientID, c.A.Marker, m, nil); err != nil {
					w.T.Fatal(err)
				}
			}
			if !tt.appClient {
				if err := w.Pool.Delete(w.T.Context(), c.R.ClientID, c.A.Marker); err != nil {
					w.T.Fatal(err)
				}
			}
			w.Wait(2 * time.Minute)
			return c
		}
		check := func(w *world.World, c *world.LimitedClient) {
			w.T.Helper()
			if tt.registration == another {
				if err := w.Inner.DeleteRegistration(w.T.Context(), c.R.ClientID, c.R.Generation); err != nil {
					w.T.Fatal(err)
				}
			}
			if tt.want.Removed == 0 {
				if tt.appClient {
					w.CheckConsistent()
				}
				w.WantTaken("with the client", c.IAT, world.Taken{Uses: 1, Places: 1})
				if err := w.Delete(w.T.Context(), c.R.ClientID, c.RAT); err != nil {
					w.T.Errorf("Delete: %v", err)
				}
			}
			w.CheckConsistent()
			w.WantTaken("in the end", c.IAT, world.Taken{Uses: tt.uses, Places: 0})
			if _, err := w.Inner.AppClient(w.T.Context(), c.A.Key); !errors.Is(err, broker.ErrNotFound) {
				w.T.Errorf("the record still exists (%v)", err)
			}
		}
		t.Run(name, func(t *testing.T) { f(t, begin, check, tt.want) })
	}
}

func TestSweepOfDirectMode(t *testing.T) {
	forEachLeftBehind(t, func(t *testing.T, begin func(*world.World) *world.LimitedClient, check func(*world.World, *world.LimitedClient), want janitor.Report) {
		w := world.New(t)
		c := begin(w)
		if done, err := w.Sweep(t.Context(), janitor.Options{}); err != nil || done != want {
			t.Errorf("Sweep = %+v, %v, want %+v", done, err, want)
		}
		if keeps := want.Removed == 0 || c.R.AppClient == "another"; w.HasRegistration(c) != keeps {
			t.Errorf("the registration exists: %t, want %t", !keeps, keeps)
		}
		check(w, c)
	})
}

func TestSweepOfDirectModeWhateverFails(t *testing.T) {
	forEachLeftBehind(t, func(t *testing.T, begin func(*world.World) *world.LimitedClient, check func(*world.World, *world.LimitedClient), _ janitor.Report) {
		world.ForEachFault(t, func(t *testing.T, w *world.World, c *world.Trouble) {
			client := begin(w)
			c.During(w, func() {
				done, err := w.Sweep(t.Context(), janitor.Options{})
				if failed := err != nil || done.Failed > 0; failed != (len(c.Faults) > 0) {
					t.Errorf("Sweep = %+v, %v with these faults: %s", done, err, c.Faults)
				}
			})
			w.Settle()
			check(w, client)
		})
	})
}

// A sweep does not change records that are not due, even if the list of due
// records, which may lag behind, has them.
func TestSweepDoesNotChangeRecordsThatAreNotDue(t *testing.T) {
	for _, state := range []broker.AppClientState{broker.AppClientCreating, broker.AppClientUpdating, broker.AppClientRemoving} {
		t.Run(string(state)+", begun a moment ago", func(t *testing.T) {
			w := world.New(t)
			c := w.LimitedClient()
			c.A.State, c.A.Due = state, w.Now().Add(time.Second)
			w.Put(c)
			w.WantUntouched(c)
		})
	}
	t.Run("ready, by another janitor", func(t *testing.T) {
		w := world.New(t)
		w.WantUntouched(w.LimitedClient())
	})
	t.Run("removed, by another janitor", func(t *testing.T) {
		w := world.New(t)
		sweeper := w.On(&world.LaggingStore{Store: w.Store, Keys: []string{"gone"}}, w.Pool)
		if done, err := sweeper.Sweep(t.Context(), janitor.Options{}); err != nil || done != (janitor.Report{}) {
			t.Errorf("Sweep = %+v, %v, want nothing to do", done, err)
		}
	})
}

// A request that still makes an app client must find out that the janitor gave
// it up, even if the janitor found no app client at Cognito and has not
// finished yet.
func TestSweepMarksBeforeItRemoves(t *testing.T) {
	w := world.New(t)
	w.UsePolicy(world.LimitedPolicy)
	tok, iat := w.Token("limited", 1)
	making, create := w.Pool.Pause("Create")
	registered, reconciled := make(chan error), make(chan error)
	go func() {
		_, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tok)
		registered <- err
	}()
	<-making
	w.Wait(3 * time.Minute)
	sweeping, goOn := w.Store.Pause("ReturnBudget")
	go func() {
		_, err := w.Sweep(t.Context(), janitor.Options{})
		reconciled <- err
	}()
	<-sweeping // it has found no app client with that marker, and given back the use
	create()
	world.WantCode(t, "Register", <-registered, dcr.Unavailable)
	goOn()
	if err := <-reconciled; err != nil {
		t.Error(err)
	}
	w.Recover()
	w.WantTaken("in the end", iat, world.Taken{})
}

// If a removal begins because the registration does not exist, the record is
// marked for removal.
func TestSweepMarksAnUpdateThatBecomesARemoval(t *testing.T) {
	w := world.New(t)
	c := w.LimitedClient()
	c.A.State, c.A.Due = broker.AppClientUpdating, w.Now()
	w.Put(c)
	if err := w.Inner.DeleteRegistration(t.Context(), c.R.ClientID, c.R.Generation); err != nil {
		t.Fatal(err)
	}
	w.Pool.FailNext("Delete", 1, fake.NotApplied)
	if done, err := w.Sweep(t.Context(), janitor.Options{}); err != nil || done.Failed != 1 {
		t.Errorf("Sweep = %+v, %v, want one failed", done, err)
	}
	a, err := w.Inner.AppClient(t.Context(), c.A.Key)
	if err != nil || a.State != broker.AppClientRemoving || !a.Due.Equal(w.Now().Add(2*time.Minute)) {
		t.Errorf("the record = %+v, %v, want it marked for removal and due in two minutes", a, err)
	}
	w.Recover()
	w.WantTaken("in the end", c.IAT, world.Taken{Uses: 1, Places: 0})
}

// A PUT that arrives while the janitor restores the app client is refused for a
// while. Otherwise it would not be known which settings reached Cognito last.
func TestUpdateDuringSweep(t *testing.T) {
	w := world.New(t)
	c := w.LimitedClient()
	c.A.State, c.A.Due = broker.AppClientUpdating, w.Now()
	w.Put(c)
	put := func() (*dcr.ClientInformation, error) {
		return w.Update(t.Context(), c.R.ClientID, c.RAT, world.Update(t, world.ConfidentialBody, c.R.ClientID, "client_name", "Renamed"))
	}
	w.Pool.Before("Update", func() error {
		_, err := put()
		if e := world.WantCode(t, "Update", err, dcr.TooManyRequests); e.RetryAfter != 45*time.Second {
			t.Errorf("Retry-After = %s, want the 45 s of the lease", e.RetryAfter)
		}
		return nil
	})
	if done, err := w.Sweep(t.Context(), janitor.Options{}); err != nil || done != (janitor.Report{Restored: 1}) {
		t.Errorf("Sweep = %+v, %v, want one restored", done, err)
	}
	w.CheckConsistent()
	if _, err := put(); err != nil {
		t.Errorf("Update afterwards: %v", err)
	}
	w.CheckConsistent()
}

// If Cognito is throttled, the sweep ends. Any other failure concerns only one
// app client.
func TestSweepStopsWhenCognitoIsBusy(t *testing.T) {
	for _, tt := range []struct {
		name  string
		err   error
		calls int
		stops bool
	}{
		{"busy", &broker.NotAppliedError{Err: dcr.Errorf(dcr.Unavailable, "too many requests")}, 1, true},
		{"no call free", &broker.NotAppliedError{Err: fmt.Errorf("%w: %w", dcr.Errorf(dcr.Unavailable, "busy"), broker.ErrCallLimit)}, 2, false},
		{"another answer of the protocol", &broker.NotAppliedError{Err: dcr.Errorf(dcr.InvalidClientMetadata, "no")}, 2, false},
		{"broken", fake.ErrInjected, 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := world.New(t)
			for range 2 {
				c := w.LimitedClient()
				c.A.State, c.A.Due = broker.AppClientRemoving, w.Now()
				w.Put(c)
			}
			calls := 0
			w.Pool.Around("Delete", func(func() error) error { calls++; return tt.err })
			done, err := w.Sweep(t.Context(), janitor.Options{})
			want := janitor.Report{Failed: tt.calls, Backlog: 2 - tt.calls}
			if stopped := err != nil; stopped != tt.stops || calls != tt.calls || done != want {
				t.Errorf("Sweep = %+v, %v after %d calls, want %+v and stopped %t", done, err, calls, want, tt.stops)
			}
			if tt.stops && !errors.Is(err, tt.err) {
				t.Errorf("error = %v, want %v in it", err, tt.err)
			}
			w.Recover()
		})
	}
}

// An orphan that cannot be deleted now does not delay records that are due.
func TestABusyCognitoDoesNotDelayDueRecords(t *testing.T) {
	w := world.New(t)
	c := w.LimitedClient()
	w.Wait(2 * time.Hour)
	c.A.State, c.A.Due = broker.AppClientRemoving, w.Now()
	w.Put(c)
	w.Orphan(time.Hour)
	busy := &broker.NotAppliedError{Err: dcr.Errorf(dcr.Unavailable, "too many requests")}
	w.Pool.Before("Delete", func() error { return busy })
	done, err := w.Sweep(t.Context(), janitor.Options{})
	if want := (janitor.Report{Failed: 1, Removed: 1}); done != want || !errors.Is(err, busy) {
		t.Errorf("Sweep = %+v, %v, want %+v and %v", done, err, want, busy)
	}
	w.SweepOnce()
	w.Recover()
}
