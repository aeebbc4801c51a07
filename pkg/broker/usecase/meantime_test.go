package usecase_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/usecase"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// What a registration that failed has taken is given back before the client is
// answered, also if the client did not wait for the answer.
func TestAFailedRegistrationGivesBackAtOnce(t *testing.T) {
	refused := &broker.NotAppliedError{Err: dcr.Errorf(dcr.InvalidClientMetadata, "Cognito does not like it")}
	for _, tt := range []struct {
		name string
		// fail is set on the store and pool of the registration, which cancel
		// ends the request of.
		fail func(s *meantimeStore, p *meantimePool, cancel func() error)
		want dcr.Code
		// doubt is whether an app client may exist, so that its place has to wait
		// for the janitor.
		doubt bool
	}{
		{"Cognito refuses", func(_ *meantimeStore, p *meantimePool, _ func() error) {
			p.creating = func() error { return refused }
		}, dcr.InvalidClientMetadata, false},
		{"Cognito is not heard", func(_ *meantimeStore, p *meantimePool, _ func() error) {
			p.creating = func() error { return fake.ErrInjected }
		}, dcr.Unavailable, true},
		{"the registration cannot be stored", func(s *meantimeStore, _ *meantimePool, _ func() error) {
			s.creating = func() error { return fake.ErrInjected }
		}, dcr.Unavailable, false},
		{"the token is spent meanwhile", func(s *meantimeStore, _ *meantimePool, _ func() error) {
			s.using = func() error { return broker.ErrExhausted }
		}, dcr.InvalidToken, false},
		{"cancelled while the use is taken", func(s *meantimeStore, _ *meantimePool, cancel func() error) {
			s.using = cancel
		}, dcr.Unavailable, false},
		{"cancelled before Cognito refuses", func(_ *meantimeStore, p *meantimePool, cancel func() error) {
			p.creating = func() error { return errors.Join(cancel(), refused) }
		}, dcr.InvalidClientMetadata, false},
		{"cancelled before the app client is made", func(_ *meantimeStore, p *meantimePool, cancel func() error) {
			p.creating = cancel
		}, dcr.Unavailable, true},
		{"cancelled after the app client was made", func(_ *meantimeStore, p *meantimePool, cancel func() error) {
			p.created = func() { _ = cancel() }
		}, dcr.Unavailable, false},
		{"cancelled while the registration is stored", func(s *meantimeStore, _ *meantimePool, cancel func() error) {
			s.creating = cancel
		}, dcr.Unavailable, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.usePolicy(limitedPolicy)
			tok, iat := w.token("limited", 1)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			store, pool := &meantimeStore{Store: w.store}, &meantimePool{Pool: w.pool}
			tt.fail(store, pool, func() error { cancel(); return nil })
			_, err := w.on(store, pool).Register(ctx, request(t, confidentialBody), tok)
			wantCode(t, "Register", err, tt.want)

			want := taken{}
			if tt.doubt {
				want.places = 1
			}
			w.wantTaken("when the client is answered", iat, want)
			if n := len(w.pool.All()); n != 0 {
				t.Errorf("%d app clients when the client is answered, want none", n)
			}
			due := 0
			for key, err := range dueAppClients(t.Context(), w.inner, w.now().Add(time.Hour)) {
				due++
				if a, readErr := w.inner.AppClient(t.Context(), key); err != nil || readErr != nil || a.State != broker.AppClientRemoving {
					t.Errorf("left to the janitor: %+v, %v, %v, want it marked for removal", a, err, readErr)
				}
			}
			if due != want.places {
				t.Errorf("%d records are left to the janitor, want %d", due, want.places)
			}
			w.recover()
			w.wantTaken("in the end", iat, taken{})
			if _, err := w.Register(t.Context(), request(t, confidentialBody), tok); err != nil {
				t.Errorf("trying again with the same token: %v", err)
			}
		})
	}
}

// A registration that may have been stored, and whose undoing fails, is known as
// one to undo: the client was told to come back, with a use that is free again.
func TestAnUndoThatFailsIsFinishedLater(t *testing.T) {
	w := newWorld(t)
	w.usePolicy(limitedPolicy)
	tok, iat := w.token("limited", 1)
	w.store.FailNext("CreateRegistration", 1, fake.ReplyLost)
	w.store.FailNext("Registration", 1, fake.NotApplied)
	w.pool.FailNext("Delete", 1, fake.NotApplied)
	_, err := w.Register(t.Context(), request(t, confidentialBody), tok)
	wantCode(t, "Register", err, dcr.Unavailable)
	w.wantTaken("when the client is answered", iat, taken{uses: 1, places: 1})
	w.recover()
	w.wantTaken("in the end", iat, taken{})
	if n := len(w.pool.All()); n != 0 {
		t.Errorf("%d app clients left", n)
	}
}

