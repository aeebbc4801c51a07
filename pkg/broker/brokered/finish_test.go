package brokered_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

func TestSweepFinishesAHalfMadeAppClient(t *testing.T) {
	w := world.NewBrokered(t)
	w.Pool.FailNext("CreateBrokered", 1, fake.ReplyLost)
	world.WantCode(t, "Provision", w.Provision(t.Context(), "profile/open"), dcr.Unavailable)
	w.Recover()
	w.CheckConsistent()
	w.MustProvision("profile/open")
	w.Recover("profile/open")
}

func TestSweepWhateverFails(t *testing.T) {
	world.WhateverFails(t, func(t *testing.T, w *world.Brokered, fault func()) {
		w.UseBrokeredPolicy(narrowPolicy)
		w.MustProvision("profile/open") // lacks a scope
		clientID, _ := w.Vouched("trusted", world.ConfidentialBody)
		key := w.AppClientKey(clientID)
		w.Pool.FailNext("CreateBrokered", 1, fake.ReplyLost)
		world.WantCode(t, "Provision", w.Provision(t.Context(), key), dcr.Unavailable)
		w.Wait(time.Minute)
		w.MustProvision(key) // made twice
		gone, rat := w.Vouched("trusted", world.ConfidentialBody)
		w.MustProvision(w.AppClientKey(gone))
		if err := w.Delete(t.Context(), gone, rat); err != nil {
			t.Fatal(err)
		}
		w.Pool.FailNext("CreateBrokered", 1, fake.ReplyLost)
		world.WantCode(t, "Provision", w.Provision(t.Context(), "profile/together"), dcr.Unavailable) // half made
		w.UseBrokeredPolicy(world.BrokeredPolicy)
		w.Wait(5 * time.Minute)
		fault()
		_, _ = w.Sweep(t.Context(), janitor.Options{}) // an error or not: the next run finishes it
		w.Recover("profile/open", key)
		if got := strings.Join(w.AppClient("profile/open").Scopes, " "); got != "openid mcp/read mcp/write" {
			t.Errorf("scopes = %q", got)
		}
	})
}

// narrowPolicy is world.BrokeredPolicy with fewer scopes for open registration.
var narrowPolicy = strings.Replace(world.BrokeredPolicy, `"limits":{"app_clients":5}},
	"trusted"`, `"scopes":{"allowed":["mcp/read"]},"limits":{"app_clients":5}},
	"trusted"`, 1)

// An unconfirmed registration and its app client are removed together.
func TestTheAppClientOfARegistrationThatExpired(t *testing.T) {
	w := world.NewBrokered(t)
	clientID, _ := w.Vouched("short", strings.Replace(world.ConfidentialBody, "client_secret_basic", "none", 1))
	used, _ := w.Vouched("short", strings.Replace(world.ConfidentialBody, "client_secret_basic", "none", 1))
	key, usedKey := w.AppClientKey(clientID), w.AppClientKey(used)
	w.MustProvision(key)
	w.MustProvision(usedKey)
	w.Recover(key, usedKey)
	if err := w.Touch(t.Context(), w.Registration(used)); err != nil {
		t.Fatal(err)
	}
	w.Wait(2 * time.Hour)
	w.Recover(usedKey)
	if a := w.AppClient(usedKey); !a.Due.IsZero() {
		t.Errorf("the app client of a registration in use is due at %s", a.Due)
	}
}

func deleteAndSweep(w *world.Brokered, clientID string, rat credential.Token) {
	w.T.Helper()
	if err := w.Delete(w.T.Context(), clientID, rat); err != nil {
		w.T.Error(err)
	}
	if _, err := w.Sweep(w.T.Context(), janitor.Options{}); err != nil {
		w.T.Error(err)
	}
}

// A registration is deleted while its first app client is being made.
func TestDeleteDuringProvisioning(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		t.Run(when+" the creation", func(t *testing.T) {
			w := world.NewBrokered(t)
			clientID, rat := w.Vouched("trusted", world.ConfidentialBody)
			key := w.AppClientKey(clientID)
			act := w.Pool.Before
			if when == "after" {
				act = w.Pool.After
			}
			act("CreateBrokered", func() error { deleteAndSweep(w, clientID, rat); return nil })
			if err := w.Provision(t.Context(), key); err == nil {
				t.Error("provisioned for a client that has been deleted")
			}
			w.Recover()
			w.Recover()
			w.CheckConsistent()
		})
	}
}

// The deletion may have looked for a record just before the record was written.
func TestDeleteJustBeforeTheRecord(t *testing.T) {
	w := world.NewBrokered(t)
	clientID, _ := w.Vouched("trusted", world.ConfidentialBody)
	key := w.AppClientKey(clientID)
	r := w.Registration(clientID)
	w.MustProvision(key)
	if err := w.Inner.DeleteRegistration(t.Context(), clientID, r.Generation); err != nil {
		t.Fatal(err)
	}
	w.Recover()
	w.CheckConsistent()
}

