package usecase_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/usecase"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

func TestSweepFinishesAHalfMadeAppClient(t *testing.T) {
	w := newBrokeredWorld(t)
	w.pool.FailNext("CreateBrokered", 1, fake.ReplyLost)
	wantCode(t, "Provision", w.Provision(t.Context(), "profile/open"), dcr.Unavailable)
	w.recover()
	w.checkConsistent()
	w.mustProvision("profile/open")
	w.recover("profile/open")
}

func TestSweepWhateverFails(t *testing.T) {
	whateverFails(t, func(t *testing.T, w *brokeredWorld, fault func()) {
		w.useBrokeredPolicy(narrowPolicy)
		w.mustProvision("profile/open") // lacks a scope
		clientID, _ := w.vouched("trusted", confidentialBody)
		key := w.appClientKey(clientID)
		w.pool.FailNext("CreateBrokered", 1, fake.ReplyLost)
		wantCode(t, "Provision", w.Provision(t.Context(), key), dcr.Unavailable)
		w.wait(time.Minute)
		w.mustProvision(key) // made twice
		gone, rat := w.vouched("trusted", confidentialBody)
		w.mustProvision(w.appClientKey(gone))
		if err := w.Delete(t.Context(), gone, rat); err != nil {
			t.Fatal(err)
		}
		w.pool.FailNext("CreateBrokered", 1, fake.ReplyLost)
		wantCode(t, "Provision", w.Provision(t.Context(), "profile/together"), dcr.Unavailable) // half made
		w.useBrokeredPolicy(brokeredPolicy)
		w.wait(5 * time.Minute)
		fault()
		_, _ = w.Sweep(t.Context(), usecase.SweepOptions{}) // an error or not: the next run finishes it
		w.recover("profile/open", key)
		if got := strings.Join(w.appClient("profile/open").Scopes, " "); got != "openid mcp/read mcp/write" {
			t.Errorf("scopes = %q", got)
		}
	})
}

// narrowPolicy is brokeredPolicy with fewer scopes for open registration.
var narrowPolicy = strings.Replace(brokeredPolicy, `"limits":{"app_clients":5}},
	"trusted"`, `"scopes":{"allowed":["mcp/read"]},"limits":{"app_clients":5}},
	"trusted"`, 1)

// An unconfirmed registration takes its app client with it.
func TestTheAppClientOfARegistrationThatExpired(t *testing.T) {
	w := newBrokeredWorld(t)
	clientID, _ := w.vouched("short", strings.Replace(confidentialBody, "client_secret_basic", "none", 1))
	used, _ := w.vouched("short", strings.Replace(confidentialBody, "client_secret_basic", "none", 1))
	key, usedKey := w.appClientKey(clientID), w.appClientKey(used)
	w.mustProvision(key)
	w.mustProvision(usedKey)
	w.recover(key, usedKey)
	if err := w.Touch(t.Context(), w.registration(used)); err != nil {
		t.Fatal(err)
	}
	w.wait(2 * time.Hour)
	w.recover(usedKey)
	if a := w.appClient(usedKey); !a.Due.IsZero() {
		t.Errorf("the app client of a registration in use is due at %s", a.Due)
	}
}

// A registration is deleted while its first app client is being made.
func TestDeleteDuringProvisioning(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		t.Run(when+" the creation", func(t *testing.T) {
			w := newBrokeredWorld(t)
			clientID, rat := w.vouched("trusted", confidentialBody)
			key := w.appClientKey(clientID)
			del := func() {
				if err := w.Delete(t.Context(), clientID, rat); err != nil {
					t.Error(err)
				}
				if _, err := w.Sweep(t.Context(), usecase.SweepOptions{}); err != nil {
					t.Error(err)
				}
			}
			slow := &slowMaker{Pool: w.pool}
			if when == "before" {
				slow.before = del
			} else {
				slow.after = del
			}
			w.maker = slow
			w.restart()
			if err := w.Provision(t.Context(), key); err == nil {
				t.Error("provisioned for a client that was deleted meanwhile")
			}
			w.recover()
			w.recover()
			w.checkConsistent()
		})
	}
}

// The deletion may have looked for a record just before there was one.
func TestDeleteJustBeforeTheRecord(t *testing.T) {
	w := newBrokeredWorld(t)
	clientID, _ := w.vouched("trusted", confidentialBody)
	key := w.appClientKey(clientID)
	r := w.registration(clientID)
	w.mustProvision(key)
	if err := w.inner.DeleteRegistration(t.Context(), clientID, r.Generation); err != nil {
		t.Fatal(err)
	}
	w.recover()
	w.checkConsistent()
}

func TestAProfileGrows(t *testing.T) {
	w := newBrokeredWorld(t)
	w.useBrokeredPolicy(narrowPolicy)
	a := w.mustProvision("profile/open")
	if got := strings.Join(a.Scopes, " "); got != "openid mcp/read" {
		t.Errorf("scopes = %q", got)
	}
	w.useBrokeredPolicy(brokeredPolicy)
	if done, err := w.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done.Grown != 1 {
		t.Errorf("Sweep = %+v, %v, want one grown", done, err)
	}
	if got := strings.Join(w.appClient(a.Key).Scopes, " "); got != "openid mcp/read mcp/write" {
		t.Errorf("scopes after the profile grew = %q", got)
	}
	w.useBrokeredPolicy(narrowPolicy) // which takes nothing away
	if done, err := w.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done.Grown != 0 {
		t.Errorf("Sweep = %+v, %v, want nothing", done, err)
	}
	w.recover("profile/open")
}

