package brokered_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// A write of an operator must not be mistaken for the mark of a deletion. For a
// registration of direct mode, this mode immediately sets only the mark.
func TestADeletionIsNotMistakenForAnotherWrite(t *testing.T) {
	w := world.NewBrokered(t)
	info, err := w.Direct().Register(t.Context(), world.Request(t, world.PublicBody), world.None)
	if err != nil {
		t.Fatal(err)
	}
	w.Store.Before("ReplaceRegistration", func() error {
		r := w.Registration(info.ClientID)
		r.State = broker.RegistrationDisabled
		return errors.Join(w.Inner.ReplaceRegistration(t.Context(), r), fake.ErrInjected)
	})
	rat := credential.Presented(info.RegistrationAccessToken)
	world.WantCode(t, "Delete", w.Delete(t.Context(), info.ClientID, rat), dcr.Unavailable)
	world.WantCode(t, "Delete again, of a disabled client", w.Delete(t.Context(), info.ClientID, rat), dcr.InsufficientScope)
	w.Recover()
	w.CheckConsistent()
}

// Two registrations with the same metadata are one client, also if the write of
// one fails just after the write of the other has succeeded. Both clients get
// the stored registration.
func TestAnOpenRegistrationIsNotMistakenForAnother(t *testing.T) {
	w := world.NewBrokered(t)
	this := w.Broker
	w.Restart()
	w.Store.Before("CreateRegistration", func() error {
		w.Wait(time.Second)
		w.MustRegister(world.PublicBody, world.None)
		return fake.ErrInjected
	})
	info, err := this.Register(t.Context(), world.Request(t, world.PublicBody), world.None)
	if err != nil {
		t.Fatal(err)
	}
	if stored := w.Registration(info.ClientID); !info.IssuedAt.Equal(stored.IssuedAt) {
		t.Errorf("issued at %s, stored is %s", info.IssuedAt, stored.IssuedAt)
	}
}

// A sweep between the two writes of a DELETE, or of a disable or delete of an
// operator, removes the app client and finds the registration still there. Once
// the registration has ended, nothing of the app client is left.
func TestASweepBetweenMarkAndEnd(t *testing.T) {
	meanwhile := map[string]func(w *world.Brokered, key string){
		"a sweep": func(w *world.Brokered, key string) {
			w.MustSweep()
			if a := w.AppClient(key); a.State != broker.AppClientVacant {
				t.Errorf("after the sweep the app client is %s, want %s", a.State, broker.AppClientVacant)
			}
		},
		"a sweep, and a user for whom Cognito makes no app client": func(w *world.Brokered, key string) {
			w.MustSweep()
			w.Pool.Before("CreateBrokered", func() error { return &broker.NotAppliedError{Err: fake.ErrInjected} })
			if err := w.Provision(t.Context(), key); err == nil {
				t.Error("Provision: no error")
			}
		},
		"a sweep, and a user for whom an app client is made": func(w *world.Brokered, key string) {
			w.MustSweep()
			w.MustProvision(key)
		},
	}
	ends := map[string]struct {
		method string
		end    func(w *world.Brokered, id string, rat credential.Token) error
	}{
		"DELETE": {"DeleteRegistration", func(w *world.Brokered, id string, rat credential.Token) error {
			return w.Delete(t.Context(), id, rat)
		}},
		"disable": {"RenewRegistration", func(w *world.Brokered, id string, _ credential.Token) error {
			_, err := w.Disable(t.Context(), id, "ops")
			return err
		}},
		"delete": {"RenewRegistration", func(w *world.Brokered, id string, _ credential.Token) error {
			_, err := w.DeleteClient(t.Context(), id, "ops")
			return err
		}},
	}
	for what, f := range meanwhile {
		for name, e := range ends {
			t.Run(what+" during "+name, func(t *testing.T) {
				w := world.NewBrokered(t)
				id, rat := w.Vouched("trusted", world.ConfidentialBody)
				key := w.AppClientKey(id)
				w.MustProvision(key)
				w.Use(id)
				w.Recover(key)
				w.Store.Before(e.method, func() error { f(w, key); return nil })
				if err := e.end(w, id, rat); err != nil {
					t.Fatal(err)
				}
				w.Recover()
				if a, err := w.Inner.AppClient(t.Context(), key); !errors.Is(err, broker.ErrNotFound) {
					t.Errorf("AppClient = %+v, %v, want ErrNotFound", a, err)
				}
				w.CheckConsistent()
			})
		}
	}
}

// An operator's process may stand still between the two writes for any time, as on
// a laptop that sleeps.
func TestManySweepsBetweenMarkAndDisable(t *testing.T) {
	w := world.NewBrokered(t)
	id, _ := w.Vouched("trusted", world.ConfidentialBody)
	key := w.AppClientKey(id)
	w.MustProvision(key)
	w.Use(id)
	w.Store.Before("RenewRegistration", func() error {
		w.MustSweep()
		w.MustProvision(key)
		for range 3 {
			w.Wait(time.Hour)
			w.MustSweep()
		}
		return nil
	})
	if _, err := w.Disable(t.Context(), id, "ops"); err != nil {
		t.Fatal(err)
	}
	w.Recover()
	if a, err := w.Inner.AppClient(t.Context(), key); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("AppClient = %+v, %v, want ErrNotFound", a, err)
	}
	w.CheckConsistent()
}
