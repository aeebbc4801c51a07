package configuration_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// A request that needs the newest version reads it, at most once in five seconds,
// and gets an error if it cannot be read.
func TestTheNewestVersion(t *testing.T) { fake.EachClock(t, testTheNewestVersion) }

func testTheNewestVersion(t *testing.T, clock *fake.Clock) {
	w := newWorld(t, clock)
	const failed = "temporarily_unavailable: the broker is not ready"
	for _, step := range []struct {
		name  string
		wait  time.Duration
		do    func()
		get   func() string
		want  string
		lists int
		lines int
	}{
		{"no document", 0, nil, w.newest, failed, 1, 1},
		{"the failed read counts", 5*time.Second - 1, nil, w.newest, failed, 0, 0},
		{"the first document", 1, func() { w.append(1, named(t, "a")) }, w.newest, "1/a", 1, 0},
		{"a newer version at once", 0, func() { w.append(1, named(t, "b")) }, w.newest, "2/b", 1, 0},
		{"all requests get it", 0, nil, w.get, "2/b", 0, 0},
		{"no read for five seconds", 5*time.Second - 1, func() { w.append(1, named(t, "c")) }, w.newest, "2/b", 0, 0},
		{"then another read", 1, nil, w.newest, "3/c", 1, 0},
		{"the minute of other requests begins with it", time.Minute - 1, func() { w.append(1, named(t, "d")) }, w.get, "3/c", 0, 0},
		{"their read", 1, nil, w.get, "4/d", 1, 0},
		{"is not one of these", 0, func() { w.append(1, named(t, "e")) }, w.newest, "5/e", 1, 0},
		{"the store fails", 5 * time.Second, func() { w.reader.set(unreachable) }, w.newest, failed, 1, 1},
		{"other requests are served", 0, nil, w.get, "5/e", 0, 0},
		{"the failed read counts", 5*time.Second - 1, nil, w.newest, failed, 0, 0},
		{"then another read", 1, func() { w.append(1, named(t, "f")); w.reader.set(nil) }, w.newest, "6/f", 1, 0},
		{"a version that cannot be used", 5 * time.Second, func() { w.append(1, faulty(t, "g")) }, w.newest, "6/f", 1, 1},
		{"the clock was set back", -time.Hour, func() { w.append(1, named(t, "h")) }, w.newest, "8/h", 1, 0},
	} {
		w.pass(step.wait)
		if step.do != nil {
			step.do()
		}
		w.reader.counts()
		got := step.get()
		if lists, _ := w.reader.counts(); !strings.HasPrefix(got, step.want) || lists != step.lists {
			t.Errorf("%s: got %q after %d reads, want %q after %d", step.name, got, lists, step.want, step.lists)
		}
		if lines := w.lines(); len(lines) != step.lines {
			t.Errorf("%s: logged %q, want %d lines", step.name, lines, step.lines)
		}
	}
}

// What ends because of the configuration cannot come back, so an older version than
// the newest does not count for it.
func TestAnOlderVersionEndsNothing(t *testing.T) {
	clock := fake.NewClock()
	w := newWorld(t, clock)
	uncached := func() string {
		conf, err := w.current.Get(broker.Uncached(t.Context()))
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(conf.Version)
	}
	const refused = "temporarily_unavailable: the broker is not ready"
	for _, step := range []struct {
		name string
		do   func()
		get  func() string
		want string
	}{
		{"the newest version", func() { w.append(1, named(t, "a")) }, uncached, "1"},
		{"a newer one that cannot be used", func() { w.append(1, faulty(t, "b")) }, uncached, refused},
		{"again", nil, uncached, refused},
		{"for what ends nothing", nil, w.newest, "1/a"},
		{"in another process", func() { w.current = newCurrent(w, w.reader) }, uncached, refused},
		{"the next one can be used", func() { w.append(1, named(t, "c")) }, uncached, "3"},
	} {
		if step.do != nil {
			step.do()
		}
		if got := step.get(); !strings.HasPrefix(got, step.want) {
			t.Errorf("%s: got %q, want %q", step.name, got, step.want)
		}
	}
}

// However many requests need the newest version at once, one of them reads. A
// read that began before they came is not enough for them.
func TestRequestsForTheNewestVersionShareARead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := fake.NewClock()
		clock.Tick()
		w := newWorld(t, clock)
		w.append(1, named(t, "a"))
		w.get()
		time.Sleep(time.Minute)
		w.reader.counts()
		// This reader's answers are as old as the beginning of the read.
		versions, err := w.store.Versions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r := &stale{reader: w.reader, versions: versions}
		w.current = newCurrent(w, r)
		var all sync.WaitGroup
		all.Go(func() { w.get() })
		synctest.Wait()
		w.append(1, named(t, "b"))
		for range 50 {
			all.Go(func() {
				if got := w.newest(); got != "2/b" {
					t.Errorf("got %q, want 2/b", got)
				}
			})
		}
		all.Wait()
		if r.reads != 2 {
			t.Errorf("%d reads, want the one before and one more", r.reads)
		}
	})
}

// A request does not share a read whose caller gave up.
func TestAReadWhoseCallerGaveUpIsNotShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := fake.NewClock()
		clock.Tick()
		w := newWorld(t, clock)
		w.append(1, named(t, "a"))
		w.get()
		w.append(1, named(t, "b"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all sync.WaitGroup
		release := make(chan struct{})
		hold := func(context.Context) error { <-release; return fake.ErrInjected }
		w.reader.set(hold)
		all.Go(func() { w.current.Get(broker.Newest(ctx)) }) // has the turn
		synctest.Wait()
		for range 3 {
			all.Go(func() {
				if got := w.newest(); got != "2/b" {
					t.Errorf("got %q, want 2/b", got)
				}
			})
		}
		synctest.Wait()
		time.Sleep(time.Second)
		synctest.Wait() // the caller of the first read has given up
		w.reader.set(nil)
		close(release)
		all.Wait()
	})
}

// A request whose caller gives up says nothing about the store.
func TestTheCallerThatNeedsTheNewestVersionGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := fake.NewClock()
		clock.Tick()
		w := newWorld(t, clock)
		w.append(1, named(t, "a"))
		w.get()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w.reader.set(silent)
		if c, err := w.current.Get(broker.Newest(ctx)); err == nil {
			t.Errorf("Get = version %d, want an error", c.Version)
		}
		w.reader.set(nil)
		if got := w.get(); got != "1/a" {
			t.Errorf("the next request: got %q", got)
		}
		w.append(1, named(t, "b"))
		if got := w.newest(); got != "2/b" {
			t.Errorf("the next request that needs the newest version: got %q", got)
		}
		if lines := w.lines(); len(lines) > 0 {
			t.Errorf("logged %q", lines)
		}
	})
}

// A request that must not act on what another request has read reads the store
// itself, and gets an error if it cannot.
func TestAReadPastEveryCache(t *testing.T) {
	clock := fake.NewClock()
	w := newWorld(t, clock)
	uncached := func() string { return text(w.current.Get(broker.Uncached(w.t.Context()))) }
	w.append(1, named(t, "a"))
	for i, want := range []string{"2/b", "3/c", "4/d"} {
		w.newest()
		w.append(1, named(t, want[2:]))
		if got := uncached(); got != want {
			t.Errorf("read %d: got %q, want %q", i, got, want)
		}
		if got := w.get(); got != want {
			t.Errorf("the next request: got %q, want %q", got, want)
		}
	}
	w.reader.set(unreachable)
	if got := uncached(); !strings.HasPrefix(got, "temporarily_unavailable") {
		t.Errorf("while the store fails: got %q, want an error", got)
	}
}