// A process may die after it was told to make an app client that is not wanted
// any more, with nobody left who knows that it has.
func TestDeleteDuringProvisioningThatDies(t *testing.T) {
	w := newBrokeredWorld(t)
	clientID, rat := w.vouched("trusted", confidentialBody)
	w.maker = &slowMaker{Pool: w.pool,
		before: func() {
			if err := w.Delete(t.Context(), clientID, rat); err != nil {
				t.Error(err)
			}
			if _, err := w.Sweep(t.Context(), usecase.SweepOptions{}); err != nil {
				t.Error(err)
			}
		},
		after: func() {
			for _, method := range w.store.Methods() {
				w.store.FailNext(method, 1000, fake.NotApplied)
			}
		},
	}
	w.restart()
	wantCode(t, "Provision", w.Provision(t.Context(), w.appClientKey(clientID)), dcr.Unavailable)
	if n := len(w.pool.All()); n != 1 {
		t.Errorf("%d app clients, want the one that was made", n)
	}
	w.recover()
	w.checkConsistent()
}

// The janitor may have listed the app clients just before one was made that it
// holds for dead.
func TestSweepThatListedTooEarly(t *testing.T) {
	w := newBrokeredWorld(t)
	making, create := make(chan struct{}), make(chan struct{})
	w.maker = &slowMaker{Pool: w.pool, before: func() { close(making); <-create }}
	w.restart()
	provisioned, reconciled := make(chan error), make(chan error)
	go func() { provisioned <- w.Provision(t.Context(), "profile/open") }()
	<-making
	w.wait(3 * time.Minute)
	pausing := &pausingStore{Store: w.store, reached: make(chan struct{}), goOn: make(chan struct{})}
	janitor, err := usecase.New(usecase.Config{
		Mode: broker.ModeBrokered, Store: pausing, AppClients: w.pool, Grants: w.grants, Keys: w.ring,
		Deployment: "test", Issuer: "https://auth.example.com", Now: w.now, Log: discard, Policy: w.policySource,
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := janitor.Sweep(t.Context(), usecase.SweepOptions{})
		reconciled <- err
	}()
	<-pausing.reached // it has found no app client with that marker
	close(create)
	wantCode(t, "Provision", <-provisioned, dcr.Unavailable)
	close(pausing.goOn)
	if err := <-reconciled; err != nil {
		t.Error(err)
	}
	w.recover()
	w.checkConsistent()
}

// Of two janitors the slower must not take away what was made since.
func TestTwoJanitorsAndANewAppClient(t *testing.T) {
	w := newBrokeredWorld(t)
	w.pool.FailNext("CreateBrokered", 1, fake.ReplyLost)
	wantCode(t, "Provision", w.Provision(t.Context(), "profile/open"), dcr.Unavailable)
	w.wait(3 * time.Minute)
	pausing := &pausingStore{Store: w.store, reached: make(chan struct{}), goOn: make(chan struct{})}
	slow, err := usecase.New(usecase.Config{
		Mode: broker.ModeBrokered, Store: pausing, AppClients: w.pool, Grants: w.grants, Keys: w.ring,
		Deployment: "test", Issuer: "https://auth.example.com", Now: w.now, Log: discard, Policy: w.policySource,
	})
	if err != nil {
		t.Fatal(err)
	}
	reconciled := make(chan error)
	go func() {
		_, err := slow.Sweep(t.Context(), usecase.SweepOptions{})
		reconciled <- err
	}()
	<-pausing.reached
	w.wait(3 * time.Minute)
	if _, err := w.Sweep(t.Context(), usecase.SweepOptions{}); err != nil {
		t.Error(err)
	}
	w.mustProvision("profile/open")
	close(pausing.goOn)
	if err := <-reconciled; err != nil {
		t.Error(err)
	}
	w.recover("profile/open")
}

// The record of an app client that is gone does not outlive its registration.
func TestAVacantRecordGoesWithItsRegistration(t *testing.T) {
	for _, profile := range []string{"short", "trusted"} {
		t.Run(profile, func(t *testing.T) {
			w := newBrokeredWorld(t)
			clientID, rat := w.vouched(profile, strings.Replace(confidentialBody, "client_secret_basic", "none", 1))
			key := w.appClientKey(clientID)
			w.pool.FailNext("CreateBrokered", 1, fake.ReplyLost)
			wantCode(t, "Provision", w.Provision(t.Context(), key), dcr.Unavailable)
			w.recover()
			if a := w.appClient(key); a.State != broker.AppClientVacant {
				t.Errorf("state = %q, want vacant", a.State)
			}
			if profile == "trusted" {
				if err := w.Delete(t.Context(), clientID, rat); err != nil {
					t.Fatal(err)
				}
			}
			w.wait(2 * time.Hour)
			w.recover()
			if _, err := w.inner.AppClient(t.Context(), key); !errors.Is(err, broker.ErrNotFound) {
				t.Errorf("the record is still there (%v)", err)
			}
			w.checkConsistent()
		})
	}
}
