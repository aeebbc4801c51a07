package records_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// A rollout is stored beside the documents, and replaced only by a program that
// has read it.
func TestRollout(t *testing.T) {
	clock := fake.NewClock()
	c := records.New(memory.NewTable(clock.Now), clock.Now).Configuration()
	first, err := c.Rollout(t.Context())
	if err != nil || !reflect.DeepEqual(first, new(configuration.Rollout)) {
		t.Fatalf("Rollout of an empty table = %+v, %v, want the zero Rollout", first, err)
	}
	appendText(t, c, 1, "1", "ops")
	second, _ := c.Rollout(t.Context())
	first.Runs = map[string]time.Time{"a": clock.Second()}
	if err := c.ReplaceRollout(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if err := c.ReplaceRollout(t.Context(), second); !errors.Is(err, broker.ErrConflict) {
		t.Errorf("a second first rollout: %v, want %v", err, broker.ErrConflict)
	}
	old := *first
	first.Done, first.Digest, first.Runs = 7, "d", nil
	if err := c.ReplaceRollout(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if err := c.ReplaceRollout(t.Context(), &old); !errors.Is(err, broker.ErrConflict) {
		t.Errorf("an old rollout: %v, want %v", err, broker.ErrConflict)
	}
	if got, err := c.Rollout(t.Context()); err != nil || !reflect.DeepEqual(got, first) || got.Done != 7 {
		t.Errorf("Rollout = %+v, %v, want %+v", got, err, first)
	}
	if versions, err := c.Versions(t.Context()); err != nil || len(versions) != 1 {
		t.Errorf("Versions = %v, %v, want the one version", versions, err)
	}
}
