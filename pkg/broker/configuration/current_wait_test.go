package configuration_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dcr-broker/dcr-broker/test/fake"
)

// A request waits two seconds for a store that does not answer.
func TestAStoreThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := fake.NewClock()
		clock.Tick()
		w := newWorld(t, clock)
		w.append(1, named(t, "a"))
		for _, step := range []struct {
			name  string
			after time.Duration // since the step before
			store func(context.Context) error
			want  string
			takes time.Duration
			lines int
		}{
			{"at a cold start", 0, silent, "not ready", 2 * time.Second, 1},
			{"the next request does not wait", 0, silent, "not ready", 0, 0},
			{"one in five seconds does", 5 * time.Second, silent, "not ready", 2 * time.Second, 1},
			{"recovery", 5 * time.Second, nil, "1/a", 0, 0},
			{"later", time.Minute, silent, "1/a", 2 * time.Second, 1},
			{"the next request does not wait", 0, silent, "1/a", 0, 0},
			{"nor those for five seconds", 5*time.Second - 1, silent, "1/a", 0, 0},
			{"one in five seconds does", 1, silent, "1/a", 2 * time.Second, 1},
			{"recovery", 5 * time.Second, nil, "1/a", 0, 0},
			{"a slow store", time.Minute, func(context.Context) error { time.Sleep(900 * time.Millisecond); return nil }, "1/a", 900 * time.Millisecond, 0},
		} {
			time.Sleep(step.after)
			w.reader.set(step.store)
			began := time.Now()
			got := w.get()
			if took := time.Since(began); !strings.Contains(got, step.want) || took != step.takes {
				t.Errorf("%s: got %q after %s, want %q after %s", step.name, got, took, step.want, step.takes)
			}
			if lines := w.lines(); len(lines) != step.lines {
				t.Errorf("%s: logged %q, want %d lines", step.name, lines, step.lines)
			}
		}
	})
}

// The limit of two seconds is for all reads together.
func TestTheLimitIsForAllReadsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := fake.NewClock()
		clock.Tick()
		w := newWorld(t, clock)
		for _, name := range []string{"a", "b", "c", "d"} {
			w.append(1, faulty(t, name))
		}
		w.reader.set(func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(900 * time.Millisecond):
				return nil
			}
		})
		began := time.Now()
		got := w.get()
		if took := time.Since(began); took != 2*time.Second || !strings.Contains(got, "deadline") {
			t.Errorf("got %q after %s, want an error after 2 s", got, took)
		}
	})
}

// However many requests come at once, one of them reads. With a configuration,
// the others do not wait for it.
func TestOneReadAtATime(t *testing.T) {
	const requests = 50
	synctest.Test(t, func(t *testing.T) {
		clock := fake.NewClock()
		clock.Tick()
		w := newWorld(t, clock)
		slow := func(context.Context) error { time.Sleep(500 * time.Millisecond); return nil }
		for _, step := range []struct {
			name     string
			do       func()
			store    func(context.Context) error
			old, now string // how the answers begin: before and after the read
			waiting  int    // requests that wait for the read
			bodies   int
			lines    int
		}{
			{"a cold start without a store", nil, silent, "", "temporarily_unavailable", requests, 0, 1},
			{"a cold start", func() { w.append(1, named(t, "a")) }, slow, "", "1/a", requests, 1, 0},
			{"a new version", func() { w.append(1, named(t, "b")) }, slow, "1/a", "2/b", 1, 1, 0},
			{"a store that does not answer", nil, silent, "2/b", "2/b", 1, 0, 1},
		} {
			time.Sleep(time.Minute)
			if step.do != nil {
				step.do()
			}
			w.reader.counts()
			w.reader.set(step.store)
			began := time.Now()
			var mu sync.Mutex
			waited := 0
			var all sync.WaitGroup
			for range requests {
				all.Go(func() {
					got := w.get()
					want := step.old
					mu.Lock()
					defer mu.Unlock()
					if time.Since(began) > 0 {
						waited++
						want = step.now
					}
					if !strings.HasPrefix(got, want) {
						t.Errorf("%s: got %q after %s, want %q", step.name, got, time.Since(began), want)
					}
				})
			}
			all.Wait()
			if lists, bodies := w.reader.counts(); waited != step.waiting || lists != 1 || bodies != step.bodies {
				t.Errorf("%s: %d requests waited, %d lists and %d documents were read, want %d, 1 and %d", step.name, waited, lists, bodies, step.waiting, step.bodies)
			}
			if lines := w.lines(); len(lines) != step.lines {
				t.Errorf("%s: logged %q, want %d lines", step.name, lines, step.lines)
			}
		}
	})
}

// A request whose caller gives up says nothing about the store: the next one
// reads, and no error is logged.
func TestTheCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := fake.NewClock()
		clock.Tick()
		w := newWorld(t, clock)
		w.append(1, named(t, "a"))
		giveUp := func() (err error) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			w.reader.set(silent)
			_, err = w.current.Get(ctx)
			w.reader.set(nil)
			return err
		}
		if err := giveUp(); err == nil || !strings.Contains(err.Error(), "deadline") {
			t.Errorf("at a cold start: got error %v, want that of the caller", err)
		}
		if got := w.get(); got != "1/a" {
			t.Errorf("the next request: got %q", got)
		}
		w.append(1, named(t, "b"))
		time.Sleep(time.Minute)
		if err := giveUp(); err != nil {
			t.Errorf("later: got error %v, want the last good configuration", err)
		}
		if got := w.get(); got != "2/b" {
			t.Errorf("the next request: got %q", got)
		}
		if lines := w.lines(); len(lines) > 0 {
			t.Errorf("logged %q", lines)
		}
	})
}

// A request does not wait for another one's read longer than its caller does.
func TestTheCallerGivesUpWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := fake.NewClock()
		clock.Tick()
		w := newWorld(t, clock)
		w.reader.set(silent)
		go w.get()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := w.current.Get(ctx)
		if took := time.Since(began); err == nil || took != time.Second {
			t.Errorf("Get: got error %v after %s, want one after 1 s", err, took)
		}
		time.Sleep(time.Second)
	})
}
