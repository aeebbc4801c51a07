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

// A registration that fails gives back everything that it has taken before the
// client gets its answer, even if the client does not wait for it.
func TestAFailedRegistrationGivesBackAtOnce(t *testing.T) {
	refused := &broker.NotAppliedError{Err: dcr.Errorf(dcr.InvalidClientMetadata, "Cognito does not like it")}
	for _, tt := range []struct {
		name string
		// fail changes the store and pool of the registration. cancel ends the
		// context of the request.
		fail func(s *fake.Store, p *fake.Pool, cancel func() error)
		want dcr.Code
		// doubt means that an app client may exist, so that its place waits for
		// the janitor.
		doubt bool
	}{
		{"Cognito refuses", func(_ *fake.Store, p *fake.Pool, _ func() error) {
			p.Before("Create", func() error { return refused })
		}, dcr.InvalidClientMetadata, false},
		{"Cognito's reply is lost", func(_ *fake.Store, p *fake.Pool, _ func() error) {
			p.Before("Create", func() error { return fake.ErrInjected })
		}, dcr.Unavailable, true},
		{"the registration cannot be stored", func(s *fake.Store, _ *fake.Pool, _ func() error) {
			s.Before("CreateRegistration", func() error { return fake.ErrInjected })
		}, dcr.Unavailable, false},
		{"the token is spent in the meantime", func(s *fake.Store, _ *fake.Pool, _ func() error) {
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

// If a registration may have been stored, and undoing it fails, its record is
// marked for removal: the client tries again with a use that is free again.
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

// The client gives up while its registration is being stored: the registration
// stays.
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
	w.WantTaken("in the end", iat, world.Taken{Uses: 1, Places: 1})
}

// If nothing was changed at Cognito, an update whose client gave up does not
// delay the next update.
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

// The reply to the write of an update may be lost although the write was
// applied and the client has given up. The broker still checks, because only
// the answer has the new token.
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

// The write of an update fails after another request has written. The broker
// must not mistake that write for this one: the client would get a token that
// is not stored.
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
		t.Errorf("Read = %+v, %v, want the client unchanged", got, err)
	}
}

// A deletion can be interrupted after it was decided and before the
// registration is marked. The client exists until the deletion is finished, but
// nothing restores the app client.
func TestAnUpdateDoesNotUndoAnInterruptedDeletion(t *testing.T) {
	w := world.New(t)
	c := w.LimitedClient()
	w.Store.DieAt("ReplaceRegistration", 1, fake.NotApplied, w.Pool.Faults)
	world.WantCode(t, "Delete", w.Delete(t.Context(), c.R.ClientID, c.RAT), dcr.Unavailable)
	w.Store.Reset()
	w.Pool.Reset()

	_, err := w.Update(t.Context(), c.R.ClientID, c.RAT, world.Update(t, world.ConfidentialBody, c.R.ClientID, "client_name", "Renamed"))
	if e := world.WantCode(t, "Update", err, dcr.TooManyRequests); e.RetryAfter <= 0 {
		t.Error("no Retry-After")
	}
	if n := w.Pool.Calls("Update"); n != 0 {
		t.Errorf("%d updates at Cognito, want none", n)
	}
	if a, err := w.Inner.AppClient(t.Context(), c.A.Key); err != nil || a.State != broker.AppClientRemoving {
		t.Errorf("the record = %+v, %v, want it still marked for removal", a, err)
	}
	// Until then all answers say that the client exists.
	if _, err := w.Read(t.Context(), c.R.ClientID, c.RAT); err != nil {
		t.Errorf("Read: %v", err)
	}
	if _, err := w.Client(t.Context(), c.R.ClientID); err != nil {
		t.Errorf("Client: %v", err)
	}
	w.Recover()
	w.WantTaken("in the end", c.IAT, world.Taken{Uses: 1, Places: 0})
	_, err = w.Read(t.Context(), c.R.ClientID, c.RAT)
	world.WantCode(t, "Read afterwards", err, dcr.InvalidToken)
}

// If only the mark in the registration fails, the deletion continues without
// it.
func TestADeletionContinuesWithoutItsMark(t *testing.T) {
	w := world.New(t)
	c := w.LimitedClient()
	w.Store.FailNext("ReplaceRegistration", 1, fake.NotApplied)
	if err := w.Delete(t.Context(), c.R.ClientID, c.RAT); err != nil {
		t.Errorf("Delete: %v", err)
	}
	w.CheckConsistent()
	w.WantTaken("afterwards", c.IAT, world.Taken{Uses: 1, Places: 0})
	// If a later step fails too, the log has both reasons.
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