func TestAProfileGrows(t *testing.T) {
	w := world.NewBrokered(t)
	w.UseBrokeredPolicy(narrowPolicy)
	a := w.MustProvision("profile/open")
	if got := strings.Join(a.Scopes, " "); got != "openid mcp/read" {
		t.Errorf("scopes = %q", got)
	}
	w.UseBrokeredPolicy(world.BrokeredPolicy)
	if done, err := w.Sweep(t.Context(), janitor.Options{}); err != nil || done.Grown != 1 {
		t.Errorf("Sweep = %+v, %v, want one grown", done, err)
	}
	if got := strings.Join(w.AppClient(a.Key).Scopes, " "); got != "openid mcp/read mcp/write" {
		t.Errorf("scopes after the profile grew = %q", got)
	}
	w.UseBrokeredPolicy(narrowPolicy) // which takes nothing away
	if done, err := w.Sweep(t.Context(), janitor.Options{}); err != nil || done.Grown != 0 {
		t.Errorf("Sweep = %+v, %v, want nothing", done, err)
	}
	w.Recover("profile/open")
}

// A process may die while it makes an app client that is no longer needed. No
// other process knows about this app client.
func TestDeleteDuringProvisioningThatDies(t *testing.T) {
	w := world.NewBrokered(t)
	clientID, rat := w.Vouched("trusted", world.ConfidentialBody)
	w.Pool.Before("CreateBrokered", func() error { deleteAndSweep(w, clientID, rat); return nil })
	w.Pool.After("CreateBrokered", func() error {
		for _, method := range w.Store.Methods() {
			w.Store.FailNext(method, 1000, fake.NotApplied)
		}
		return nil
	})
	world.WantCode(t, "Provision", w.Provision(t.Context(), w.AppClientKey(clientID)), dcr.Unavailable)
	if n := len(w.Pool.All()); n != 1 {
		t.Errorf("%d app clients, want the one that was made", n)
	}
	w.Recover()
	w.CheckConsistent()
}

// The janitor may have listed the app clients just before another process made
// one. The janitor considers that process dead.
func TestSweepWithAnOutdatedList(t *testing.T) {
	w := world.NewBrokered(t)
	making, create := w.Pool.Pause("CreateBrokered")
	provisioned, reconciled := make(chan error), make(chan error)
	go func() { provisioned <- w.Provision(t.Context(), "profile/open") }()
	<-making
	w.Wait(3 * time.Minute)
	sweeping, goOn := w.Store.Pause("ReturnBudget")
	go func() {
		_, err := w.Sweep(t.Context(), janitor.Options{})
		reconciled <- err
	}()
	<-sweeping // it has found no app client with that marker
	create()
	world.WantCode(t, "Provision", <-provisioned, dcr.Unavailable)
	goOn()
	if err := <-reconciled; err != nil {
		t.Error(err)
	}
	w.Recover()
	w.CheckConsistent()
}

// The slower of two janitors must not remove an app client that was made in the
// meantime, nor leave a place taken if none was made.
func TestTwoJanitors(t *testing.T) {
	for name, made := range map[string][]string{"and a new app client": {"profile/open"}, "and no new app client": nil} {
		t.Run(name, func(t *testing.T) {
			w := world.NewBrokered(t)
			w.Pool.FailNext("CreateBrokered", 1, fake.ReplyLost)
			world.WantCode(t, "Provision", w.Provision(t.Context(), "profile/open"), dcr.Unavailable)
			w.Wait(3 * time.Minute)
			sweeping, goOn := w.Store.Pause("ReturnBudget")
			reconciled := make(chan error)
			go func() {
				_, err := w.Sweep(t.Context(), janitor.Options{})
				reconciled <- err
			}()
			<-sweeping
			w.Wait(3 * time.Minute)
			if _, err := w.Sweep(t.Context(), janitor.Options{}); err != nil {
				t.Error(err)
			}
			for _, key := range made {
				w.MustProvision(key)
			}
			goOn()
			if err := <-reconciled; err != nil {
				t.Error(err)
			}
			w.CheckConsistent(made...)
			w.Recover(made...)
		})
	}
}

// The record of an app client that no longer exists does not outlive its
// registration.
func TestAVacantRecordIsDeletedWithItsRegistration(t *testing.T) {
	for _, profile := range []string{"short", "trusted"} {
		t.Run(profile, func(t *testing.T) {
			w := world.NewBrokered(t)
			clientID, rat := w.Vouched(profile, strings.Replace(world.ConfidentialBody, "client_secret_basic", "none", 1))
			key := w.AppClientKey(clientID)
			w.Pool.FailNext("CreateBrokered", 1, fake.ReplyLost)
			world.WantCode(t, "Provision", w.Provision(t.Context(), key), dcr.Unavailable)
			w.Recover()
			if a := w.AppClient(key); a.State != broker.AppClientVacant {
				t.Errorf("state = %q, want vacant", a.State)
			}
			if profile == "trusted" {
				if err := w.Delete(t.Context(), clientID, rat); err != nil {
					t.Fatal(err)
				}
			}
			w.Wait(2 * time.Hour)
			w.Recover()
			if _, err := w.Inner.AppClient(t.Context(), key); !errors.Is(err, broker.ErrNotFound) {
				t.Errorf("the record is still there (%v)", err)
			}
			w.CheckConsistent()
		})
	}
}
