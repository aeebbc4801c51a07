package memory_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

func TestHooked_runs_the_last_hook_first(t *testing.T) {
	var got []string
	record := func(name string) memory.Hook {
		return func(_ context.Context, operation string, do func() error) error {
			got = append(got, name+" before "+operation)
			err := do()
			got = append(got, name+" after "+operation)
			return err
		}
	}
	s := memory.NewStore(nil)
	if err := s.Hooked(record("a")).Hooked(record("b")).SetSweepPlace(t.Context(), "place"); err != nil {
		t.Fatal(err)
	}
	want := []string{"b before SetSweepPlace", "a before SetSweepPlace", "a after SetSweepPlace", "b after SetSweepPlace"}
	if !slices.Equal(got, want) {
		t.Errorf("hooks: got %q, want %q", got, want)
	}
	if place, err := s.SweepPlace(t.Context()); place != "place" || err != nil {
		t.Errorf("the store without hooks: got %q and error %v, want place", place, err)
	}
}

func TestHooked_returns_no_result_and_sets_no_version_with_an_error(t *testing.T) {
	lost := errors.New("lost")
	s := memory.NewStore(nil)
	failing := s.Hooked(func(_ context.Context, _ string, do func() error) error {
		if err := do(); err != nil {
			t.Error(err)
		}
		return lost
	})
	r := &broker.Registration{ClientID: "c", Generation: "old"}
	if err := failing.CreateRegistration(t.Context(), r); !errors.Is(err, lost) || r.Version != 0 {
		t.Errorf("create: got error %v and version %d, want %v and 0", err, r.Version, lost)
	}
	r.Version = 1
	if err := failing.RenewRegistration(t.Context(), r, "new"); !errors.Is(err, lost) || r.Version != 1 || r.Generation != "old" {
		t.Errorf("renew: got error %v, version %d and generation %s, want %v, 1 and old", err, r.Version, r.Generation, lost)
	}
	if got, err := failing.Registration(t.Context(), "c"); got != nil || !errors.Is(err, lost) {
		t.Errorf("read: got %+v and error %v, want nil and %v", got, err, lost)
	}
	if got, err := s.Registration(t.Context(), "c"); err != nil || got.Version != 2 || got.Generation != "new" {
		t.Errorf("stored: got %+v and error %v, want version 2 of generation new", got, err)
	}
}
