package configuration_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// The life of one process, while documents come and go and the store fails.
func TestCurrent(t *testing.T) { fake.EachClock(t, testCurrent) }

func testCurrent(t *testing.T, clock *fake.Clock) {
	w := newWorld(t, clock)
	var gone, altered configuration.Version
	const none = "temporarily_unavailable: the broker is not ready: the table has no configuration yet"
	for _, step := range []struct {
		name string
		wait time.Duration
		do   func()
		want string // the beginning of what get returns
		// lists and bodies are how many of them are read.
		lists, bodies int
		// lines has a part of each ERROR line.
		lines []string
	}{
		{"no document", 0, nil, none, 1, 0, []string{"dcrctl config apply FILE"}},
		{"no read for five seconds", 5*time.Second - 1, nil, none, 0, 0, nil},
		{"then another read", 1, nil, none, 1, 0, []string{"no configuration yet"}},
		{"the first document", 5 * time.Second, func() { w.append(1, named(t, "a")) }, "1/a", 1, 1, nil},
		{"a newer version is not looked for", time.Minute - 1, func() { w.append(1, named(t, "b")) }, "1/a", 0, 0, nil},
		{"until a minute has passed", 1, nil, "2/b", 1, 1, nil},
		{"the same version", time.Minute, nil, "2/b", 1, 0, nil},

		{"a newer schema", time.Minute, func() { w.append(2, named(t, "c")) }, "2/b", 1, 0, []string{"configuration_version=3 error=\"its schema is 2, and this program reads up to 1"}},
		{"is logged once", time.Minute, nil, "2/b", 1, 0, nil},
		{"a document with a fault", time.Minute, func() { w.append(1, faulty(t, "d")) }, "2/b", 1, 1, []string{"configuration_version=4 error="}},
		{"is read once, and logged once", time.Minute, nil, "2/b", 1, 0, nil},
		{"it is applied again", time.Minute, func() { w.append(1, faulty(t, "d")) }, "2/b", 1, 1, []string{"configuration_version=5"}},
		{"a document over those that cannot be used", time.Minute, func() { w.append(1, named(t, "e")) }, "6/e", 1, 1, nil},

		{"a document that is gone", time.Minute, func() { gone = w.append(1, large(t, "f")); w.lose(gone) }, "6/e", 1, 1, []string{"configuration_version=7 error=\"its document is gone"}},
		{"is logged once", time.Minute, nil, "6/e", 1, 1, nil},
		{"another document in its place", time.Minute, func() { w.alter(gone, named(t, "x")) }, "6/e", 1, 1, []string{"configuration_version=7 error=\"its document is not the one"}},
		{"is logged once", time.Minute, nil, "6/e", 1, 1, nil},
		{"the document is back", time.Minute, func() { w.alter(gone, large(t, "f")) }, "7/f", 1, 1, nil},
		{"another document in place of the newest", time.Minute, func() { altered = w.append(1, large(t, "g")); w.alter(altered, named(t, "e")) }, "7/f", 1, 1, []string{"configuration_version=8"}},

		{"an older document again", time.Minute, func() { w.append(1, named(t, "b")) }, "9/b", 1, 1, nil},
		{"the document in force again", time.Minute, func() { w.append(1, named(t, "b")) }, "10/b", 1, 0, nil},

		{"the store fails", time.Minute, func() { w.reader.set(unreachable) }, "10/b", 1, 0, []string{"last_good_in_use=true"}},
		{"no read for five seconds", 5*time.Second - 1, nil, "10/b", 0, 0, nil},
		{"then another read", 1, nil, "10/b", 1, 0, []string{"injected fault"}},
		{"only the document cannot be read", 5 * time.Second, func() {
			w.append(1, named(t, "h"))
			w.reader.set(second(fake.ErrInjected))
		}, "10/b", 1, 1, []string{"read version 11: injected fault"}},
		{"the store answers again", 5 * time.Second, func() { w.reader.set(nil) }, "11/h", 1, 1, nil},
		{"after a long time without requests", 30 * 24 * time.Hour, func() { w.append(1, named(t, "i")) }, "12/i", 1, 1, nil},
		{"the clock was set back", -time.Second, func() { w.append(1, named(t, "j")) }, "13/j", 1, 1, nil},
		{"the head is gone", time.Minute, func() { w.write(records.Write{Key: "config#head"}) }, "13/j", 1, 0, []string{"no configuration yet"}},
	} {
		w.pass(step.wait)
		if step.do != nil {
			step.do()
		}
		w.reader.counts()
		got := w.get()
		lists, bodies := w.reader.counts()
		if !strings.HasPrefix(got, step.want) || lists != step.lists || bodies != step.bodies {
			t.Errorf("%s: got %q after reading %d lists and %d documents, want %q after %d and %d", step.name, got, lists, bodies, step.want, step.lists, step.bodies)
		}
		lines := w.lines()
		if len(lines) != len(step.lines) {
			t.Errorf("%s: logged %q, want %d lines", step.name, lines, len(step.lines))
			continue
		}
		for i, part := range step.lines {
			if !strings.Contains(lines[i], part) {
				t.Errorf("%s: logged %q, want %q in it", step.name, lines[i], part)
			}
		}
	}
}

