package configure_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configure"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// change is an Apply or a Rollback after versions 1 (a) and 2 (b), by jane. Both
// store the document of the newest version in documents.
type change struct {
	do        func(w *world) (configure.Result, error)
	event     string
	documents []string
}

var changes = map[string]change{
	"Apply": {
		func(w *world) (configure.Result, error) { return w.Apply(w.t.Context(), document(w.t, "c"), "jane", 2) },
		"configuration.applied by operator jane, 2 to 3, restores 0", []string{"c", "b", "a"},
	},
	"Rollback": {
		func(w *world) (configure.Result, error) { return w.Rollback(w.t.Context(), 1, "jane", 2) },
		"configuration.rolled_back by operator jane, 2 to 3, restores 1", []string{"a", "b", "a"},
	},
}

// Whichever request to the table fails, before its effect or after it, the
// change is done or not, an error is never returned for one that is known to be
// done, and repeating it ends with one new version.
func TestChangesWhateverFails(t *testing.T) {
	for name, c := range changes {
		for _, point := range []fake.Point{fake.NotApplied, fake.ReplyLost} {
			for _, method := range []string{"Versions", "Body", "Append"} {
				for n := 1; ; n++ {
					w := newWorld(t)
					w.mustApply("a", 0)
					w.mustApply("b", 1)
					w.events()
					w.store.Reset()
					w.store.FailCall(method, n, point)
					res, err := c.do(w)
					what := fmt.Sprintf("%s, %s %d %s: %+v, %v", name, method, n, point, res, err)
					w.store.Reset()
					versions, readErr := w.inner.Versions(t.Context())
					if readErr != nil {
						t.Fatal(readErr)
					}
					isStored := len(versions) == 3
					switch {
					case isStored && err == nil:
						if res.Unchanged || res.Version != versions[0] {
							t.Errorf("%s: want %+v", what, versions[0])
						}
						w.wantEvents(what, c.event)
					case isStored:
						t.Errorf("%s: the version is stored", what)
					case err == nil || errors.Is(err, configuration.ErrChanged):
						t.Errorf("%s: the version is not stored, and nobody else has stored one", what)
					default:
						w.wantEvents(what)
						w.wantVersions(what, "b", "a")
					}
					res, err = c.do(w)
					if err != nil || res.Unchanged != isStored {
						t.Errorf("%s: again: %+v, %v, want it unchanged: %t", what, res, err, isStored)
					}
					w.wantVersions(what, c.documents...)
					if w.calls(method, c) < n {
						break
					}
				}
			}
		}
	}
}

// calls returns how often a change without faults calls a method of the store.
func (w *world) calls(method string, c change) int {
	fresh := newWorld(w.t)
	fresh.mustApply("a", 0)
	fresh.mustApply("b", 1)
	fresh.store.Reset()
	if _, err := c.do(fresh); err != nil {
		w.t.Fatal(err)
	}
	return fresh.store.Calls(method)
}

// The reply to the Append is lost, and the versions cannot be read again: the
// error says so, and the next call finds the version.
func TestTheOutcomeStaysUnknown(t *testing.T) {
	for name, c := range changes {
		w := newWorld(t)
		w.mustApply("a", 0)
		w.mustApply("b", 1)
		w.events()
		w.store.Reset()
		w.store.FailCall("Append", 3, fake.ReplyLost) // the head
		w.store.FailCall("Versions", 2, fake.NotApplied)
		if res, err := c.do(w); !errors.Is(err, fake.ErrInjected) || errors.Is(err, configuration.ErrChanged) {
			t.Errorf("%s = %+v, %v, want %v", name, res, err, fake.ErrInjected)
		}
		w.wantEvents("the outcome is unknown")
		w.store.Reset()
		if res, err := c.do(w); err != nil || !res.Unchanged || res.Version.Number != 3 {
			t.Errorf("%s again = %+v, %v, want version 3 unchanged", name, res, err)
		}
	}
}

// The context of the caller ends with the lost reply. The version is found
// nevertheless.
func TestTheCallerGivesUp(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	calls := 0
	w.store.Around("Append", func(do func() error) error {
		err := do()
		if calls++; calls == 3 { // the head
			cancel()
			return context.Canceled
		}
		return err
	})
	if res, err := w.Apply(ctx, document(t, "a"), "ops", 0); err != nil || res.Version.Number != 1 {
		t.Errorf("Apply = %+v, %v, want version 1", res, err)
	}
	w.wantVersions("at the end", "a")
}

// Another operator stores a version between the read of the versions and the
// Append. That one wins, also with the same document.
func TestTwoChangesAtOnce(t *testing.T) {
	for name, c := range changes {
		for _, other := range []string{"x", c.documents[0]} {
			w := newWorld(t)
			w.mustApply("a", 0)
			w.mustApply("b", 1)
			second := w.writer(deployment, w.inner)
			w.store.Reset()
			w.store.Around("Versions", func(do func() error) error {
				err := do()
				if _, applyErr := second.Apply(t.Context(), document(t, other), "joe", 2); applyErr != nil {
					t.Error(applyErr)
				}
				return err
			})
			w.events()
			if res, err := c.do(w); !errors.Is(err, configuration.ErrChanged) {
				t.Errorf("%s = %+v, %v, want %v", name, res, err, configuration.ErrChanged)
			}
			w.wantEvents("the other one's only", "configuration.applied by operator joe, 2 to 3, restores 0")
			w.wantVersions(name, other, "b", "a")
		}
	}
}

func TestManyAppliesAtOnce(t *testing.T) {
	const operators = 10
	w := newWorld(t)
	errs := make([]error, operators)
	var all sync.WaitGroup
	for i := range operators {
		body := document(t, fmt.Sprint("n", i))
		all.Go(func() { _, errs[i] = w.Apply(t.Context(), body, fmt.Sprint(i), 0) })
	}
	all.Wait()
	winner := slices.Index(errs, nil)
	for i, err := range errs {
		if i != winner && !errors.Is(err, configuration.ErrChanged) {
			t.Errorf("operator %d: got error %v, want %v", i, err, configuration.ErrChanged)
		}
	}
	if winner < 0 {
		t.Fatal("no Apply has succeeded")
	}
	w.wantVersions("at the end", fmt.Sprint("n", winner))
}
