package usecase_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/usecase"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// whateverTheOperatorDoes calls do, with each effect failing once, and again
// until it says that it is done, or leaves it there; then the janitor comes.
func whateverTheOperatorDoes(t *testing.T, do func(*brokeredWorld, string) error, check func(t *testing.T, w *brokeredWorld, id, key string, began bool)) {
	for _, repeats := range []bool{true, false} {
		t.Run(map[bool]string{true: "the operator repeats it", false: "the operator does not come again"}[repeats], func(t *testing.T) {
			whateverFails(t, func(t *testing.T, w *brokeredWorld, fault func()) {
				w.useBrokeredPolicy(lifePolicy)
				id, _ := w.vouched("trusted", appBody)
				key := w.appClientKey(id)
				w.mustProvision(key)
				w.use(id)
				w.allow(id)
				w.recover(key)
				fault()
				err := do(w, id)
				if repeats && err != nil {
					w.store.Reset()
					w.grants.Reset()
					w.pool.Reset()
					if err = do(w, id); err != nil {
						t.Errorf("repeated: %v", err)
					}
				}
				w.recover()
				w.checkConsistent(w.existing(key)...)
				check(t, w, id, key, err == nil || errors.Is(err, usecase.ErrLeftToSweep))
			})
		})
	}
}

func TestDisableWhateverFails(t *testing.T) {
	disable := func(w *brokeredWorld, id string) error {
		_, err := w.Disable(w.t.Context(), id, "ops")
		return err
	}
	whateverTheOperatorDoes(t, disable, func(t *testing.T, w *brokeredWorld, id, key string, done bool) {
		r := w.registration(id)
		switch {
		case r.State == broker.RegistrationDisabled:
		case r.State == broker.RegistrationActive && !done:
			w.use(id) // it never began: the client is as it was
			return
		default:
			t.Fatalf("the client is %s, and the operator was told that it is disabled: %t", r.State, done)
		}
		if n := w.standing(id); n != 0 || r.Stale || !r.Due.IsZero() {
			t.Errorf("%d grants stand, stored %+v", n, r)
		}
		if _, err := w.inner.AppClient(t.Context(), key); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("its app client is still recorded: %v", err)
		}
		if _, err := w.Client(t.Context(), id); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("Client = %v, want ErrNotFound", err)
		}
		w.wait(20 * day) // it does not expire
		w.mustSweep()
		w.wantState(id, broker.RegistrationDisabled)
		if _, err := w.Enable(t.Context(), id, "ops"); err != nil {
			t.Fatal(err)
		}
		w.mustSweep()
		w.wantState(id, broker.RegistrationActive) // inactivity counts from now on
		w.use(id)
		if n := w.standing(id); n != 0 {
			t.Errorf("%d old grants revived", n)
		}
		if w.appClientKey(id) == key {
			t.Error("it has its old generation")
		}
		w.mustProvision(w.appClientKey(id))
		w.recover(w.appClientKey(id))
	})
}

func TestDeleteClientWhateverFails(t *testing.T) {
	remove := func(w *brokeredWorld, id string) error {
		_, err := w.DeleteClient(w.t.Context(), id, "ops")
		return err
	}
	whateverTheOperatorDoes(t, remove, func(t *testing.T, w *brokeredWorld, id, key string, done bool) {
		r := w.registration(id)
		switch {
		case r.State == broker.RegistrationDeleted:
		case r.State == broker.RegistrationActive && !done:
			w.use(id)
			return
		default:
			t.Fatalf("the client is %s, and the operator was told that it is deleted: %t", r.State, done)
		}
		if n := w.standing(id); n != 0 {
			t.Errorf("%d grants stand", n)
		}
		if _, err := w.inner.AppClient(t.Context(), key); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("its app client is still recorded: %v", err)
		}
		w.wait(4000 * day)
		w.mustSweep()
		w.wantState(id, broker.RegistrationDeleted)
		for name, f := range map[string]func(context.Context, string, string) (*broker.Registration, error){"Enable": w.Enable, "Approve": w.Approve, "Disable": w.Disable} {
			_, err := f(t.Context(), id, "ops")
			if e, ok := errors.AsType[*usecase.StateError](err); !ok || e.State != broker.RegistrationDeleted {
				t.Errorf("%s of a deleted client = %v, want a StateError", name, err)
			}
		}
	})
}

