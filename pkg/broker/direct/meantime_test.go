package direct_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// What a registration that failed has taken is given back before the client is
// answered, also if the client did not wait for the answer.
func TestAFailedRegistrationGivesBackAtOnce(t *testing.T) {
	refused := &broker.NotAppliedError{Err: dcr.Errorf(dcr.InvalidClientMetadata, "Cognito does not like it")}
	for _, tt := range []struct {
		name string
		// fail is set on the store and pool of the registration, which cancel
		// ends the request of.
		fail func(s *fake.Store, p *fake.Pool, cancel func() error)
		want dcr.Code
		// doubt is whether an app client may exist, so that its place has to wait
		// for the janitor.
		doubt bool
	}{
		{"Cognito refuses", func(_ *fake.Store, p *fake.Pool, _ func() error) {
			p.Before("Create", func() error { return refused })
		}, dcr.InvalidClientMetadata, false},
		{"Cognito is not heard", func(_ *fake.Store, p *fake.Pool, _ func() error) {
			p.Before("Create", func() error { return fake.ErrInjected })
		}, dcr.Unavailable, true},
		{"the registration cannot be stored", func(s *fake.Store, _ *fake.Pool, _ func() error) {
			s.Before("CreateRegistration", func() error { return fake.ErrInjected })
		}, dcr.Unavailable, false},
		{"the token is spent meanwhile", func(s *fake.Store, _ *fake.Pool, _ func() error) {
			s.Before("UseInitialAccessToken", func() error { return broker.ErrExhausted })
		}, dcr.InvalidToken, false},
		{"cancelled while the use is taken", func(s *fake.Store, _ *fake.Pool, cancel func() error) {
			s.Before("UseInitialAccessToken", cancel)
		}, dcr.Unavailable, false},
		{"cancelled before Cognito refuses", func(_ *fake.Store, p *fake.Pool, cancel func() error) {
			p.Before("Create", func() error { return errors.Join(cancel(), refused) })
		}, dcr.InvalidClientMetadata, false},
		{"cancelled before the app client is made", func(_ *fake.Store, p *fake.Pool, cancel func() error) {
			p.Before("Create", cancel)
		}, dcr.Unavailable, true},
		{"cancelled after the app client was made", func(_ *fake.Store, p *fake.Pool, cancel func() error) {
			p.After("Create", cancel)
		}, dcr.Unavailable, false},
		{"cancelled while the registration is stored", func(s *fake.Store, _ *fake.Pool, cancel func() error) {
			s.Before("CreateRegistration", cancel)
		}, dcr.Unavailable, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := world.New(t)
			w.UsePolicy(world.LimitedPolicy)
			tok, iat := w.Token("limited", 1)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			tt.fail(w.Store, w.Pool, func() error { cancel(); return nil })
			_, err := w.Register(ctx, world.Request(t, world.ConfidentialBody), tok)
			world.WantCode(t, "Register", err, tt.want)

			want := world.Taken{}
			if tt.doubt {
				want.Places = 1
			}
			w.WantTaken("when the client is answered", iat, want)
			if n := len(w.Pool.All()); n != 0 {
				t.Errorf("%d app clients when the client is answered, want none", n)
			}
			due := 0
			for key, err := range world.DueAppClients(t.Context(), w.Inner, w.Now().Add(time.Hour)) {
				due++
				if a, readErr := w.Inner.AppClient(t.Context(), key); err != nil || readErr != nil || a.State != broker.AppClientRemoving {
					t.Errorf("left to the janitor: %+v, %v, %v, want it marked for removal", a, err, readErr)
				}
			}
			if due != want.Places {
				t.Errorf("%d records are left to the janitor, want %d", due, want.Places)
			}
			w.Recover()
			w.WantTaken("in the end", iat, world.Taken{})
			if _, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tok); err != nil {
				t.Errorf("trying again with the same token: %v", err)
			}
		})
	}
}

// If a registration may have been stored, and undoing it fails, its record says
// that it must be undone: the client comes back with a use that is free again.
func TestAnUndoThatFailsIsFinishedLater(t *testing.T) {
	w := world.New(t)
	w.UsePolicy(world.LimitedPolicy)
	tok, iat := w.Token("limited", 1)
	w.Store.FailNext("CreateRegistration", 1, fake.ReplyLost)
	w.Store.FailNext("Registration", 1, fake.NotApplied)
	w.Pool.FailNext("Delete", 1, fake.NotApplied)
	_, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tok)
	world.WantCode(t, "Register", err, dcr.Unavailable)
	w.WantTaken("when the client is answered", iat, world.Taken{Uses: 1, Places: 1})
	w.Recover()
	w.WantTaken("in the end", iat, world.Taken{})
	if n := len(w.Pool.All()); n != 0 {
		t.Errorf("%d app clients left", n)
	}
}

// The client was registered when it went away: the registration stays.
func TestARegistrationCancelledWhenItIsStored(t *testing.T) {
	w := world.New(t)
	w.UsePolicy(world.LimitedPolicy)
	tok, iat := w.Token("limited", 1)
	ctx, cancel := context.WithCancel(t.Context())
	w.Store.After("CreateRegistration", func() error { cancel(); return fake.ErrInjected })
	if _, err := w.Register(ctx, world.Request(t, world.ConfidentialBody), tok); err != nil {
		t.Errorf("Register: %v", err)
	}
	w.Recover()
	w.WantTaken("in the end", iat, world.Taken{Uses: 1, Places: 1, Hour: 1})
}

