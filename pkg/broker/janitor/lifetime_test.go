package janitor_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

func TestAnUnusedClientIsRemoved(t *testing.T) {
	world.WhateverFails(t, func(t *testing.T, w *world.Brokered, fault func()) {
		w.UseBrokeredPolicy(world.LifePolicy)
		used, _ := w.Vouched("trusted", world.AppBody)
		idle, rat := w.Vouched("trusted", world.AppBody)
		usedKey, idleKey := w.AppClientKey(used), w.AppClientKey(idle)
		for _, id := range []string{used, idle} {
			w.MustProvision(w.AppClientKey(id))
			w.Use(id)
			w.Allow(id)
			w.Allow(id)
		}
		w.Recover(usedKey, idleKey)
		w.Wait(2 * world.Day)
		w.Use(used)
		w.Wait(world.Day)
		fault()
		_, _ = w.Sweep(t.Context(), janitor.Options{}) // an error or not: the next run finishes it
		w.Recover(usedKey)

		r := w.WantState(idle, broker.RegistrationRemoved)
		if left := r.ExpiresAt.Sub(w.Now()); !r.Due.IsZero() || left < 89*world.Day || left > 90*world.Day {
			t.Errorf("the tombstone is due at %v and lives until %v, want never and about 90 days", r.Due, r.ExpiresAt)
		}
		if n := w.Standing(idle); n != 0 {
			t.Errorf("%d grants of the removed client stand", n)
		}
		if _, err := w.Inner.AppClient(t.Context(), idleKey); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("the record of its app client is still there: %v", err)
		}
		_, err := w.Client(t.Context(), idle)
		if !errors.Is(err, broker.ErrRemoved) || !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("Client = %v, want ErrRemoved", err)
		}
		_, err = w.Read(t.Context(), idle, rat)
		world.WantCode(t, "Read", err, dcr.InvalidToken)
		world.WantCode(t, "Delete", w.Delete(t.Context(), idle, rat), dcr.InvalidToken)

		w.WantState(used, broker.RegistrationActive)
		if n := w.Standing(used); n != 2 {
			t.Errorf("%d grants of the client in use are valid, want 2", n)
		}
		w.Wait(91 * world.Day)
		if _, err := w.Inner.Registration(t.Context(), idle); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("after 91 days the tombstone still exists: %v", err)
		}
	})
}

// A sweep that has read a tombstone does not end the grants of a client that
// registers again in the meantime, whenever that is.
func TestAClientThatRegistersAgainWhileItsTombstoneIsSwept(t *testing.T) {
	meanwhile := map[string]func(w *world.Brokered, act func() error){
		"the tombstone has been read": func(w *world.Brokered, act func() error) { w.Store.After("Registration", act) },
		"its grants are being ended":  func(w *world.Brokered, act func() error) { w.Grants.Before("EndOfClient", act) },
	}
	for when, during := range meanwhile {
		t.Run(when, func(t *testing.T) {
			w := world.NewLife(t)
			info, _ := w.MustRegister(world.PublicBody, world.None)
			w.Use(info.ClientID)
			w.Allow(info.ClientID)
			w.Wait(4 * world.Day)
			w.Grants.FailNext("EndOfClient", 1, fake.NotApplied)
			if done, err := w.Sweep(t.Context(), janitor.Options{}); err != nil || done.Failed != 1 {
				t.Fatalf("Sweep that cannot end grants = %+v, %v", done, err)
			}
			old := w.WantState(info.ClientID, broker.RegistrationRemoved).Generation
			during(w, func() error {
				w.MustRegister(world.PublicBody, world.None)
				w.Allow(info.ClientID)
				return nil
			})
			done, err := w.Sweep(t.Context(), janitor.Options{})
			if err != nil || done.EndedGrants != 1 {
				t.Errorf("Sweep = %+v, %v, want one grant ended", done, err)
			}
			for _, g := range w.Grants.Standing() {
				if g.Generation == old {
					t.Errorf("grant %s of the former generation stands", g.ID)
				}
			}
			if n := w.Standing(info.ClientID); n != 1 {
				t.Errorf("%d grants stand, want the one of the client that registered again", n)
			}
			w.WantState(info.ClientID, broker.RegistrationActive)
		})
	}
}

