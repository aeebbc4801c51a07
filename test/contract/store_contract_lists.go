package contract

import (
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

func testRegistrationLists(t *testing.T, open OpenStore) {
	t.Run("all unexpired registrations are listed", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		want := make(map[string]*broker.Registration)
		for range 5 {
			r := fullRegistration(clock)
			check(t, "create", s.CreateRegistration(t.Context(), r), nil)
			want[r.ClientID] = r
		}
		for r, err := range s.ListAllRegistrations(t.Context()) {
			check(t, "list", err, nil)
			if w, ok := want[r.ClientID]; ok {
				diffRegistration(t, "listed", r, w)
				delete(want, r.ClientID)
			}
		}
		if len(want) > 0 {
			t.Errorf("%d registrations are not listed", len(want))
		}
	})

	t.Run("the list leaves out open registrations that are not used yet", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		listed := func(id string) bool {
			for _, r := range collect(t, s.ListRegistrations(t.Context())) {
				if r.ClientID == id {
					return true
				}
			}
			return false
		}
		for _, tt := range []struct {
			name   string
			change func(r *broker.Registration)
			want   bool
		}{
			{"not used", func(*broker.Registration) {}, false},
			{"used", func(r *broker.Registration) { r.ExpiresAt, r.Due = time.Time{}, clock.Second().AddDate(0, 0, 1) }, true},
			{"used, without a lifetime", func(r *broker.Registration) { r.ExpiresAt = time.Time{} }, true},
			{"waiting for approval", func(r *broker.Registration) { r.State = broker.RegistrationPending }, true},
			{"disabled", func(r *broker.Registration) { r.State = broker.RegistrationDisabled }, true},
			{"due", func(r *broker.Registration) { r.Due = clock.Second().AddDate(0, 0, 1) }, true},
			{"not used, with a voucher", func(r *broker.Registration) { r.Voucher = "t" }, true},
			{"not used, made by an operator", func(r *broker.Registration) { r.CreatedBy = "ops" }, true},
		} {
			r := leastRegistration(clock)
			r.ExpiresAt = clock.Second().AddDate(0, 0, 1)
			check(t, "create", s.CreateRegistration(t.Context(), r), nil)
			tt.change(r)
			check(t, "replace", s.ReplaceRegistration(t.Context(), r), nil)
			if got := listed(r.ClientID); got != tt.want || r.Unused() == tt.want {
				t.Errorf("%s: listed %t and unused %t, want %t and %t", tt.name, got, r.Unused(), tt.want, !tt.want)
			}
		}
		r := leastRegistration(clock)
		check(t, "create", s.CreateRegistration(t.Context(), r), nil)
		check(t, "delete", s.DeleteRegistration(t.Context(), r.ClientID, r.Generation), nil)
		if listed(r.ClientID) {
			t.Error("a deleted registration is listed")
		}
		for range s.ListRegistrations(t.Context()) {
			break // leaving early is allowed
		}
	})

	t.Run("a loop over the list can end early and delete", func(t *testing.T) {
		clock := fake.NewClock()
		r := fullRegistration(clock)
		s := open(t, clock.Now)
		check(t, "create", s.CreateRegistration(t.Context(), r), nil)
		check(t, "create", s.CreateRegistration(t.Context(), fullRegistration(clock)), nil)
		deleted := false
		for listed, err := range s.ListAllRegistrations(t.Context()) {
			check(t, "list", err, nil)
			if listed.ClientID == r.ClientID {
				check(t, "delete", s.DeleteRegistration(t.Context(), r.ClientID, r.Generation), nil)
				deleted = true
				break
			}
		}
		if !deleted {
			t.Error("the registration is not listed")
		}
		_, err := s.Registration(t.Context(), r.ClientID)
		check(t, "read after deletion", err, broker.ErrNotFound)
	})
}