// second is a store that fails from the second read on.
func second(err error) func(context.Context) error {
	n := 0
	return func(context.Context) error {
		if n++; n > 1 {
			return err
		}
		return nil
	}
}

// A process that starts when the newest version cannot be used takes an older
// one.
func TestColdStart(t *testing.T) {
	for _, tt := range []struct {
		name   string
		stored func(w *world)
		want   string
		lines  int
	}{
		{"nothing wrong", func(w *world) { w.append(1, named(t, "b")) }, "2/b", 0},
		{"a newer schema", func(w *world) { w.append(2, named(t, "b")) }, "1/a", 1},
		{"several of a newer schema", func(w *world) { w.append(2, named(t, "b")); w.append(3, named(t, "c")) }, "1/a", 1},
		{"a fault", func(w *world) { w.append(1, faulty(t, "b")) }, "1/a", 1},
		{"not JSON", func(w *world) { w.append(1, []byte("{")) }, "1/a", 1},
		{"an empty document", func(w *world) { w.append(1, nil) }, "1/a", 1},
		{"a document that is gone", func(w *world) { w.lose(w.append(1, large(t, "b"))) }, "1/a", 1},
		{"another document in its place", func(w *world) { w.alter(w.append(1, large(t, "b")), named(t, "c")) }, "1/a", 1},
		{"a small document that is gone", func(w *world) { w.lose(w.append(1, named(t, "b"))) }, "2/b", 0},
		{"another document in place of a small one", func(w *world) { w.alter(w.append(1, named(t, "b")), named(t, "c")) }, "2/b", 0},
		{"another copy in the head", func(w *world) { w.append(1, named(t, "b")); w.spoil() }, "2/b", 0},
		{"another copy in the head, and the document is gone", func(w *world) { w.lose(w.append(1, named(t, "b"))); w.spoil() }, "1/a", 1},
		{"all at once", func(w *world) {
			w.append(2, named(t, "b"))
			w.append(1, faulty(t, "c"))
			w.lose(w.append(1, large(t, "d")))
		}, "1/a", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, fake.NewClock())
			w.append(1, named(t, "a"))
			tt.stored(w)
			for _, request := range []string{"the first", "the second"} {
				if got := w.get(); got != tt.want {
					t.Errorf("%s request: got %q, want %q", request, got, tt.want)
				}
			}
			w.pass(time.Minute)
			w.get()
			if lines := w.lines(); len(lines) != tt.lines {
				t.Errorf("logged %q, want %d lines", lines, tt.lines)
			}
		})
	}
}