// The client was registered when it went away: the registration stays.
func TestARegistrationCancelledWhenItIsStored(t *testing.T) {
	w := newWorld(t)
	w.usePolicy(limitedPolicy)
	tok, iat := w.token("limited", 1)
	ctx, cancel := context.WithCancel(t.Context())
	store := &meantimeStore{Store: w.store, created: func() error { cancel(); return fake.ErrInjected }}
	if _, err := w.on(store, w.pool).Register(ctx, request(t, confidentialBody), tok); err != nil {
		t.Errorf("Register: %v", err)
	}
	w.recover()
	w.wantTaken("in the end", iat, taken{1, 1, 1})
}

// An update whose client went away leaves the next one free to begin at once if
// nothing was changed at Cognito.
func TestAnUpdateCancelledAtCognito(t *testing.T) {
	w := newWorld(t)
	c := w.limitedClient()
	change := update(t, confidentialBody, c.r.ClientID, "client_name", "Renamed")
	ctx, cancel := context.WithCancel(t.Context())
	busy := dcr.Errorf(dcr.Unavailable, "too many requests")
	pool := &meantimePool{Pool: w.pool, updating: func() error { cancel(); return &broker.NotAppliedError{Err: busy} }}
	_, err := w.on(w.store, pool).Update(ctx, c.r.ClientID, c.rat, change)
	wantCode(t, "Update", err, dcr.Unavailable)
	w.checkConsistent()
	if _, err := w.Update(t.Context(), c.r.ClientID, c.rat, change); err != nil {
		t.Errorf("Update again: %v", err)
	}
}

// The reply to the write of an update may be lost although it was applied, and
// the client gone by then. It is looked for all the same, since the new token
// is in the answer alone.
func TestAnUpdateCancelledWhenItIsStored(t *testing.T) {
	w := newWorld(t)
	c := w.limitedClient()
	ctx, cancel := context.WithCancel(t.Context())
	store := &meantimeStore{Store: w.store, replaced: func() error { cancel(); return fake.ErrInjected }}
	changed, err := w.on(store, w.pool).Update(ctx, c.r.ClientID, c.rat, update(t, confidentialBody, c.r.ClientID, "client_name", "Renamed"))
	if err != nil {
		t.Fatalf("Update: %v", err)
	}
	w.checkConsistent()
	if _, err := w.Read(t.Context(), c.r.ClientID, credential.Presented(changed.RegistrationAccessToken)); err != nil {
		t.Errorf("Read with the new token: %v", err)
	}
}

// A write of an update fails, and somebody else has written meanwhile. That must
// not be taken for it: the client would be given a token that nobody knows.
func TestAnUpdateIsNotMistakenForAnotherWrite(t *testing.T) {
	w := newWorld(t)
	info, first := w.mustRegister(publicBody, credential.Token{})
	changed, err := w.Update(t.Context(), info.ClientID, first, update(t, publicBody, info.ClientID))
	if err != nil {
		t.Fatal(err)
	}
	second := credential.Presented(changed.RegistrationAccessToken)
	store := &meantimeStore{Store: w.store, replacing: func() error {
		if _, err := w.Read(t.Context(), info.ClientID, second); err != nil {
			t.Error(err)
		}
		return fake.ErrInjected
	}}
	_, err = w.on(store, w.pool).Update(t.Context(), info.ClientID, first, update(t, publicBody, info.ClientID, "client_name", "Renamed"))
	wantCode(t, "Update", err, dcr.Unavailable)
	w.recover()
	got, err := w.Read(t.Context(), info.ClientID, second)
	if err != nil || got.Metadata.ClientName != "Claude" {
		t.Errorf("Read = %+v, %v, want the client as it was", got, err)
	}
}

