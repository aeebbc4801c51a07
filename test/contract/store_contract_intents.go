package contract

import (
	"reflect"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// testIntents tests that the records of app clients keep intents.
func testIntents(t *testing.T, open OpenStore) {
	clock := fake.NewClock()
	s := open(t, clock.Now)
	newIntent := func(u broker.Use) *broker.Intent {
		return &broker.Intent{
			ClientID: "dcr_" + credential.NewID(), Generation: credential.NewID(), Profile: "partners", Use: u,
			CreatedAt: clock.Second(), Due: clock.Second().Add(time.Minute),
		}
	}
	for _, u := range []broker.Use{{Token: credential.NewID()}, broker.JWTUse(credential.NewID()), {}} {
		i := newIntent(u)
		check(t, "record", broker.RecordIntent(t.Context(), s, i), nil)
		check(t, "record again", broker.RecordIntent(t.Context(), s, newIntentLike(i)), broker.ErrExists)
		got, err := broker.IntentOf(t.Context(), s, i.ClientID)
		check(t, "read", err, nil)
		if !reflect.DeepEqual(got, i) {
			t.Errorf("read %+v, want %+v", *got, *i)
		}
		if !isDue(t, s, broker.DueAppClient, i.Key(), i.Due) {
			t.Errorf("the intent %s is not due", i.Key())
		}
		a, err := s.AppClient(t.Context(), i.Key())
		check(t, "read the record", err, nil)
		if a.Intent() == nil || a.Mode() != broker.ModeBrokered {
			t.Errorf("the record of an intent is %+v", a)
		}

		late := *i
		check(t, "cancel", i.Cancel(t.Context(), s, clock.Now()), nil)
		check(t, "cancel what was changed since", late.Cancel(t.Context(), s, clock.Now()), broker.ErrConflict)
		if got, err = broker.IntentOf(t.Context(), s, i.ClientID); err != nil || !got.Cancelled || got.Use != u {
			t.Errorf("a cancelled intent is read as %+v, %v", got, err)
		}
		check(t, "delete", broker.DeleteIntent(t.Context(), s, got), nil)
		check(t, "delete again", broker.DeleteIntent(t.Context(), s, got), nil)
		_, err = broker.IntentOf(t.Context(), s, i.ClientID)
		check(t, "read what is deleted", err, broker.ErrNotFound)
	}
}

// newIntentLike returns an intent of the same registration.
func newIntentLike(i *broker.Intent) *broker.Intent {
	again := *i
	again.Version = 0
	return &again
}
