package contract

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// isDue reports whether the record is due at now.
func isDue(t *testing.T, s broker.Store, kind broker.DueKind, key string, now time.Time) bool {
	t.Helper()
	return slices.ContainsFunc(collect(t, s.Due(t.Context(), now, "")), func(d broker.DueRecord) bool {
		return d.Kind == kind && d.Key == key
	})
}

func testSweeping(t *testing.T, open OpenStore) {
	// dues creates n records of each kind, due one second after another.
	dues := func(t *testing.T, s broker.Store, clock *fake.Clock, n int) (all []broker.DueRecord) {
		t.Helper()
		for i := range n {
			at := clock.Second().Add(time.Duration(i) * time.Second)
			a, r := fullAppClient(clock), leastRegistration(clock)
			a.Due, r.Due = at, at
			check(t, "create app client", s.CreateAppClient(t.Context(), a), nil)
			check(t, "create registration", s.CreateRegistration(t.Context(), r), nil)
			all = append(all, broker.DueRecord{Kind: broker.DueAppClient, Key: a.Key}, broker.DueRecord{Kind: broker.DueRegistration, Key: r.ClientID})
		}
		return all
	}
	// undo deletes the records, since other tests may use the same store.
	undo := func(t *testing.T, s broker.Store, all []broker.DueRecord) {
		t.Helper()
		for _, d := range all {
			if d.Kind == broker.DueAppClient {
				check(t, "delete", s.DeleteAppClient(t.Context(), d.Key, 1), nil)
				continue
			}
			r, err := s.Registration(t.Context(), d.Key)
			check(t, "read", err, nil)
			check(t, "delete", s.DeleteRegistration(t.Context(), d.Key, r.Generation), nil)
		}
	}
	nameless := func(d broker.DueRecord) broker.DueRecord { return broker.DueRecord{Kind: d.Kind, Key: d.Key} }

	t.Run("a registration is due when its time has come", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		r := leastRegistration(clock)
		due := clock.Second().Add(time.Minute)
		r.Due = due
		check(t, "create", s.CreateRegistration(t.Context(), r), nil)
		for _, tt := range []struct {
			after time.Duration
			want  bool
		}{{-time.Second, false}, {0, true}, {time.Hour, true}} {
			if got := isDue(t, s, broker.DueRegistration, r.ClientID, due.Add(tt.after)); got != tt.want {
				t.Errorf("due %v after its time: got %t, want %t", tt.after, got, tt.want)
			}
		}
		check(t, "touch", s.TouchRegistration(t.Context(), r.ClientID, r.Generation, due.Add(time.Hour)), nil)
		if !isDue(t, s, broker.DueRegistration, r.ClientID, due) {
			t.Error("a use moved the due time")
		}
		r.Due = due.Add(time.Hour)
		check(t, "replace", s.ReplaceRegistration(t.Context(), r), nil)
		if isDue(t, s, broker.DueRegistration, r.ClientID, due) || !isDue(t, s, broker.DueRegistration, r.ClientID, r.Due) {
			t.Error("a replacement does not move the due time")
		}
		r.Due = time.Time{}
		check(t, "replace", s.ReplaceRegistration(t.Context(), r), nil)
		if isDue(t, s, broker.DueRegistration, r.ClientID, clock.Now().AddDate(100, 0, 0)) {
			t.Error("a replacement does not remove the due time")
		}
	})

	t.Run("all due records are found while the loop deletes them", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		all := dues(t, s, clock, 12)
		var found []broker.DueRecord
		for d, err := range s.Due(t.Context(), clock.Second().Add(8*time.Second), "") {
			check(t, "due", err, nil)
			d = nameless(d)
			if slices.Contains(all, d) && !slices.Contains(found, d) {
				found = append(found, d)
				undo(t, s, []broker.DueRecord{d})
			}
		}
		if len(found) != 18 {
			t.Errorf("found %d records, want the 18 that are due", len(found))
		}
		for range s.Due(t.Context(), clock.Second().Add(time.Hour), "") {
			break // leaving early is allowed
		}
		undo(t, s, slices.DeleteFunc(all, func(d broker.DueRecord) bool { return slices.Contains(found, d) }))
	})

	t.Run("loops that continue after a place reach every record", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		all := dues(t, s, clock, 6)
		now := clock.Second().Add(time.Hour)
		place := ""
		found := make(map[broker.DueRecord]bool)
		for round := 0; len(found) < len(all); round++ {
			if round > 4*len(all) {
				t.Fatalf("found %d of %d records in %d rounds of one new record each", len(found), len(all), round)
			}
			n := 0
			for d, err := range s.Due(t.Context(), now, place) {
				check(t, "due", err, nil)
				if n++; n > 3 {
					break // the others are left, and stay due
				}
				place = d.Place
				if slices.Contains(all, nameless(d)) {
					found[nameless(d)] = true
				}
			}
		}
		undo(t, s, all)
	})

	t.Run("an unknown place is the beginning", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		all := dues(t, s, clock, 2)
		for _, place := range []string{"x", "appclient#99 1 x", "appclient#1 x y", "zzz", "registration#15 99999999999 zzz"} {
			found := make(map[broker.DueRecord]bool)
			for d, err := range s.Due(t.Context(), clock.Second().Add(time.Hour), place) {
				check(t, "due", err, nil)
				found[nameless(d)] = true
			}
			for _, d := range all {
				if !found[d] {
					t.Errorf("after %q: %v is not found", place, d)
				}
			}
		}
		undo(t, s, all)
	})

	t.Run("a place is stored", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		for _, want := range []string{"", "here \u00e9", "there", ""} {
			check(t, "set", s.SetSweepPlace(t.Context(), want), nil)
			got, err := s.SweepPlace(t.Context())
			check(t, "read", err, nil)
			if got != want {
				t.Errorf("place: got %q, want %q", got, want)
			}
		}
	})

	t.Run("the table owner is created once and can be replaced", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		if _, err := s.TableOwner(t.Context()); err != nil {
			check(t, "read", err, broker.ErrNotFound)
			// A call that is sent twice finds the owner that it stored itself.
			if err := s.CreateTableOwner(t.Context(), &broker.TableOwner{ID: "first"}); err != nil && !errors.Is(err, broker.ErrExists) {
				t.Fatal(err)
			}
			d, err := s.TableOwner(t.Context())
			check(t, "read", err, nil)
			diff(t, "created", *d, broker.TableOwner{ID: "first"})
		}
		want := broker.TableOwner{ID: "prod-1", Store: credential.NewID(), Began: clock.Second()}
		sent := want
		sent.Began = clock.Now().In(time.FixedZone("", 3600))
		check(t, "set", s.SetTableOwner(t.Context(), &sent), nil)
		sent.ID = "changed"
		check(t, "create", s.CreateTableOwner(t.Context(), &sent), broker.ErrExists)
		d, err := s.TableOwner(t.Context())
		check(t, "read", err, nil)
		diff(t, "read", *d, want)
	})

	t.Run("the identity of the store does not change", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		first, err := s.Identity(t.Context())
		check(t, "identity", err, nil)
		again, err := s.Identity(t.Context())
		check(t, "identity", err, nil)
		if first == "" || first != again {
			t.Errorf("identity: got %q and %q, want one", first, again)
		}
	})
}