// What ends does not come back when the operator restores the policy. So a sweep that
// cannot read the newest one ends no registration, and the next one does.
func TestNoRegistrationEndsByAnOlderPolicy(t *testing.T) {
	w := world.NewLife(t)
	id, _ := w.Vouched("trusted", world.AppBody)
	w.Use(id)
	w.Wait(31 * world.Day)
	failing := errors.New("version 7, the newest, cannot be used")
	s, err := world.Assemble(world.Parts{
		Mode: broker.ModeBrokered, Store: w.Store, Pool: w.Pool, Maker: w.Pool, Branding: true, Grants: w.Grants, Keys: w.Ring, Now: w.Now,
		Policy: func(ctx context.Context) (*policy.Policy, error) {
			if broker.WantsUncached(ctx) && failing != nil {
				return nil, failing
			}
			return w.PolicySource(ctx)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if done, err := s.Sweep(t.Context(), janitor.Options{}); err != nil || done.Failed != 1 || done.Expired != 0 {
		t.Errorf("Sweep = %+v, %v, want one failure and nothing expired", done, err)
	}
	w.WantState(id, broker.RegistrationActive)
	failing = nil
	if done, err := s.Sweep(t.Context(), janitor.Options{}); err != nil || done.Expired != 1 {
		t.Errorf("Sweep = %+v, %v, want one expired", done, err)
	}
	w.WantState(id, broker.RegistrationRemoved)
}

func TestLifetimes(t *testing.T) {
	t.Run("a client in use lives on", func(t *testing.T) {
		w := world.NewLife(t)
		id, _ := w.Vouched("trusted", world.AppBody)
		w.Passes(20*world.Day, id)
		w.WantState(id, broker.RegistrationActive)
	})
	t.Run("until its absolute lifetime ends", func(t *testing.T) {
		w := world.NewLife(t)
		id, _ := w.Vouched("trusted", world.AppBody)
		w.Passes(30*world.Day-2*time.Hour, id)
		w.WantState(id, broker.RegistrationActive)
		w.Passes(3 * time.Hour)
		w.WantState(id, broker.RegistrationRemoved)
	})
	t.Run("inactivity counts from the registration if it was never used", func(t *testing.T) {
		w := world.NewLife(t)
		id, _ := w.Vouched("trusted", world.AppBody)
		w.Passes(3*world.Day - 2*time.Hour)
		w.WantState(id, broker.RegistrationActive)
		w.Passes(3 * time.Hour)
		w.WantState(id, broker.RegistrationRemoved)
	})
	t.Run("a profile without lifetimes keeps its clients", func(t *testing.T) {
		w := world.NewLife(t)
		id, _ := w.Vouched("lasting", world.AppBody)
		w.Wait(3000 * world.Day)
		w.MustSweep()
		w.WantState(id, broker.RegistrationActive)
	})
	t.Run("a changed policy reaches a client within a week", func(t *testing.T) {
		w := world.NewLife(t)
		id, _ := w.Vouched("lasting", world.AppBody)
		w.Wait(world.Day)
		w.UseBrokeredPolicy(strings.Replace(world.LifePolicy, `"app_client":"shared"`, `"app_client":"shared","lifetimes":{"inactive":"1d"}`, 1))
		w.Passes(7 * world.Day)
		w.WantState(id, broker.RegistrationRemoved)
	})
	t.Run("a removed profile ends no lifetime", func(t *testing.T) {
		w := world.NewLife(t)
		id, _ := w.Vouched("trusted", world.AppBody)
		w.UseBrokeredPolicy(world.BrokeredPolicyWithout("trusted"))
		w.Passes(40 * world.Day)
		w.WantState(id, broker.RegistrationActive)
	})
	t.Run("an unused registration expires without the janitor", func(t *testing.T) {
		w := world.NewLife(t)
		info, _ := w.MustRegister(world.PublicBody, world.None)
		if isDue(w, info.ClientID) {
			t.Error("an unconfirmed registration is due")
		}
		w.Wait(4 * world.Day)
		if _, err := w.Inner.Registration(t.Context(), info.ClientID); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("Registration = %v, want ErrNotFound", err)
		}
	})
	t.Run("the first use is followed by a review after a day", func(t *testing.T) {
		w := world.NewLife(t)
		info, _ := w.MustRegister(world.PublicBody, world.None)
		w.Wait(3 * world.Day)
		w.Use(info.ClientID)
		if r := w.Registration(info.ClientID); !r.Due.Equal(w.Now().Add(world.Day)) || !r.ActiveSince.Equal(w.Now()) || !r.ExpiresAt.IsZero() {
			t.Errorf("after the first use = %+v", r)
		}
		w.Passes(3*world.Day - time.Hour)
		w.WantState(info.ClientID, broker.RegistrationActive)
		w.Passes(2 * time.Hour)
		w.WantState(info.ClientID, broker.RegistrationRemoved)
	})
	// Strangers can repeat an open registration.
	t.Run("registering again is no use", func(t *testing.T) {
		w := world.NewLife(t)
		info, _ := w.MustRegister(world.PublicBody, world.None)
		w.Use(info.ClientID)
		w.Allow(info.ClientID)
		former := w.Registration(info.ClientID).Generation
		for range 6 { // LifePolicy ends it three days after its last use
			w.Wait(12*time.Hour - time.Minute)
			w.Restart()
			w.MustRegister(world.PublicBody, world.None)
			w.MustSweep()
		}
		w.WantState(info.ClientID, broker.RegistrationActive)
		w.Wait(time.Hour)
		w.MustSweep()
		w.WantState(info.ClientID, broker.RegistrationRemoved)
		if n := w.Standing(info.ClientID); n != 0 {
			t.Errorf("%d grants stand after the end, want none", n)
		}

		w.Restart()
		again, _ := w.MustRegister(world.PublicBody, world.None)
		r := w.WantState(info.ClientID, broker.RegistrationActive)
		if again.ClientID != info.ClientID || r.Generation == former || r.ExpiresAt.IsZero() {
			t.Errorf("registered again = %s, %+v, want the same id, a new generation and the life of an unused client", again.ClientID, r)
		}
	})
}

func isDue(w *world.Brokered, clientID string) bool {
	w.T.Helper()
	for d, err := range w.Inner.Due(w.T.Context(), w.Now().AddDate(100, 0, 0), "") {
		if err != nil {
			w.T.Fatal(err)
		}
		if d.Kind == broker.DueRegistration && d.Key == clientID {
			return true
		}
	}
	return false
}

// A client that is used at the very moment of its removal stays.
func TestAClientThatIsUsedDuringItsRemovalStays(t *testing.T) {
	w := world.NewLife(t)
	id, _ := w.Vouched("trusted", world.AppBody)
	w.MustProvision(w.AppClientKey(id))
	w.Allow(id)
	w.Wait(4 * world.Day)
	w.Store.Before("RetireRegistration", func() error { w.Use(id); return nil })
	if done, err := w.Sweep(t.Context(), janitor.Options{}); err != nil || done.Expired != 0 || done.Failed != 0 {
		t.Errorf("Sweep = %+v, %v, want none expired", done, err)
	}
	w.Recover(w.AppClientKey(id))
	w.WantState(id, broker.RegistrationActive)
	if n := w.Standing(id); n != 1 {
		t.Errorf("%d grants stand, want 1", n)
	}
}

// A client that registers openly again gets its former id, and nothing else of
// the former registration.
func TestARemovedClientRegistersAgain(t *testing.T) {
	for _, finished := range []bool{true, false} {
		w := world.NewLife(t)
		info, _ := w.MustRegister(world.PublicBody, world.None)
		w.Use(info.ClientID)
		w.Allow(info.ClientID)
		old := w.Registration(info.ClientID)
		w.Wait(4 * world.Day)
		if !finished {
			w.Grants.FailNext("EndOfClient", 1, fake.NotApplied)
		}
		if done, err := w.Sweep(t.Context(), janitor.Options{}); err != nil || done.Expired != 1 || finished != (done.Failed == 0) {
			t.Errorf("Sweep = %+v, %v", done, err)
		}
		w.WantState(info.ClientID, broker.RegistrationRemoved)
		w.Restart()
		again, _ := w.MustRegister(world.PublicBody, world.None)
		r := w.WantState(info.ClientID, broker.RegistrationActive)
		if again.ClientID != info.ClientID || r.Generation == old.Generation || !r.LastUsedAt.IsZero() || !again.IssuedAt.Equal(broker.Seconds(w.Now())) {
			t.Errorf("registered again = %+v, stored %+v, want the same id, and nothing else of the old one", again, r)
		}
		if finished == r.ExpiresAt.IsZero() {
			t.Errorf("expires at %v, removal finished %t", r.ExpiresAt, finished)
		}
		w.Allow(info.ClientID)
		w.Recover()
		if n := w.Standing(info.ClientID); n != 1 {
			t.Errorf("%d grants stand, want only the new one", n)
		}
		w.WantState(info.ClientID, broker.RegistrationActive)
	}
}

func TestApproval(t *testing.T) {
	w := world.NewLife(t)
	id, rat := w.Vouched("asked", world.AppBody)
	w.WantState(id, broker.RegistrationPending)
	if _, err := w.Client(t.Context(), id); !errors.Is(err, broker.ErrPending) || !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("Client = %v, want ErrPending", err)
	}
	if err := w.Provision(t.Context(), w.AppClientKey(id)); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("Provision = %v, want ErrNotFound", err)
	}
	if _, err := w.Read(t.Context(), id, rat); err != nil {
		t.Errorf("Read = %v, want none: it can be managed", err)
	}
	if _, err := w.Approve(t.Context(), id, "ops"); err != nil {
		t.Fatal(err)
	}
	w.Use(id)
	if _, err := w.Approve(t.Context(), id, "ops"); err != nil {
		t.Errorf("Approve again = %v", err)
	}
	same := world.Update(t, world.AppBody, id)
	info, err := w.Update(t.Context(), id, rat, same)
	if err != nil {
		t.Fatal(err)
	}
	w.WantState(id, broker.RegistrationActive)
	rat = credential.Presented(info.RegistrationAccessToken)
	if _, err := w.Update(t.Context(), id, rat, world.Update(t, world.AppBody, id, "redirect_uris", []string{"https://evil.example.com/cb"})); err != nil {
		t.Fatal(err)
	}
	w.WantState(id, broker.RegistrationPending) // the operator approved other metadata
	w.Passes(4 * world.Day)
	w.WantState(id, broker.RegistrationRemoved)

	t.Run("of a client that registered openly", func(t *testing.T) {
		w := world.NewLife(t)
		w.UseBrokeredPolicy(strings.Replace(world.LifePolicy, `"unconfirmed":"4d"}`, `"unconfirmed":"4d"},"approval":"manual"`, 1))
		info, _ := w.MustRegister(world.PublicBody, world.None)
		w.Wait(3 * world.Day)
		if _, err := w.Approve(t.Context(), info.ClientID, "ops"); err != nil {
			t.Fatal(err)
		}
		if r := w.WantState(info.ClientID, broker.RegistrationActive); !r.ExpiresAt.Equal(w.Now().Add(4 * world.Day)) {
			t.Errorf("expires at %v, want 4 days after it was approved", r.ExpiresAt)
		}
		w.Wait(4 * world.Day)
		w.Restart()
		w.MustRegister(world.PublicBody, world.None)
		w.WantState(info.ClientID, broker.RegistrationPending) // it is another registration
		w.UseBrokeredPolicy(world.LifePolicy)
		w.Restart()
		w.MustRegister(world.PublicBody, world.None)
		w.WantState(info.ClientID, broker.RegistrationActive) // it no longer needs approval
	})
}
