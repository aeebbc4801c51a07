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
	world.WantCode(t, "Delete again, of a disabled client", w.Delete(t.Context(), info.ClientID, rat), dcr.InvalidToken)
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
