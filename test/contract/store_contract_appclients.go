package contract

import (
	"slices"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// fullAppClient returns a record of a direct app client with every field set.
func fullAppClient(c *fake.Clock) *broker.AppClient {
	return &broker.AppClient{
		Key:       credential.NewID(),
		State:     broker.AppClientUpdating,
		Marker:    "dcr-1a2b-" + credential.NewID(),
		CognitoID: credential.NewID(),
		Profile:   "partners",
		Use:       broker.Use{Token: credential.NewID()},
		CreatedAt: c.Second(),
		Due:       c.Second().Add(time.Minute),
	}
}

// leastAppClient returns a record with as few fields set as possible.
func leastAppClient(c *fake.Clock) *broker.AppClient {
	return &broker.AppClient{
		Key:       credential.NewID(),
		State:     broker.AppClientCreating,
		Marker:    "dcr-1a2b-" + credential.NewID(),
		Profile:   "open",
		CreatedAt: c.Second(),
	}
}

func testAppClientRecords(t *testing.T, open OpenStore) {
	create := func(t *testing.T, a *broker.AppClient, clock *fake.Clock) broker.Store {
		t.Helper()
		s := open(t, clock.Now)
		check(t, "create", s.CreateAppClient(t.Context(), a), nil)
		return s
	}
	read := func(t *testing.T, s broker.Store, key string) *broker.AppClient {
		t.Helper()
		a, err := s.AppClient(t.Context(), key)
		check(t, "read", err, nil)
		return a
	}
	due := func(t *testing.T, s broker.Store, key string, now time.Time) bool {
		t.Helper()
		return isDue(t, s, broker.DueAppClient, key, now)
	}

	t.Run("a created record is read", func(t *testing.T) {
		clock := fake.NewClock()
		for _, a := range []*broker.AppClient{fullAppClient(clock), leastAppClient(clock)} {
			want := *a
			want.Version = 1
			s := create(t, a, clock)
			diff(t, "after create", *a, want)
			diff(t, "read", *read(t, s, a.Key), want)
			a.Profile = "changed"
			diff(t, "after a change to the caller's copy", *read(t, s, a.Key), want)
		}
	})

	t.Run("a taken key is not created again", func(t *testing.T) {
		clock := fake.NewClock()
		a := fullAppClient(clock)
		s := create(t, a, clock)
		other := leastAppClient(clock)
		other.Key = a.Key
		check(t, "create", s.CreateAppClient(t.Context(), other), broker.ErrExists)
		if other.Version != 0 {
			t.Errorf("version after ErrExists: got %d, want 0", other.Version)
		}
		diff(t, "read", *read(t, s, a.Key), *a)
	})

	t.Run("one of several concurrent creations succeeds", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		key := credential.NewID()
		oneWinner(t, race(func(int) error {
			a := leastAppClient(clock)
			a.Key = key
			return s.CreateAppClient(t.Context(), a)
		}), broker.ErrExists)
	})

	t.Run("a replacement replaces everything", func(t *testing.T) {
		clock := fake.NewClock()
		a := fullAppClient(clock)
		s := create(t, a, clock)
		next := leastAppClient(clock)
		next.Key, next.Version = a.Key, a.Version
		check(t, "replace", s.ReplaceAppClient(t.Context(), next), nil)
		if next.Version != 2 {
			t.Errorf("version: got %d, want 2", next.Version)
		}
		diff(t, "read", *read(t, s, a.Key), *next)
		full := fullAppClient(clock)
		full.Key, full.Version = a.Key, next.Version
		check(t, "replace again", s.ReplaceAppClient(t.Context(), full), nil)
		if full.Version != 3 {
			t.Errorf("version: got %d, want 3", full.Version)
		}
		diff(t, "read again", *read(t, s, a.Key), *full)
	})

	t.Run("a replacement of another version conflicts", func(t *testing.T) {
		clock := fake.NewClock()
		a := fullAppClient(clock)
		s := create(t, a, clock)
		check(t, "replace", s.ReplaceAppClient(t.Context(), a), nil)
		for _, version := range []int64{1, 3, 0} {
			other := leastAppClient(clock)
			other.Key, other.Version = a.Key, version
			check(t, "replace", s.ReplaceAppClient(t.Context(), other), broker.ErrConflict)
			if other.Version != version {
				t.Errorf("version after ErrConflict: got %d, want %d", other.Version, version)
			}
		}
		diff(t, "read", *read(t, s, a.Key), *a)
	})

	t.Run("one of several concurrent replacements succeeds", func(t *testing.T) {
		clock := fake.NewClock()
		a := fullAppClient(clock)
		s := create(t, a, clock)
		oneWinner(t, race(func(int) error {
			mine := *a
			return s.ReplaceAppClient(t.Context(), &mine)
		}), broker.ErrConflict)
		if got := read(t, s, a.Key).Version; got != 2 {
			t.Errorf("version: got %d, want 2", got)
		}
	})

	t.Run("only the named version is deleted", func(t *testing.T) {
		clock := fake.NewClock()
		a := fullAppClient(clock)
		s := create(t, a, clock)
		check(t, "replace", s.ReplaceAppClient(t.Context(), a), nil)
		check(t, "delete a stale version", s.DeleteAppClient(t.Context(), a.Key, 1), broker.ErrConflict)
		diff(t, "read", *read(t, s, a.Key), *a)
		check(t, "delete", s.DeleteAppClient(t.Context(), a.Key, 2), nil)
		_, err := s.AppClient(t.Context(), a.Key)
		check(t, "read", err, broker.ErrNotFound)
		check(t, "delete again", s.DeleteAppClient(t.Context(), a.Key, 2), nil)
	})

	t.Run("a write to an absent record creates none", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		a := fullAppClient(clock)
		keys := append(foreignIDs(), credential.NewID())
		for _, key := range keys {
			a.Key, a.Version = key, 1
			check(t, "replace", s.ReplaceAppClient(t.Context(), a), broker.ErrNotFound)
			check(t, "delete", s.DeleteAppClient(t.Context(), key, 1), nil)
			_, err := s.AppClient(t.Context(), key)
			check(t, "read", err, broker.ErrNotFound)
		}
		for _, d := range collect(t, s.Due(t.Context(), a.Due, "")) {
			if d.Kind == broker.DueAppClient && slices.Contains(keys, d.Key) {
				t.Errorf("%q is due", d.Key)
			}
		}
	})

	t.Run("due records are found", func(t *testing.T) {
		clock := fake.NewClock()
		a, never := fullAppClient(clock), leastAppClient(clock)
		s := create(t, a, clock)
		check(t, "create", s.CreateAppClient(t.Context(), never), nil)
		far := clock.Now().AddDate(100, 0, 0)
		if due(t, s, never.Key, far) {
			t.Error("a record without due time is due")
		}
		for _, tt := range []struct {
			after time.Duration
			want  bool
		}{
			{-time.Second, false},
			{-time.Millisecond, false},
			{0, true},
			{time.Hour, true},
		} {
			if got := due(t, s, a.Key, a.Due.Add(tt.after)); got != tt.want {
				t.Errorf("due %v after its time: got %t, want %t", tt.after, got, tt.want)
			}
		}
		first := a.Due
		a.Due = first.Add(time.Hour)
		check(t, "replace", s.ReplaceAppClient(t.Context(), a), nil)
		if due(t, s, a.Key, first) || !due(t, s, a.Key, a.Due) {
			t.Error("a replacement does not move the due time")
		}
		a.Due = time.Time{}
		check(t, "replace", s.ReplaceAppClient(t.Context(), a), nil)
		if due(t, s, a.Key, far) {
			t.Error("a replacement does not remove the due time")
		}
		a.Due = first
		check(t, "replace", s.ReplaceAppClient(t.Context(), a), nil)
		check(t, "delete", s.DeleteAppClient(t.Context(), a.Key, a.Version), nil)
		if due(t, s, a.Key, far) {
			t.Error("a deleted record is due")
		}
	})

	t.Run("all keys are listed, due or not", func(t *testing.T) {
		clock := fake.NewClock()
		a, never := fullAppClient(clock), leastAppClient(clock)
		s := create(t, a, clock)
		check(t, "create", s.CreateAppClient(t.Context(), never), nil)
		listed := func() []string { return collect(t, s.AppClientKeys(t.Context())) }
		for _, key := range []string{a.Key, never.Key} {
			if n := count(listed(), key); n != 1 {
				t.Errorf("%s is listed %d times, want once", key, n)
			}
		}
		a.Due = time.Time{}
		check(t, "replace", s.ReplaceAppClient(t.Context(), a), nil)
		if n := count(listed(), a.Key); n != 1 {
			t.Errorf("a record that is not due any more is listed %d times, want once", n)
		}
		check(t, "delete", s.DeleteAppClient(t.Context(), a.Key, a.Version), nil)
		if n := count(listed(), a.Key); n != 0 {
			t.Errorf("a deleted record is listed %d times, want 0", n)
		}
		for range s.AppClientKeys(t.Context()) {
			break // leaving early is allowed
		}
	})
}

// count returns how often key is in keys.
func count(keys []string, key string) int {
	n := 0
	for _, k := range keys {
		if k == key {
			n++
		}
	}
	return n
}