// Without a version that can be used, each request is refused. Each read says
// why the newest one cannot be used.
func TestNothingUsable(t *testing.T) {
	fake.EachClock(t, func(t *testing.T, clock *fake.Clock) {
		w := newWorld(t, clock)
		w.append(1, faulty(t, "a"))
		w.lose(w.append(1, large(t, "b")))
		w.append(2, named(t, "c"))
		for read := range 3 {
			for range 2 {
				_, err := w.current.Get(t.Context())
				refusal, ok := errors.AsType[*broker.Refusal](err)
				if !ok || refusal.Code != dcr.Unavailable || refusal.RetryAfter <= 0 {
					t.Fatalf("Get: got error %#v, want a refusal that can be repeated", err)
				}
				if want := "none of 3 versions can be used: version 3: its schema is 2"; !strings.Contains(err.Error(), want) {
					t.Errorf("Get: got error %v, want %q in it", err, want)
				}
			}
			lines := w.lines()
			if len(lines) != 1 || !strings.Contains(lines[0], "none of 3 versions can be used") {
				t.Errorf("read %d logged %q, want one line", read, lines)
			}
			w.pass(5 * time.Second)
		}
		w.append(1, named(t, "d"))
		if got := w.get(); got != "4/d" {
			t.Errorf("after a version that can be used: got %q", got)
		}
		if lines := w.lines(); len(lines) > 0 {
			t.Errorf("a version that can be used: logged %q", lines)
		}
	})
}

// A document with many faults does not fill the log: its line and the errors of
// requests have three of them, and their number.
func TestManyFaultsMakeAShortLine(t *testing.T) {
	w := newWorld(t, fake.NewClock())
	const faults = 600
	w.append(1, edited(t, `"version": 1,`, `"version": 1, "scopes_supported": [1`+strings.Repeat(",1", faults-1)+`],`))
	got := w.get()
	lines := w.lines()
	if len(lines) != 1 {
		t.Fatalf("%d lines, want 1: %q", len(lines), lines)
	}
	for _, text := range []string{got, lines[0]} {
		if n := strings.Count(text, "scopes_supported["); n != 3 || !strings.Contains(text, fmt.Sprintf("%d faults in all", faults)) || len(text) > 1000 {
			t.Errorf("%d faults in %d bytes, want 3 and the number of all: %.1000s", n, len(text), text)
		}
	}
}

// Documents with faults, however many, fill no memory.
func TestUnusableVersionsAreForgotten(t *testing.T) {
	w := newWorld(t, fake.NewClock())
	for n := range 3 * configuration.Kept {
		w.append(1, faulty(t, fmt.Sprint(n)))
		w.pass(time.Minute)
		w.get()
	}
	if n := w.current.Remembered(); n != configuration.Kept {
		t.Errorf("%d versions are remembered, want %d", n, configuration.Kept)
	}
	if lines := w.lines(); len(lines) != 3*configuration.Kept {
		t.Errorf("%d lines, want one for each read", len(lines))
	}
}

// A configuration whose read began before the process was frozen is as old as
// the read.
func TestTheAgeBeginsBeforeTheRead(t *testing.T) {
	fake.EachClock(t, func(t *testing.T, clock *fake.Clock) {
		w := newWorld(t, clock)
		w.append(1, named(t, "a"))
		w.reader.set(func(context.Context) error {
			w.pass(time.Hour) // Lambda freezes the process
			return nil
		})
		w.get()
		w.reader.set(nil)
		w.append(1, named(t, "b"))
		if got := w.get(); got != "2/b" {
			t.Errorf("the next request: got %q, want 2/b", got)
		}
	})
}

// The same pointer means the same configuration, and callers keep what they
// made of it.
func TestThePointerChangesWithTheVersion(t *testing.T) {
	w := newWorld(t, fake.NewClock())
	get := func() *configuration.Configuration {
		c, err := w.current.Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	w.append(1, named(t, "a"))
	first := get()
	w.pass(time.Minute)
	if get() != first {
		t.Error("the pointer has changed without a new version")
	}
	w.append(1, named(t, "b"))
	w.pass(time.Minute)
	if second := get(); second == first || first.SupportContact != "mailto:a@example.com" || first.Version != 1 {
		t.Errorf("a new version: the former one is %+v", first)
	}
}
