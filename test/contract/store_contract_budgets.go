package contract

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

func testBudgets(t *testing.T, open OpenStore) {
	t.Run("a member counts once", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		b := broker.Budget{Key: credential.NewID(), Limit: 2}
		for _, tt := range []struct {
			member string
			want   error
		}{
			{"a", nil},
			{"a", nil},
			{"b", nil},
			{"c", broker.ErrExhausted},
			{"b", nil}, // a full budget still has its members
		} {
			check(t, "take "+tt.member, s.TakeBudget(t.Context(), b, tt.member), tt.want)
		}
		other := broker.Budget{Key: credential.NewID(), Limit: 1}
		check(t, "take from another budget", s.TakeBudget(t.Context(), other, "c"), nil)
	})

	t.Run("a returned place is free once", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		b := broker.Budget{Key: credential.NewID(), Limit: 2}
		check(t, "take a", s.TakeBudget(t.Context(), b, "a"), nil)
		check(t, "take b", s.TakeBudget(t.Context(), b, "b"), nil)
		check(t, "return x", s.ReturnBudget(t.Context(), b.Key, "x"), nil)
		check(t, "take c", s.TakeBudget(t.Context(), b, "c"), broker.ErrExhausted)
		check(t, "return a", s.ReturnBudget(t.Context(), b.Key, "a"), nil)
		check(t, "return a again", s.ReturnBudget(t.Context(), b.Key, "a"), nil)
		check(t, "take c", s.TakeBudget(t.Context(), b, "c"), nil)
		check(t, "take d", s.TakeBudget(t.Context(), b, "d"), broker.ErrExhausted)
	})

	t.Run("an emptied budget can be filled again", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		b := broker.Budget{Key: credential.NewID(), Limit: 1}
		for _, member := range []string{"a", "b", "c"} {
			check(t, "take "+member, s.TakeBudget(t.Context(), b, member), nil)
			check(t, "take x", s.TakeBudget(t.Context(), b, "x"), broker.ErrExhausted)
			check(t, "return "+member, s.ReturnBudget(t.Context(), b.Key, member), nil)
		}
	})

	t.Run("each call has its own limit", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		key := credential.NewID()
		take := func(member string, limit int) error {
			return s.TakeBudget(t.Context(), broker.Budget{Key: key, Limit: limit}, member)
		}
		check(t, "take of 0", take("a", 0), broker.ErrExhausted)
		check(t, "take of 1", take("a", 1), nil)
		check(t, "take of 1", take("b", 1), broker.ErrExhausted)
		check(t, "take of 3", take("b", 3), nil)
		check(t, "take of 1", take("c", 1), broker.ErrExhausted) // the limit was lowered
		check(t, "take of 0 by a member", take("a", 0), nil)
		check(t, "return a", s.ReturnBudget(t.Context(), key, "a"), nil)
		check(t, "return b", s.ReturnBudget(t.Context(), key, "b"), nil)
		check(t, "take of 0 from an emptied one", take("a", 0), broker.ErrExhausted)
	})

	t.Run("a return to an absent budget creates none", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		b := broker.Budget{Key: credential.NewID(), Limit: 1}
		check(t, "return", s.ReturnBudget(t.Context(), b.Key, "a"), nil)
		check(t, "take", s.TakeBudget(t.Context(), b, "b"), nil)
		check(t, "take", s.TakeBudget(t.Context(), b, "a"), broker.ErrExhausted)
	})

	t.Run("an expired budget is empty", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		b := broker.Budget{Key: credential.NewID(), Limit: 1, ExpiresAt: clock.Second().Add(time.Hour)}
		check(t, "take a", s.TakeBudget(t.Context(), b, "a"), nil)
		clock.Advance(time.Hour - time.Second)
		check(t, "take b a second before", s.TakeBudget(t.Context(), b, "b"), broker.ErrExhausted)
		clock.Advance(time.Second)
		none := broker.Budget{Key: b.Key, ExpiresAt: clock.Second().Add(time.Hour)}
		check(t, "take of 0 by a former member", s.TakeBudget(t.Context(), none, "a"), broker.ErrExhausted)
		b.ExpiresAt = clock.Second().Add(time.Hour)
		check(t, "take b", s.TakeBudget(t.Context(), b, "b"), nil)
		check(t, "take a, no longer a member", s.TakeBudget(t.Context(), b, "a"), broker.ErrExhausted)
		check(t, "return a", s.ReturnBudget(t.Context(), b.Key, "a"), nil)
		check(t, "take c", s.TakeBudget(t.Context(), b, "c"), broker.ErrExhausted)
		clock.Advance(time.Hour)
		check(t, "take c after the second expiry", s.TakeBudget(t.Context(), b, "c"), nil)
	})

	t.Run("later calls do not move the expiry", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		b := broker.Budget{Key: credential.NewID(), Limit: 2, ExpiresAt: clock.Second().Add(time.Minute)}
		check(t, "take a", s.TakeBudget(t.Context(), b, "a"), nil)
		b.ExpiresAt = clock.Second().Add(time.Hour)
		check(t, "take b", s.TakeBudget(t.Context(), b, "b"), nil)
		clock.Advance(time.Minute)
		check(t, "take c", s.TakeBudget(t.Context(), b, "c"), nil)
		check(t, "take d", s.TakeBudget(t.Context(), b, "d"), nil)
		check(t, "take e", s.TakeBudget(t.Context(), b, "e"), broker.ErrExhausted)
	})

	t.Run("one of several concurrent calls takes the last place", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		b := broker.Budget{Key: credential.NewID(), Limit: 2, ExpiresAt: clock.Second().Add(time.Hour)}
		check(t, "take", s.TakeBudget(t.Context(), b, "a"), nil)
		oneWinner(t, race(func(int) error {
			return s.TakeBudget(t.Context(), b, credential.NewID())
		}), broker.ErrExhausted)
	})

	t.Run("one of several concurrent calls takes the one place of an expired budget", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		b := broker.Budget{Key: credential.NewID(), Limit: 1, ExpiresAt: clock.Second().Add(time.Hour)}
		check(t, "take", s.TakeBudget(t.Context(), b, "a"), nil)
		clock.Advance(time.Hour)
		b.ExpiresAt = clock.Second().Add(time.Hour)
		oneWinner(t, race(func(int) error {
			return s.TakeBudget(t.Context(), b, credential.NewID())
		}), broker.ErrExhausted)
	})

	// A call that is sent twice may count twice, so this test only checks the
	// bounds. TestCounters checks the exact number.
	t.Run("no more events are counted than the limit", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		c := broker.Counter{Key: credential.NewID(), Limit: 6, ExpiresAt: clock.Second().Add(time.Hour)}
		var admitted atomic.Int32
		if err := errors.Join(race(func(int) error {
			for range 2 {
				err := s.Count(t.Context(), c)
				if err == nil {
					admitted.Add(1)
				} else if !errors.Is(err, broker.ErrExhausted) {
					return err
				}
			}
			return nil
		})...); err != nil {
			t.Fatal(err)
		}
		if got := int(admitted.Load()); got < 1 || got > c.Limit {
			t.Errorf("admitted: got %d, want 1 to %d", got, c.Limit)
		}
	})

	t.Run("each key counts for itself, and each call has its own limit", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		key := credential.NewID()
		count := func(key string, limit int) error {
			return s.Count(t.Context(), broker.Counter{Key: key, Limit: limit, ExpiresAt: clock.Second().Add(time.Minute)})
		}
		for range 3 {
			if err := count(key, 2); err != nil {
				check(t, "count", err, broker.ErrExhausted)
			}
		}
		check(t, "the same key", count(key, 2), broker.ErrExhausted)
		check(t, "a lower limit", count(key, 1), broker.ErrExhausted)
		check(t, "a higher limit", count(key, 100), nil)
		check(t, "another key", count(credential.NewID(), 2), nil)
		check(t, "a limit of 0", count(credential.NewID(), 0), broker.ErrExhausted)
	})

	t.Run("a share has a limit of its own", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		key := credential.NewID()
		count := func(limit int, shares ...broker.Share) error {
			return s.Count(t.Context(), broker.Counter{Key: key, Limit: limit, ExpiresAt: clock.Second().Add(time.Minute), Shares: shares})
		}
		a, b, both := broker.Share{Name: "a", Limit: 2}, broker.Share{Name: "b_2", Limit: 100}, broker.Share{Name: "n", Limit: 200}
		none := broker.Share{Name: "z"}
		for range 5 {
			if err := count(100, a, both); err != nil {
				check(t, "a share that is used up", err, broker.ErrShareExhausted)
			}
		}
		check(t, "a", count(100, a, both), broker.ErrShareExhausted)
		check(t, "a alone", count(100, a), broker.ErrShareExhausted)
		check(t, "a share without room", count(100, none), broker.ErrShareExhausted)
		check(t, "b", count(100, b, both), nil)
		check(t, "no share", count(100), nil)
		// Two of a, one of b and one without a share have been counted. Each may
		// have been counted twice.
		check(t, "b at the limit of the counter", count(4, b, both), broker.ErrExhausted)
		if err := count(4, a); !errors.Is(err, broker.ErrExhausted) || errors.Is(err, broker.ErrShareExhausted) {
			t.Errorf("counter and share are used up: got %v, want ErrExhausted alone", err)
		}
		check(t, "a with a higher limit", count(100, broker.Share{Name: "a", Limit: 100}), nil)
		for _, name := range []string{"", "A", "a-b", "a b", "ninechars"} {
			if err := count(100, broker.Share{Name: name, Limit: 1}); err == nil {
				t.Errorf("share %q: got no error, want one", name)
			}
		}
	})

	t.Run("a refused event is counted in no share", func(t *testing.T) {
		clock := fake.NewClock()
		s := open(t, clock.Now)
		key := credential.NewID()
		count := func(shares ...broker.Share) error {
			return s.Count(t.Context(), broker.Counter{Key: key, Limit: 1000, ExpiresAt: clock.Second().Add(time.Minute), Shares: shares})
		}
		for range 10 {
			check(t, "z", count(broker.Share{Name: "a", Limit: 2}, broker.Share{Name: "z"}), broker.ErrShareExhausted)
		}
		check(t, "a", count(broker.Share{Name: "a", Limit: 2}), nil)
	})
}

// TestCounters tests that Count admits exactly as many events as the limit. It is
// for a store that sends each call once.
func TestCounters(t *testing.T, open func(t *testing.T, now func() time.Time) broker.Store) {
	clock := fake.NewClock()
	s := open(t, clock.Now)
	for _, limit := range []int{1, 4} {
		t.Run(fmt.Sprintf("a limit of %d", limit), func(t *testing.T) {
			c := broker.Counter{Key: credential.NewID(), Limit: limit, ExpiresAt: clock.Second().Add(time.Hour)}
			var admitted atomic.Int32
			if err := errors.Join(race(func(int) error {
				err := s.Count(t.Context(), c)
				if err == nil {
					admitted.Add(1)
				} else if errors.Is(err, broker.ErrExhausted) {
					return nil
				}
				return err
			})...); err != nil {
				t.Fatal(err)
			}
			if got := int(admitted.Load()); got != limit {
				t.Errorf("admitted: got %d, want %d", got, limit)
			}
		})
	}
}
