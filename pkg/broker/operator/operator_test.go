package operator_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker/operator"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

func TestDisableWhateverFails(t *testing.T) {
	disable := func(w *world.Brokered, id string) error {
		_, err := w.Disable(w.T.Context(), id, "ops")
		return err
	}
	world.WhateverTheOperatorDoes(t, disable, func(t *testing.T, w *world.Brokered, id, key string, done bool) {
		r := w.Registration(id)
		switch {
		case r.State == broker.RegistrationDisabled:
		case r.State == broker.RegistrationActive && !done:
			w.Use(id) // the change never began: the client is unchanged
			return
		default:
			t.Fatalf("the client is %s, and Disable succeeded: %t", r.State, done)
		}
		if n := w.Standing(id); n != 0 || r.Stale || !r.Due.IsZero() {
			t.Errorf("%d grants are valid, stored %+v", n, r)
		}
		if _, err := w.Inner.AppClient(t.Context(), key); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("its app client is still recorded: %v", err)
		}
		if _, err := w.Client(t.Context(), id); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("Client = %v, want ErrNotFound", err)
		}
		w.Wait(20 * world.Day) // it does not expire
		w.MustSweep()
		w.WantState(id, broker.RegistrationDisabled)
		if _, err := w.Enable(t.Context(), id, "ops"); err != nil {
			t.Fatal(err)
		}
		w.MustSweep()
		w.WantState(id, broker.RegistrationActive) // inactivity now counts from here
		w.Use(id)
		if n := w.Standing(id); n != 0 {
			t.Errorf("%d old grants are valid again", n)
		}
		if w.AppClientKey(id) == key {
			t.Error("the client has its old generation")
		}
		w.MustProvision(w.AppClientKey(id))
		w.Recover(w.AppClientKey(id))
	})
}

func TestDeleteClientWhateverFails(t *testing.T) {
	remove := func(w *world.Brokered, id string) error {
		_, err := w.DeleteClient(w.T.Context(), id, "ops")
		return err
	}
	world.WhateverTheOperatorDoes(t, remove, func(t *testing.T, w *world.Brokered, id, key string, done bool) {
		r := w.Registration(id)
		switch {
		case r.State == broker.RegistrationDeleted:
		case r.State == broker.RegistrationActive && !done:
			w.Use(id)
			return
		default:
			t.Fatalf("the client is %s, and Delete succeeded: %t", r.State, done)
		}
		if n := w.Standing(id); n != 0 {
			t.Errorf("%d grants are valid", n)
		}
		if _, err := w.Inner.AppClient(t.Context(), key); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("its app client is still recorded: %v", err)
		}
		w.Wait(4000 * world.Day)
		w.MustSweep()
		w.WantState(id, broker.RegistrationDeleted)
		for name, f := range map[string]func(context.Context, string, string) (*broker.Registration, error){"Enable": w.Enable, "Approve": w.Approve, "Disable": w.Disable} {
			_, err := f(t.Context(), id, "ops")
			if e, ok := errors.AsType[*broker.StateError](err); !ok || e.State != broker.RegistrationDeleted {
				t.Errorf("%s of a deleted client = %v, want a StateError", name, err)
			}
		}
	})
}

// A client that an operator has disabled or deleted cannot come back by
// registering again.
func TestADisabledOrDeletedClientCannotRegisterAgain(t *testing.T) {
	for _, state := range []broker.RegistrationState{broker.RegistrationDisabled, broker.RegistrationDeleted} {
		w := world.NewLife(t)
		info, _ := w.MustRegister(world.PublicBody, world.None)
		off := w.Disable
		if state == broker.RegistrationDeleted {
			off = w.DeleteClient
		}
		if _, err := off(t.Context(), info.ClientID, "ops"); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			w.Wait(40 * world.Day)
			w.MustSweep()
			w.Restart()
			_, err := w.Register(t.Context(), world.Request(t, world.PublicBody), world.None)
			world.WantCode(t, "Register", err, dcr.InvalidClientMetadata)
			w.WantState(info.ClientID, state)
		}
	}
}