// An update whose client went away leaves the next one free to begin at once if
// nothing was changed at Cognito.
func TestAnUpdateCancelledAtCognito(t *testing.T) {
	w := world.New(t)
	c := w.LimitedClient()
	change := world.Update(t, world.ConfidentialBody, c.R.ClientID, "client_name", "Renamed")
	ctx, cancel := context.WithCancel(t.Context())
	busy := dcr.Errorf(dcr.Unavailable, "too many requests")
	w.Pool.Before("Update", func() error { cancel(); return &broker.NotAppliedError{Err: busy} })
	_, err := w.Update(ctx, c.R.ClientID, c.RAT, change)
	world.WantCode(t, "Update", err, dcr.Unavailable)
	w.CheckConsistent()
	if _, err := w.Update(t.Context(), c.R.ClientID, c.RAT, change); err != nil {
		t.Errorf("Update again: %v", err)
	}
}

// The reply to the write of an update may be lost although it was applied, and
// the client gone by then. It is looked for all the same, since the new token
// is in the answer alone.
func TestAnUpdateCancelledWhenItIsStored(t *testing.T) {
	w := world.New(t)
	c := w.LimitedClient()
	ctx, cancel := context.WithCancel(t.Context())
	w.Store.After("ReplaceRegistration", func() error { cancel(); return fake.ErrInjected })
	changed, err := w.Update(ctx, c.R.ClientID, c.RAT, world.Update(t, world.ConfidentialBody, c.R.ClientID, "client_name", "Renamed"))
	if err != nil {
		t.Fatalf("Update: %v", err)
	}
	w.CheckConsistent()
	if _, err := w.Read(t.Context(), c.R.ClientID, credential.Presented(changed.RegistrationAccessToken)); err != nil {
		t.Errorf("Read with the new token: %v", err)
	}
}

// The write of an update fails after another request has written. That write must
// not be taken for this one: the client would get a token that is not stored.
func TestAnUpdateIsNotMistakenForAnotherWrite(t *testing.T) {
	w := world.New(t)
	info, first := w.MustRegister(world.PublicBody, credential.Token{})
	changed, err := w.Update(t.Context(), info.ClientID, first, world.Update(t, world.PublicBody, info.ClientID))
	if err != nil {
		t.Fatal(err)
	}
	second := credential.Presented(changed.RegistrationAccessToken)
	w.Store.Before("ReplaceRegistration", func() error {
		if _, err := w.Read(t.Context(), info.ClientID, second); err != nil {
			t.Error(err)
		}
		return fake.ErrInjected
	})
	_, err = w.Update(t.Context(), info.ClientID, first, world.Update(t, world.PublicBody, info.ClientID, "client_name", "Renamed"))
	world.WantCode(t, "Update", err, dcr.Unavailable)
	w.Recover()
	got, err := w.Read(t.Context(), info.ClientID, second)
	if err != nil || got.Metadata.ClientName != "Claude" {
		t.Errorf("Read = %+v, %v, want the client as it was", got, err)
	}
}

// A deletion can be interrupted after it was decided and before the registration
// is marked. The client is there until it is finished, but nothing brings the app
// client back.
func TestAHalfBegunDeletionIsNotUndoneByAnUpdate(t *testing.T) {
	w := world.New(t)
	c := w.LimitedClient()
	w.Store.DieAt("ReplaceRegistration", 1, fake.NotApplied, w.Pool.Faults)
	world.WantCode(t, "Delete", w.Delete(t.Context(), c.R.ClientID, c.RAT), dcr.Unavailable)
	w.Store.Reset()
	w.Pool.Reset()

	_, err := w.Update(t.Context(), c.R.ClientID, c.RAT, world.Update(t, world.ConfidentialBody, c.R.ClientID, "client_name", "Renamed"))
	if e := world.WantCode(t, "Update", err, dcr.Unavailable); e.RetryAfter <= 0 {
		t.Error("no Retry-After")
	}
	if n := w.Pool.Calls("Update"); n != 0 {
		t.Errorf("%d updates at Cognito, want none", n)
	}
	if a, err := w.Inner.AppClient(t.Context(), c.A.Key); err != nil || a.State != broker.AppClientRemoving {
		t.Errorf("the record = %+v, %v, want it still marked for removal", a, err)
	}
	// Until then the answers agree that the client is there.
	if _, err := w.Read(t.Context(), c.R.ClientID, c.RAT); err != nil {
		t.Errorf("Read: %v", err)
	}
	if _, err := w.Client(t.Context(), c.R.ClientID); err != nil {
		t.Errorf("Client: %v", err)
	}
	w.Recover()
	w.WantTaken("in the end", c.IAT, world.Taken{Uses: 1, Places: 0, Hour: 1})
	_, err = w.Read(t.Context(), c.R.ClientID, c.RAT)
	world.WantCode(t, "Read afterwards", err, dcr.InvalidToken)
}

// If only the mark in the registration fails, the deletion goes on without it.
func TestADeletionThatCannotBeSaidIsDone(t *testing.T) {
	w := world.New(t)
	c := w.LimitedClient()
	w.Store.FailNext("ReplaceRegistration", 1, fake.NotApplied)
	if err := w.Delete(t.Context(), c.R.ClientID, c.RAT); err != nil {
		t.Errorf("Delete: %v", err)
	}
	w.CheckConsistent()
	w.WantTaken("afterwards", c.IAT, world.Taken{Uses: 1, Places: 0, Hour: 1})
	// If what follows fails too, both reasons are in the log.
	c = w.LimitedClient()
	w.Store.Reset()
	w.Store.FailNext("ReplaceRegistration", 1, fake.NotApplied)
	w.Pool.FailNext("Delete", 1, fake.NotApplied)
	err := w.Delete(t.Context(), c.R.ClientID, c.RAT)
	world.WantCode(t, "Delete", err, dcr.Unavailable)
	for _, reason := range []string{"ReplaceRegistration", "Delete"} {
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("error = %v, want %s in it", err, reason)
		}
	}
}