// Nor must what an operator wrote be taken for the mark of a deletion, where the
// mark is all that is done at once.
func TestADeletionIsNotMistakenForAnotherWrite(t *testing.T) {
	w := newBrokeredWorld(t)
	info, err := w.direct().Register(t.Context(), request(t, publicBody), none)
	if err != nil {
		t.Fatal(err)
	}
	store := &meantimeStore{Store: w.store, replacing: func() error {
		r := w.registration(info.ClientID)
		r.State = broker.RegistrationDisabled
		return errors.Join(w.inner.ReplaceRegistration(t.Context(), r), fake.ErrInjected)
	}}
	s, err := usecase.New(usecase.Config{
		Mode: broker.ModeBrokered, Store: store, Keys: w.ring, Deployment: "test", Issuer: "https://auth.example.com", Now: w.now, Log: discard, Policy: w.policySource,
	})
	if err != nil {
		t.Fatal(err)
	}
	rat := credential.Presented(info.RegistrationAccessToken)
	wantCode(t, "Delete", s.Delete(t.Context(), info.ClientID, rat), dcr.Unavailable)
	wantCode(t, "Delete again, of a disabled client", s.Delete(t.Context(), info.ClientID, rat), dcr.InvalidToken)
	w.recover()
	w.checkConsistent()
}

// Two that register the same are one client, also if the write of one fails just
// when the other's has succeeded. Both are told of the one that is stored.
func TestAnOpenRegistrationIsNotMistakenForAnother(t *testing.T) {
	w := newBrokeredWorld(t)
	store := &meantimeStore{Store: w.store, creating: func() error {
		w.wait(time.Second)
		w.mustRegister(publicBody, none)
		return fake.ErrInjected
	}}
	s, err := usecase.New(usecase.Config{
		Mode: broker.ModeBrokered, Store: store, Keys: w.ring, Deployment: "test", Issuer: "https://auth.example.com", Now: w.now, Log: discard, Policy: w.policySource,
	})
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Register(t.Context(), request(t, publicBody), none)
	if err != nil {
		t.Fatal(err)
	}
	if stored := w.registration(info.ClientID); !info.IssuedAt.Equal(stored.IssuedAt) {
		t.Errorf("issued at %s, stored is %s", info.IssuedAt, stored.IssuedAt)
	}
}

// A deletion can be cut short after it was decided and before the registration
// says so. The client is there until it is finished, but nothing brings the app
// client back.
func TestAHalfBegunDeletionIsNotUndoneByAnUpdate(t *testing.T) {
	w := newWorld(t)
	c := w.limitedClient()
	w.store.DieAt("ReplaceRegistration", 1, fake.NotApplied, w.pool.Faults)
	wantCode(t, "Delete", w.Delete(t.Context(), c.r.ClientID, c.rat), dcr.Unavailable)
	w.store.Reset()
	w.pool.Reset()

	_, err := w.Update(t.Context(), c.r.ClientID, c.rat, update(t, confidentialBody, c.r.ClientID, "client_name", "Renamed"))
	if e := wantCode(t, "Update", err, dcr.Unavailable); e.RetryAfter <= 0 {
		t.Error("no Retry-After")
	}
	if n := w.pool.Calls("Update"); n != 0 {
		t.Errorf("%d updates at Cognito, want none", n)
	}
	if a, err := w.inner.AppClient(t.Context(), c.a.Key); err != nil || a.State != broker.AppClientRemoving {
		t.Errorf("the record = %+v, %v, want it still marked for removal", a, err)
	}
	// Until then the answers agree that the client is there.
	if _, err := w.Read(t.Context(), c.r.ClientID, c.rat); err != nil {
		t.Errorf("Read: %v", err)
	}
	if _, err := w.Client(t.Context(), c.r.ClientID); err != nil {
		t.Errorf("Client: %v", err)
	}
	w.recover()
	w.wantTaken("in the end", c.iat, taken{1, 0, 1})
	_, err = w.Read(t.Context(), c.r.ClientID, c.rat)
	wantCode(t, "Read afterwards", err, dcr.InvalidToken)
}

// If only the mark in the registration fails, the deletion goes on without it.
func TestADeletionThatCannotBeSaidIsDone(t *testing.T) {
	w := newWorld(t)
	c := w.limitedClient()
	w.store.FailNext("ReplaceRegistration", 1, fake.NotApplied)
	if err := w.Delete(t.Context(), c.r.ClientID, c.rat); err != nil {
		t.Errorf("Delete: %v", err)
	}
	w.checkConsistent()
	w.wantTaken("afterwards", c.iat, taken{1, 0, 1})
	// If what follows fails too, both reasons are in the log.
	c = w.limitedClient()
	w.store.Reset()
	w.store.FailNext("ReplaceRegistration", 1, fake.NotApplied)
	w.pool.FailNext("Delete", 1, fake.NotApplied)
	err := w.Delete(t.Context(), c.r.ClientID, c.rat)
	wantCode(t, "Delete", err, dcr.Unavailable)
	for _, reason := range []string{"ReplaceRegistration", "Delete"} {
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("error = %v, want %s in it", err, reason)
		}
	}
}
