package signed

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/test/fake"
)

func TestCached(t *testing.T) { fake.EachClock(t, testCached) }

func testCached(t *testing.T, clock *fake.Clock) {
	body, fetchErr := "1", error(nil)
	fetched := 0
	k := Cache(func(context.Context) ([]byte, error) {
		fetched++
		return []byte(body), fetchErr
	}, func(b []byte) (int, error) { return strconv.Atoi(string(b)) }, clock.Now, slog.New(slog.DiscardHandler))

	for _, step := range []struct {
		name    string
		wait    time.Duration
		body    string
		err     error
		want    int
		fails   bool
		fetched int // in total
	}{
		{"unreachable at first use", 0, "1", errors.New("unreachable"), 0, true, 1},
		{"no fetch for half a minute", 29 * time.Second, "1", nil, 0, true, 1},
		{"then a successful fetch", time.Second, "1", nil, 1, false, 2},
		{"kept", 4 * time.Minute, "2", nil, 1, false, 2},
		{"another fetch after five minutes", time.Minute, "2", nil, 2, false, 3},
		{"another fetch after the clock was set back", -time.Second, "2", nil, 2, false, 4},
		{"the last good copy while the origin is unreachable", 5 * time.Minute, "3", errors.New("unreachable"), 2, false, 5},
		{"no fetch within half a minute of a failure", 10 * time.Second, "3", nil, 2, false, 5},
		{"the last good copy while the document is not valid", time.Minute, "x", nil, 2, false, 6},
		{"the last good copy while the document is too large", time.Minute, strings.Repeat("1", maxSize+1), nil, 2, false, 7},
		{"the new document when it is valid again", time.Minute, "4", nil, 4, false, 8},
	} {
		clock.Advance(step.wait)
		body, fetchErr = step.body, step.err
		got, err := k(t.Context())
		if got != step.want || (err != nil) != step.fails || fetched != step.fetched {
			t.Errorf("%s: Get = %d, %v after %d fetches, want %d, failing %t, after %d", step.name, got, err, fetched, step.want, step.fails, step.fetched)
		}
	}

	clock.Advance(time.Hour)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	fetchErr = context.Canceled
	if got, err := k(gone); got != 4 || err != nil {
		t.Errorf("a caller that gave up: Get = %d, %v, want the last good copy", got, err)
	}
	fetchErr, body = nil, "5"
	if got, err := k(t.Context()); got != 5 || err != nil {
		t.Errorf("the next caller: Get = %d, %v, want 5", got, err)
	}
}

// A document whose fetch began before the process was frozen is as old as the
// fetch.
func TestTheAgeOfACopyBeginsBeforeItsFetch(t *testing.T) {
	clock, fetched := fake.NewClock(), 0
	k := Cache(func(context.Context) ([]byte, error) {
		fetched++
		clock.Advance(maxAge) // Lambda freezes the process
		return nil, nil
	}, func([]byte) (int, error) { return fetched, nil }, clock.Now, slog.New(slog.DiscardHandler))
	for want := range 2 {
		if got, err := k(t.Context()); got != want+1 || err != nil {
			t.Errorf("Get = %d, %v, want %d", got, err, want+1)
		}
	}
}

func TestCachedFetchesOnceForConcurrentCallers(t *testing.T) {
	var fetched atomic.Int32
	k := Cache(func(context.Context) ([]byte, error) {
		fetched.Add(1)
		return []byte("x"), nil
	}, func(b []byte) (string, error) { return string(b), nil }, time.Now, slog.New(slog.DiscardHandler))
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if got, err := k(t.Context()); got != "x" || err != nil {
				t.Errorf("Get = %q, %v, want x", got, err)
			}
		})
	}
	wg.Wait()
	if n := fetched.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

// Every request of brokered mode gets the keys this way.
func BenchmarkCached(b *testing.B) {
	k := Cache(func(context.Context) ([]byte, error) { return []byte("x"), nil },
		func(b []byte) (string, error) { return string(b), nil }, time.Now, slog.New(slog.DiscardHandler))
	b.Run("one request at a time", func(b *testing.B) {
		for b.Loop() {
			k(b.Context())
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				k(b.Context())
			}
		})
	})
}