// What an operator has switched off does not come back by registering.
func TestASwitchedOffClientDoesNotComeBack(t *testing.T) {
	for _, state := range []broker.RegistrationState{broker.RegistrationDisabled, broker.RegistrationDeleted} {
		w := newLife(t)
		info, _ := w.mustRegister(publicBody, none)
		off := w.Disable
		if state == broker.RegistrationDeleted {
			off = w.DeleteClient
		}
		if _, err := off(t.Context(), info.ClientID, "ops"); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			w.wait(40 * day)
			w.mustSweep()
			w.restart()
			_, err := w.Register(t.Context(), request(t, publicBody), none)
			wantCode(t, "Register", err, dcr.InvalidClientMetadata)
			w.wantState(info.ClientID, state)
		}
	}
}

// Nor by deleting itself, which would take what refuses it away.
func TestADisabledClientCannotDeleteItself(t *testing.T) {
	brokered := newLife(t)
	vouched, vouchedRAT := brokered.vouched("trusted", appBody)
	brokered.mustProvision(brokered.appClientKey(vouched))
	direct := newWorld(t)
	info, infoRAT := direct.mustRegister(publicBody, none)
	for _, tt := range []struct {
		mode     broker.Mode
		w        *world
		s        *usecase.Service
		clientID string
		rat      credential.Token
	}{
		{broker.ModeBrokered, brokered.world, brokered.Service, vouched, vouchedRAT},
		{broker.ModeDirect, direct, direct.Service, info.ClientID, infoRAT},
	} {
		t.Run(string(tt.mode), func(t *testing.T) {
			if _, err := tt.s.Disable(t.Context(), tt.clientID, "ops"); err != nil {
				t.Fatal(err)
			}
			wantCode(t, "Delete", tt.s.Delete(t.Context(), tt.clientID, tt.rat), dcr.InvalidToken)
			if r, err := tt.w.inner.Registration(t.Context(), tt.clientID); err != nil || r.State != broker.RegistrationDisabled {
				t.Errorf("Registration = %+v, %v, want it disabled as before", r, err)
			}
			if _, err := tt.s.Enable(t.Context(), tt.clientID, "ops"); err != nil {
				t.Fatal(err)
			}
			if err := tt.s.Delete(t.Context(), tt.clientID, tt.rat); err != nil {
				t.Errorf("Delete when it is enabled again: %v", err)
			}
		})
	}
}