// A disabled client can be read, and nothing else. An operator who enables it has
// seen its metadata, and without its record it could register again.
func TestADisabledClientCannotBeChangedOrDeleted(t *testing.T) {
	brokered := world.NewLife(t)
	vouched, vouchedRAT := brokered.Vouched("trusted", world.AppBody)
	brokered.MustProvision(brokered.AppClientKey(vouched))
	direct := world.New(t)
	info, infoRAT := direct.MustRegister(world.PublicBody, world.None)
	for _, tt := range []struct {
		mode     broker.Mode
		w        *world.World
		s        *world.Broker
		clientID string
		rat      credential.Token
		body     string
	}{
		{broker.ModeBrokered, brokered.World, brokered.Broker, vouched, vouchedRAT, world.AppBody},
		{broker.ModeDirect, direct, direct.Broker, info.ClientID, infoRAT, world.PublicBody},
	} {
		t.Run(string(tt.mode), func(t *testing.T) {
			if _, err := tt.s.Disable(t.Context(), tt.clientID, "ops"); err != nil {
				t.Fatal(err)
			}
			world.WantCode(t, "Delete", tt.s.Delete(t.Context(), tt.clientID, tt.rat), dcr.InsufficientScope)
			_, err := tt.s.Update(t.Context(), tt.clientID, tt.rat, world.Update(t, tt.body, tt.clientID, "client_name", "Other"))
			world.WantCode(t, "Update", err, dcr.InsufficientScope)
			if info, err := tt.s.Read(t.Context(), tt.clientID, tt.rat); err != nil || info.Metadata.ClientName == "Other" {
				t.Errorf("Read = %+v, %v, want the metadata from before", info, err)
			}
			if r, err := tt.w.Inner.Registration(t.Context(), tt.clientID); err != nil || r.State != broker.RegistrationDisabled {
				t.Errorf("Registration = %+v, %v, want it disabled", r, err)
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
	w := world.NewLife(t)
	id, _ := w.Vouched("trusted", world.AppBody)
	w.Allow(id)
	s, err := world.Assemble(world.Parts{
		Mode: broker.ModeBrokered, Store: w.Store, Now: w.Now, Policy: w.PolicySource,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Disable(t.Context(), id, "ops"); !errors.Is(err, broker.ErrLeftToSweep) {
		t.Errorf("Disable = %v, want ErrLeftToSweep", err)
	}
	w.WantState(id, broker.RegistrationDisabled)
	if done := w.MustSweep(); done.EndedGrants != 1 || w.Standing(id) != 0 {
		t.Errorf("Sweep = %+v, %d valid grants, want one ended and none valid", done, w.Standing(id))
	}
}

func TestOperatorsOfUnknownClients(t *testing.T) {
	w := world.NewLife(t)
	for _, id := range []string{"", "dcr_nobody", "../x", "\xff"} {
		for name, f := range map[string]func(context.Context, string, string) (*broker.Registration, error){
			"Approve": w.Approve, "Enable": w.Enable, "Disable": w.Disable, "DeleteClient": w.DeleteClient,
		} {
			if _, err := f(t.Context(), id, "ops"); !errors.Is(err, broker.ErrNotFound) {
				t.Errorf("%s(%q) = %v, want ErrNotFound", name, id, err)
			}
		}
	}
	pending, _ := w.Vouched("asked", world.AppBody)
	if _, err := w.Enable(t.Context(), pending, "ops"); err == nil {
		t.Error("Enable of a client that waits for approval: no error")
	}
}

func TestEndGrants(t *testing.T) {
	w := world.NewLife(t)
	id, _ := w.Vouched("trusted", world.AppBody)
	other, _ := w.Vouched("trusted", world.AppBody)
	for range 3 {
		w.Allow(id)
		w.Allow(other)
	}
	one := w.Grants.Standing()[1].ID
	if err := w.EndGrant(t.Context(), one, "ops"); err != nil || len(w.Grants.Standing()) != 5 {
		t.Errorf("EndGrant = %v, %d stand, want 5", err, len(w.Grants.Standing()))
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
	w.WantState(id, broker.RegistrationActive)
}

func TestCreateClient(t *testing.T) {
	const body = `{"client_name":"Old App","redirect_uris":["https://old.example.com/cb"],"token_endpoint_auth_method":"client_secret_basic"}`
	w := world.NewLife(t)
	n := operator.NewClient{Profile: "trusted", ID: "dcr_old_App1", Metadata: world.Request(t, body).Metadata, By: "ops"}
	info, err := w.CreateClient(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	r := w.Registration("dcr_old_App1")
	if info.ClientID != "dcr_old_App1" || info.RegistrationAccessToken != "" || info.RegistrationClientURI != "" || !r.SecretHash.Matches(credential.Presented(info.ClientSecret)) {
		t.Errorf("the response has %+v, stored is %+v", info, r)
	}
	if !r.ExpiresAt.IsZero() || !r.Due.IsZero() || r.CreatedBy != "ops" || r.State != broker.RegistrationActive {
		t.Errorf("stored %+v, want one that does not expire", r)
	}
	w.MustProvision(w.AppClientKey(info.ClientID)) // the operator vouches for it
	w.Recover(w.AppClientKey(info.ClientID))
	w.Wait(4000 * world.Day)
	w.MustSweep()
	w.WantState(info.ClientID, broker.RegistrationActive)

	if _, err := w.CreateClient(t.Context(), n); !errors.Is(err, broker.ErrExists) {
		t.Errorf("the same id again = %v, want ErrExists", err)
	}
	n.ID, n.Profile = "", "asked"
	n.Metadata = world.Request(t, world.AppBody).Metadata
	if info, err := w.CreateClient(t.Context(), n); err != nil || len(info.ClientID) != 30 || info.ClientSecret != "" {
		t.Errorf("without id or secret = %+v, %v", info, err)
	} else {
		w.WantState(info.ClientID, broker.RegistrationActive) // the operator has approved it by making it
	}
	for _, id := range []string{"dcr_", "old", "dcr_a b", "dcr_a+b", "dcr_é", "dcr_" + string(make([]byte, 10))} {
		n.ID = id
		if _, err := w.CreateClient(t.Context(), n); err == nil {
			t.Errorf("client id %q: no error", id)
		}
	}
	n.ID, n.Profile = "", "nothing"
	if _, err := w.CreateClient(t.Context(), n); err == nil {
		t.Error("an unknown profile: no error")
	}
	n.Profile, n.Metadata = "open", world.Request(t, body).Metadata
	if _, err := w.CreateClient(t.Context(), n); err == nil {
		t.Error("metadata that the profile does not allow: no error")
	}
}

// After a lost reply the client exists, and the operator has its secret.
func TestCreateClientWhateverFails(t *testing.T) {
	for _, p := range world.Points {
		w := world.NewLife(t)
		w.Store.FailNext("CreateRegistration", 1, p)
		info, err := w.CreateClient(t.Context(), operator.NewClient{Profile: "trusted", Metadata: world.Request(t, world.ConfidentialBody).Metadata, By: "ops"})
		if (p == fake.ReplyLost) != (err == nil) {
			t.Errorf("%s: error %v", p, err)
		}
		if err == nil && !w.Registration(info.ClientID).SecretHash.Matches(credential.Presented(info.ClientSecret)) {
			t.Errorf("%s: the secret is another", p)
		}
		if want := map[bool]int{true: 1, false: 0}[err == nil]; w.Rows() != want {
			t.Errorf("%s: %d registrations, want %d", p, w.Rows(), want)
		}
	}
}

func TestApplyProfile(t *testing.T) {
	w := world.NewLife(t)
	id, _ := w.Vouched("trusted", world.AppBody)
	other, _ := w.Vouched("asked", world.AppBody)
	if _, err := w.Approve(t.Context(), other, "ops"); err != nil {
		t.Fatal(err)
	}
	keys := []string{"profile/open", w.AppClientKey(id), w.AppClientKey(other)}
	for _, key := range keys {
		w.MustProvision(key)
	}
	for _, profile := range []string{"trusted", "open"} {
		w.Pool.Reset()
		if n, err := w.ApplyProfile(t.Context(), profile, "ada"); err != nil || n != 1 || w.Pool.Calls("UpdateBrokered") != 1 {
			t.Errorf("ApplyProfile(%s) = %d, %v with %d updates, want 1", profile, n, err, w.Pool.Calls("UpdateBrokered"))
		}
	}
	w.Recover(keys...)
	w.Pool.FailNext("UpdateBrokered", 1, fake.ReplyLost)
	if _, err := w.ApplyProfile(t.Context(), "trusted", "ada"); err == nil {
		t.Error("an update of unknown outcome: no error")
	}
	if n, err := w.ApplyProfile(t.Context(), "trusted", "ada"); err != nil || n != 1 {
		t.Errorf("again = %d, %v", n, err)
	}
	w.Recover(keys...)
	w.Pool.Put("left", fake.AppClient{Marker: broker.NewMarker(w.Now())})
	left := &broker.AppClient{Key: credential.NewID(), State: broker.AppClientReady, Marker: w.Pool.All()["left"].Marker, CognitoID: "left", Profile: "trusted", CreatedAt: w.Now()}
	if err := w.Inner.CreateAppClient(t.Context(), left); err != nil {
		t.Fatal(err)
	}
	if n, err := w.ApplyProfile(t.Context(), "trusted", "ada"); err != nil || n != 1 || w.Pool.All()["left"].Brokered != nil {
		t.Errorf("beside an app client of direct mode = %d, %v and it has %+v, want it unchanged", n, err, w.Pool.All()["left"])
	}
	if _, err := w.ApplyProfile(t.Context(), "nothing", "ada"); err == nil {
		t.Error("an unknown profile: no error")
	}
}

// The work of operators in direct mode, where the app client belongs to the
// client.
func TestOperatorsInDirectMode(t *testing.T) {
	w := world.New(t)
	info, _ := w.MustRegister(world.PublicBody, world.None)
	if _, err := w.Disable(t.Context(), info.ClientID, "ops"); err != nil {
		t.Fatal(err)
	}
	world.WantNoClient(t, "disabled", w.Broker, info.ClientID)
	w.Wait(time.Hour)
	if done, err := w.Sweep(t.Context(), janitor.Options{}); err != nil || done != (janitor.Report{}) {
		t.Errorf("Sweep = %+v, %v, want nothing to do", done, err)
	}
	if _, err := w.Enable(t.Context(), info.ClientID, "ops"); err != nil {
		t.Fatal(err)
	}
	w.Recover()
	if _, err := w.DeleteClient(t.Context(), info.ClientID, "ops"); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	if n := len(w.Pool.All()); n != 0 {
		t.Errorf("%d app clients left", n)
	}
	if r, err := w.Inner.Registration(t.Context(), info.ClientID); err != nil || r.State != broker.RegistrationDeleted {
		t.Errorf("Registration = %+v, %v, want it deleted", r, err)
	}
}

// A client of direct mode has the id of its app client, and ends with the app
// client.
func TestAClientOfDirectModeWithoutAppClientIsNotEnabled(t *testing.T) {
	w := world.New(t)
	info, rat := w.MustRegister(world.PublicBody, world.None)
	if _, err := w.Disable(t.Context(), info.ClientID, "ops"); err != nil {
		t.Fatal(err)
	}
	w.Pool.Drop(info.ClientID)
	w.Wait(2 * time.Hour)
	if done, err := w.Sweep(t.Context(), janitor.Options{}); err != nil || done.Gone != 1 {
		t.Fatalf("Sweep = %+v, %v, want the app client gone", done, err)
	}
	_, err := w.Enable(t.Context(), info.ClientID, "ops")
	if e, ok := errors.AsType[*broker.StateError](err); !ok || e.State != broker.RegistrationDisabled {
		t.Errorf("Enable = %v, want a StateError", err)
	}
	_, err = w.Update(t.Context(), info.ClientID, rat, world.Update(t, world.PublicBody, info.ClientID))
	world.WantCode(t, "Update", err, dcr.InsufficientScope)
}
