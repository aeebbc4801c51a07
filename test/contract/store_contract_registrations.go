package contract

import (
	"fmt"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

func testRegistrations(t *testing.T, open OpenStore) {
	// create stores r in a new store.
	create := func(t *testing.T, r *broker.Registration, clock *fake.Clock) broker.Store {
		t.Helper()
		s := open(t, clock.Now)
		check(t, "create", s.CreateRegistration(t.Context(), r), nil)
		return s
	}
	read := func(t *testing.T, s broker.Store, id string) *broker.Registration {
		t.Helper()
		r, err := s.Registration(t.Context(), id)
		check(t, "read", err, nil)
		return r
	}
	absent := func(t *testing.T, s broker.Store, id string) {
		t.Helper()
		_, err := s.Registration(t.Context(), id)
		check(t, "read", err, broker.ErrNotFound)
	}

	t.Run("a created registration is read", func(t *testing.T) {
		clock := fake.NewClock()
		for _, r := range []*broker.Registration{fullRegistration(clock), leastRegistration(clock)} {
			want := r.Clone()
			want.Version = 1
			s := create(t, r, clock)
			diffRegistration(t, "after create", r, want)
			diffRegistration(t, "read", read(t, s, want.ClientID), want)
		}
	})

	t.Run("times are stored as whole seconds in UTC", func(t *testing.T) {
		clock := fake.NewClock()
		r := leastRegistration(clock)
		want := r.Clone()
		want.Version = 1
		r.IssuedAt = r.IssuedAt.Add(900 * time.Millisecond).In(time.FixedZone("", 3600))
		s := create(t, r, clock)
		diffRegistration(t, "read", read(t, s, r.ClientID), want)
	})

	t.Run("values are copied in and out", func(t *testing.T) {
		clock := fake.NewClock()
		r := fullRegistration(clock)
		s := create(t, r, clock)
		want := r.Clone()
		r.Metadata.RedirectURIs[0] = "https://changed.example/"
		r.Metadata.Localized["client_name#ja-Jpan-JP"] = "changed"
		got := read(t, s, r.ClientID)
		diffRegistration(t, "after a change to the caller's copy", got, want)
		got.Metadata.RedirectURIs[0] = "https://changed.example/"
		diffRegistration(t, "after a change to the copy that was read", read(t, s, r.ClientID), want)
	})

	t.Run("a taken id is not created again", func(t *testing.T) {
		clock := fake.NewClock()
		r := fullRegistration(clock)
		s := create(t, r, clock)
		other := leastRegistration(clock)
		other.ClientID = r.ClientID
		check(t, "create", s.CreateRegistration(t.Context(), other), broker.ErrExists)
		if other.Version != 0 {
			t.Errorf("version after ErrExists: got %d, want 0", other.Version)
		}
		diffRegistration(t, "read", read(t, s, r.ClientID), r)
	})

	t.Run("one of several concurrent creations succeeds", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		id := credential.NewID()
		oneWinner(t, race(func(int) error {
			r := leastRegistration(clock)
			r.ClientID = id
			return s.CreateRegistration(t.Context(), r)
		}), broker.ErrExists)
	})

	t.Run("an expired registration counts as absent", func(t *testing.T) {
		clock := fake.NewClock()
		r := fullRegistration(clock)
		s := create(t, r, clock)
		clock.Advance(time.Hour - time.Second)
		read(t, s, r.ClientID)
		clock.Advance(time.Second)
		absent(t, s, r.ClientID)
		check(t, "replace", s.ReplaceRegistration(t.Context(), r.Clone()), broker.ErrNotFound)
		check(t, "touch", s.TouchRegistration(t.Context(), r.ClientID, r.Generation, clock.Now()), broker.ErrNotFound)
		for _, listed := range collect(t, s.ListAllRegistrations(t.Context())) {
			if listed.ClientID == r.ClientID {
				t.Error("the expired registration is listed")
			}
		}
		check(t, "delete", s.DeleteRegistration(t.Context(), r.ClientID, r.Generation), nil)
	})

	t.Run("a new registration replaces an expired one", func(t *testing.T) {
		clock := fake.NewClock()
		old := fullRegistration(clock)
		s := create(t, old, clock)
		replaced := old.Clone()
		check(t, "replace", s.ReplaceRegistration(t.Context(), replaced), nil)
		clock.Advance(time.Hour)
		r := leastRegistration(clock)
		r.ClientID = old.ClientID
		check(t, "create", s.CreateRegistration(t.Context(), r), nil)
		want := r.Clone()
		want.Version = 1
		diffRegistration(t, "read", read(t, s, r.ClientID), want)
		check(t, "delete the old", s.DeleteRegistration(t.Context(), old.ClientID, old.Generation), nil)
		diffRegistration(t, "read after the old was deleted", read(t, s, r.ClientID), want)
	})

	t.Run("a registration without expiry stays", func(t *testing.T) {
		clock := fake.NewClock()
		r := leastRegistration(clock)
		s := create(t, r, clock)
		clock.Advance(200 * 365 * 24 * time.Hour)
		diffRegistration(t, "read", read(t, s, r.ClientID), r)
	})

	t.Run("a replacement replaces everything except the last use", func(t *testing.T) {
		clock := fake.NewClock()
		r := fullRegistration(clock)
		s := create(t, r, clock)
		used := r.LastUsedAt
		next := leastRegistration(clock)
		next.ClientID, next.Generation, next.Version, next.State = r.ClientID, r.Generation, r.Version, broker.RegistrationDisabled
		next.LastUsedAt = clock.Second().Add(24 * time.Hour)
		check(t, "replace", s.ReplaceRegistration(t.Context(), next), nil)
		if next.Version != 2 {
			t.Errorf("version: got %d, want 2", next.Version)
		}
		want := next.Clone()
		want.LastUsedAt = used
		diffRegistration(t, "read", read(t, s, r.ClientID), want)

		full := fullRegistration(clock)
		full.ClientID, full.Generation, full.Version, full.LastUsedAt = r.ClientID, r.Generation, next.Version, used
		check(t, "replace again", s.ReplaceRegistration(t.Context(), full), nil)
		if full.Version != 3 {
			t.Errorf("version: got %d, want 3", full.Version)
		}
		diffRegistration(t, "read again", read(t, s, r.ClientID), full)
	})

	t.Run("a replacement of another version conflicts", func(t *testing.T) {
		clock := fake.NewClock()
		r := fullRegistration(clock)
		s := create(t, r, clock)
		stale := r.Clone()
		check(t, "replace", s.ReplaceRegistration(t.Context(), r), nil)
		for _, version := range []int64{stale.Version, r.Version + 1, 0} {
			other := leastRegistration(clock)
			other.ClientID, other.Version = r.ClientID, version
			check(t, "replace", s.ReplaceRegistration(t.Context(), other), broker.ErrConflict)
			if other.Version != version {
				t.Errorf("version after ErrConflict: got %d, want %d", other.Version, version)
			}
		}
		diffRegistration(t, "read", read(t, s, r.ClientID), r)
	})

	// The versions of a client id start again at 1 when it is registered again
	// after a deletion.
	t.Run("a replacement of another generation conflicts", func(t *testing.T) {
		clock := fake.NewClock()
		r := fullRegistration(clock)
		s := create(t, r, clock)
		other := r.Clone()
		other.Generation += "x"
		check(t, "replace", s.ReplaceRegistration(t.Context(), other), broker.ErrConflict)
		diffRegistration(t, "read", read(t, s, r.ClientID), r)
	})

	t.Run("many replacements in a row", func(t *testing.T) {
		clock := fake.NewClock()
		r := fullRegistration(clock)
		s := create(t, r, clock)
		for i := range 20 {
			r.Metadata.ClientName = fmt.Sprint("name ", i)
			check(t, "replace", s.ReplaceRegistration(t.Context(), r), nil)
			if want := int64(i + 2); r.Version != want {
				t.Errorf("version: got %d, want %d", r.Version, want)
			}
		}
		diffRegistration(t, "read", read(t, s, r.ClientID), r)
	})

	t.Run("one of several concurrent replacements succeeds", func(t *testing.T) {
		clock := fake.NewClock()
		r := fullRegistration(clock)
		s := create(t, r, clock)
		oneWinner(t, race(func(int) error {
			return s.ReplaceRegistration(t.Context(), r.Clone())
		}), broker.ErrConflict)
		if got := read(t, s, r.ClientID).Version; got != 2 {
			t.Errorf("version: got %d, want 2", got)
		}
	})

	t.Run("a write to an absent registration creates none", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		r := fullRegistration(clock)
		r.Version = 1
		check(t, "replace", s.ReplaceRegistration(t.Context(), r), broker.ErrNotFound)
		check(t, "touch", s.TouchRegistration(t.Context(), r.ClientID, r.Generation, clock.Now()), broker.ErrNotFound)
		check(t, "delete", s.DeleteRegistration(t.Context(), r.ClientID, r.Generation), nil)
		absent(t, s, r.ClientID)
		for _, listed := range collect(t, s.ListAllRegistrations(t.Context())) {
			if listed.ClientID == r.ClientID {
				t.Error("the absent registration is listed")
			}
		}
	})

	t.Run("only the named generation is deleted", func(t *testing.T) {
		clock := fake.NewClock()
		r := fullRegistration(clock)
		s := create(t, r, clock)
		check(t, "delete another", s.DeleteRegistration(t.Context(), r.ClientID, credential.NewID()), nil)
		read(t, s, r.ClientID)
		check(t, "delete", s.DeleteRegistration(t.Context(), r.ClientID, r.Generation), nil)
		absent(t, s, r.ClientID)
		check(t, "delete again", s.DeleteRegistration(t.Context(), r.ClientID, r.Generation), nil)
	})

	t.Run("the last use only moves forward", func(t *testing.T) {
		clock := fake.NewClock()
		r := leastRegistration(clock)
		s := create(t, r, clock)
		base := clock.Second()
		for _, tt := range []struct{ at, want time.Duration }{
			{time.Minute, time.Minute}, // the first use ever
			{time.Hour, time.Hour},
			{time.Minute, time.Hour}, // an earlier use, written late
			{time.Hour, time.Hour},
			{2*time.Hour + 300*time.Millisecond, 2 * time.Hour},
		} {
			check(t, "touch", s.TouchRegistration(t.Context(), r.ClientID, r.Generation, base.Add(tt.at)), nil)
			want := r.Clone()
			want.LastUsedAt = base.Add(tt.want)
			diffRegistration(t, fmt.Sprint("after a use at ", tt.at), read(t, s, r.ClientID), want)
		}
		err := s.TouchRegistration(t.Context(), r.ClientID, credential.NewID(), base.Add(3*time.Hour))
		check(t, "touch another generation", err, broker.ErrNotFound)
		if got, want := read(t, s, r.ClientID).LastUsedAt, base.Add(2*time.Hour); !got.Equal(want) {
			t.Errorf("last use: got %v, want %v", got, want)
		}
	})

	t.Run("a registration that was used in the meantime is not retired", func(t *testing.T) {
		for _, used := range []time.Duration{0, time.Hour} {
			clock := fake.NewClock()
			r := leastRegistration(clock)
			s := create(t, r, clock)
			if used > 0 {
				check(t, "touch", s.TouchRegistration(t.Context(), r.ClientID, r.Generation, clock.Second().Add(used)), nil)
			}
			before := read(t, s, r.ClientID)
			check(t, "touch", s.TouchRegistration(t.Context(), r.ClientID, r.Generation, clock.Second().Add(2*time.Hour)), nil)
			retired := before.Clone()
			retired.State = broker.RegistrationRemoved
			check(t, "retire", s.RetireRegistration(t.Context(), retired), broker.ErrConflict)
			if retired.Version != before.Version {
				t.Errorf("version after ErrConflict: got %d, want %d", retired.Version, before.Version)
			}

			now := read(t, s, r.ClientID)
			stale := now.Clone()
			stale.Version++
			check(t, "retire another version", s.RetireRegistration(t.Context(), stale), broker.ErrConflict)
			other := now.Clone()
			other.Generation += "x"
			check(t, "retire another generation", s.RetireRegistration(t.Context(), other), broker.ErrConflict)
			now.State, now.Due = broker.RegistrationRemoved, clock.Second()
			want := now.Clone()
			want.Version++
			check(t, "retire", s.RetireRegistration(t.Context(), now), nil)
			diffRegistration(t, "after retire", now, want)
			diffRegistration(t, "read", read(t, s, r.ClientID), want)
		}
	})

	t.Run("a registration that was not used is retired", func(t *testing.T) {
		clock := fake.NewClock()
		r := leastRegistration(clock)
		s := create(t, r, clock)
		r.State = broker.RegistrationRemoved
		check(t, "retire", s.RetireRegistration(t.Context(), r), nil)
		diffRegistration(t, "read", read(t, s, r.ClientID), r)
		absentOne := leastRegistration(clock)
		absentOne.Version = 1
		check(t, "retire an absent one", s.RetireRegistration(t.Context(), absentOne), broker.ErrNotFound)
	})

	t.Run("a renewal changes the generation and increments the version", func(t *testing.T) {
		clock := fake.NewClock()
		r := fullRegistration(clock)
		s := create(t, r, clock)
		check(t, "replace", s.ReplaceRegistration(t.Context(), r), nil)
		stale := r.Clone()
		stale.Version--
		check(t, "renew another version", s.RenewRegistration(t.Context(), stale, "new"), broker.ErrConflict)
		other := r.Clone()
		other.Generation += "x"
		check(t, "renew another generation", s.RenewRegistration(t.Context(), other, "new"), broker.ErrConflict)
		if other.Generation != r.Generation+"x" || other.Version != r.Version {
			t.Errorf("after ErrConflict: got generation %q, version %d, want them unchanged", other.Generation, other.Version)
		}

		before, generation := r.Clone(), credential.NewID()
		next := leastRegistration(clock)
		next.ClientID, next.Generation, next.Version = r.ClientID, r.Generation, r.Version
		check(t, "renew", s.RenewRegistration(t.Context(), next, generation), nil)
		if next.Generation != generation || next.Version != 3 || !next.LastUsedAt.IsZero() {
			t.Errorf("after renew: got generation %q, version %d, last use %v, want %q, 3, none", next.Generation, next.Version, next.LastUsedAt, generation)
		}
		diffRegistration(t, "read", read(t, s, r.ClientID), next)
		check(t, "replace the former", s.ReplaceRegistration(t.Context(), before.Clone()), broker.ErrConflict)
		check(t, "touch the former", s.TouchRegistration(t.Context(), r.ClientID, before.Generation, clock.Now()), broker.ErrNotFound)
		check(t, "delete the former", s.DeleteRegistration(t.Context(), r.ClientID, before.Generation), nil)
		diffRegistration(t, "read again", read(t, s, r.ClientID), next)
		absentOne := leastRegistration(clock)
		absentOne.Version = 1
		check(t, "renew an absent one", s.RenewRegistration(t.Context(), absentOne, "new"), broker.ErrNotFound)
	})

	t.Run("one of several concurrent renewals succeeds", func(t *testing.T) {
		clock := fake.NewClock()
		r := fullRegistration(clock)
		s := create(t, r, clock)
		oneWinner(t, race(func(int) error {
			return s.RenewRegistration(t.Context(), r.Clone(), credential.NewID())
		}), broker.ErrConflict)
	})

	t.Run("unknown ids are not found", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		lookalike := leastRegistration(clock)
		lookalike.ClientID = "\ufffd\ufffd" // JSON turns "\xff\xfe" into this
		check(t, "create", s.CreateRegistration(t.Context(), lookalike), nil)
		for _, id := range foreignIDs() {
			absent(t, s, id)
			check(t, "touch", s.TouchRegistration(t.Context(), id, lookalike.Generation, clock.Now()), broker.ErrNotFound)
			r := lookalike.Clone()
			r.ClientID = id
			check(t, "replace", s.ReplaceRegistration(t.Context(), r), broker.ErrNotFound)
			check(t, "delete", s.DeleteRegistration(t.Context(), id, lookalike.Generation), nil)
		}
		read(t, s, lookalike.ClientID)
		check(t, "delete", s.DeleteRegistration(t.Context(), lookalike.ClientID, lookalike.Generation), nil)
	})
}