func TestWithoutGrantsTheRestIsLeftToTheSweep(t *testing.T) {
	w := newLife(t)
	id, _ := w.vouched("trusted", appBody)
	w.allow(id)
	s, err := usecase.New(usecase.Config{
		Mode: broker.ModeBrokered, Store: w.store, Issuer: "https://auth.example.com", Now: w.now, Log: discard, Policy: w.policySource,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Disable(t.Context(), id, "ops"); !errors.Is(err, usecase.ErrLeftToSweep) {
		t.Errorf("Disable = %v, want ErrLeftToSweep", err)
	}
	w.wantState(id, broker.RegistrationDisabled)
	if done := w.mustSweep(); done.EndedGrants != 1 || w.standing(id) != 0 {
		t.Errorf("Sweep = %+v, %d grants stand, want one ended and none", done, w.standing(id))
	}
}

func TestOperatorsOfClientsThatAreNotThere(t *testing.T) {
	w := newLife(t)
	for _, id := range []string{"", "dcr_nobody", "../x", "\xff"} {
		for name, f := range map[string]func(context.Context, string, string) (*broker.Registration, error){
			"Approve": w.Approve, "Enable": w.Enable, "Disable": w.Disable, "DeleteClient": w.DeleteClient,
		} {
			if _, err := f(t.Context(), id, "ops"); !errors.Is(err, broker.ErrNotFound) {
				t.Errorf("%s(%q) = %v, want ErrNotFound", name, id, err)
			}
		}
	}
	pending, _ := w.vouched("asked", appBody)
	if _, err := w.Enable(t.Context(), pending, "ops"); err == nil {
		t.Error("Enable of a client that waits for approval: no error")
	}
}

func TestEndGrants(t *testing.T) {
	w := newLife(t)
	id, _ := w.vouched("trusted", appBody)
	other, _ := w.vouched("trusted", appBody)
	for range 3 {
		w.allow(id)
		w.allow(other)
	}
	one := w.grants.Standing()[1].ID
	if err := w.EndGrant(t.Context(), one, "ops"); err != nil || len(w.grants.Standing()) != 5 {
		t.Errorf("EndGrant = %v, %d stand, want 5", err, len(w.grants.Standing()))
	}
	if err := w.EndGrant(t.Context(), "nothing", "ops"); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("EndGrant of none = %v, want ErrNotFound", err)
	}
	if n, err := w.EndGrantsOfClient(t.Context(), id, "ops"); err != nil || n != 3 {
		t.Errorf("EndGrantsOfClient = %d, %v, want 3", n, err)
	}
	if n, err := w.EndGrantsOfUser(t.Context(), "ann", "ops"); err != nil || n != 2 {
		t.Errorf("EndGrantsOfUser = %d, %v, want 2", n, err)
	}
	w.wantState(id, broker.RegistrationActive)
}

func TestCreateClient(t *testing.T) {
	const body = `{"client_name":"Old App","redirect_uris":["https://old.example.com/cb"],"token_endpoint_auth_method":"client_secret_basic"}`
	w := newLife(t)
	n := usecase.NewClient{Profile: "trusted", ID: "dcr_old_App1", Metadata: request(t, body).Metadata, By: "ops"}
	info, err := w.CreateClient(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	r := w.registration("dcr_old_App1")
	if info.ClientID != "dcr_old_App1" || info.RegistrationAccessToken != "" || info.RegistrationClientURI != "" || !r.SecretHash.Matches(credential.Presented(info.ClientSecret)) {
		t.Errorf("told %+v, stored %+v", info, r)
	}
	if !r.ExpiresAt.IsZero() || !r.Due.IsZero() || r.CreatedBy != "ops" || r.State != broker.RegistrationActive {
		t.Errorf("stored %+v, want one that does not expire", r)
	}
	w.mustProvision(w.appClientKey(info.ClientID)) // the operator vouches for it
	w.recover(w.appClientKey(info.ClientID))
	w.wait(4000 * day)
	w.mustSweep()
	w.wantState(info.ClientID, broker.RegistrationActive)

	if _, err := w.CreateClient(t.Context(), n); !errors.Is(err, broker.ErrExists) {
		t.Errorf("the same id again = %v, want ErrExists", err)
	}
	n.ID, n.Profile = "", "asked"
	n.Metadata = request(t, appBody).Metadata
	if info, err := w.CreateClient(t.Context(), n); err != nil || len(info.ClientID) != 30 || info.ClientSecret != "" {
		t.Errorf("without id or secret = %+v, %v", info, err)
	} else {
		w.wantState(info.ClientID, broker.RegistrationActive) // who made it has approved it
	}
	for _, id := range []string{"dcr_", "old", "dcr_a b", "dcr_a+b", "dcr_é", "dcr_" + string(make([]byte, 10))} {
		n.ID = id
		if _, err := w.CreateClient(t.Context(), n); err == nil {
			t.Errorf("client id %q: no error", id)
		}
	}
	n.ID, n.Profile = "", "nothing"
	if _, err := w.CreateClient(t.Context(), n); err == nil {
		t.Error("a profile that is not there: no error")
	}
	n.Profile, n.Metadata = "open", request(t, body).Metadata
	if _, err := w.CreateClient(t.Context(), n); err == nil {
		t.Error("what the profile does not allow: no error")
	}
}

// A lost reply is not a lost client: it is there, and the operator has its secret.
func TestCreateClientWhateverFails(t *testing.T) {
	for _, p := range points {
		w := newLife(t)
		w.store.FailNext("CreateRegistration", 1, p)
		info, err := w.CreateClient(t.Context(), usecase.NewClient{Profile: "trusted", Metadata: request(t, confidentialBody).Metadata, By: "ops"})
		if (p == fake.ReplyLost) != (err == nil) {
			t.Errorf("%s: error %v", p, err)
		}
		if err == nil && !w.registration(info.ClientID).SecretHash.Matches(credential.Presented(info.ClientSecret)) {
			t.Errorf("%s: the secret is another", p)
		}
		if want := map[bool]int{true: 1, false: 0}[err == nil]; w.rows() != want {
			t.Errorf("%s: %d registrations, want %d", p, w.rows(), want)
		}
	}
}

func TestApplyProfile(t *testing.T) {
	w := newLife(t)
	id, _ := w.vouched("trusted", appBody)
	other, _ := w.vouched("asked", appBody)
	if _, err := w.Approve(t.Context(), other, "ops"); err != nil {
		t.Fatal(err)
	}
	keys := []string{"profile/open", w.appClientKey(id), w.appClientKey(other)}
	for _, key := range keys {
		w.mustProvision(key)
	}
	for _, profile := range []string{"trusted", "open"} {
		w.pool.Reset()
		if n, err := w.ApplyProfile(t.Context(), profile, "ada"); err != nil || n != 1 || w.pool.Calls("UpdateBrokered") != 1 {
			t.Errorf("ApplyProfile(%s) = %d, %v with %d updates, want 1", profile, n, err, w.pool.Calls("UpdateBrokered"))
		}
	}
	w.recover(keys...)
	w.pool.FailNext("UpdateBrokered", 1, fake.ReplyLost)
	if _, err := w.ApplyProfile(t.Context(), "trusted", "ada"); err == nil {
		t.Error("an update of unknown outcome: no error")
	}
	if n, err := w.ApplyProfile(t.Context(), "trusted", "ada"); err != nil || n != 1 {
		t.Errorf("again = %d, %v", n, err)
	}
	w.recover(keys...)
	w.pool.Put("left", fake.AppClient{Marker: broker.NewMarker(w.now())})
	left := &broker.AppClient{Key: credential.NewID(), State: broker.AppClientReady, Marker: w.pool.All()["left"].Marker, CognitoID: "left", Profile: "trusted", CreatedAt: w.now()}
	if err := w.inner.CreateAppClient(t.Context(), left); err != nil {
		t.Fatal(err)
	}
	if n, err := w.ApplyProfile(t.Context(), "trusted", "ada"); err != nil || n != 1 || w.pool.All()["left"].Brokered != nil {
		t.Errorf("beside an app client of direct mode = %d, %v and it has %+v, want it left alone", n, err, w.pool.All()["left"])
	}
	if _, err := w.ApplyProfile(t.Context(), "nothing", "ada"); err == nil {
		t.Error("a profile that is not there: no error")
	}
}

// What operators do in direct mode, where the app client is the client's own.
func TestOperatorsInDirectMode(t *testing.T) {
	w := newWorld(t)
	info, _ := w.mustRegister(publicBody, none)
	if _, err := w.Disable(t.Context(), info.ClientID, "ops"); err != nil {
		t.Fatal(err)
	}
	wantNoClient(t, "disabled", w.Service, info.ClientID)
	w.wait(time.Hour)
	if done, err := w.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done != (usecase.Swept{}) {
		t.Errorf("Sweep = %+v, %v, want nothing to do", done, err)
	}
	if _, err := w.Enable(t.Context(), info.ClientID, "ops"); err != nil {
		t.Fatal(err)
	}
	w.recover()
	if _, err := w.DeleteClient(t.Context(), info.ClientID, "ops"); err != nil {
		t.Fatal(err)
	}
	w.sweep()
	if n := len(w.pool.All()); n != 0 {
		t.Errorf("%d app clients left", n)
	}
	if r, err := w.inner.Registration(t.Context(), info.ClientID); err != nil || r.State != broker.RegistrationDeleted {
		t.Errorf("Registration = %+v, %v, want it deleted", r, err)
	}
}

// A client of direct mode has the id of its app client, and ends with it.
func TestAClientOfDirectModeWithoutAppClientIsNotEnabled(t *testing.T) {
	w := newWorld(t)
	info, rat := w.mustRegister(publicBody, none)
	if _, err := w.Disable(t.Context(), info.ClientID, "ops"); err != nil {
		t.Fatal(err)
	}
	w.pool.Drop(info.ClientID)
	w.wait(2 * time.Hour)
	if done, err := w.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done.Gone != 1 {
		t.Fatalf("Sweep = %+v, %v, want the app client gone", done, err)
	}
	_, err := w.Enable(t.Context(), info.ClientID, "ops")
	if e, ok := errors.AsType[*usecase.StateError](err); !ok || e.State != broker.RegistrationDisabled {
		t.Errorf("Enable = %v, want a StateError", err)
	}
	_, err = w.Update(t.Context(), info.ClientID, rat, update(t, publicBody, info.ClientID))
	wantCode(t, "Update", err, dcr.InvalidToken)
}
