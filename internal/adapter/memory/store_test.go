package memory_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/contract"
)

func open(_ *testing.T, now func() time.Time) broker.Store { return memory.NewStore(now) }

func TestStore(t *testing.T) { contract.TestStore(t, open) }

func TestGrantStore(t *testing.T) {
	contract.TestGrantStore(t, func(_ *testing.T, now func() time.Time) broker.GrantStore { return memory.NewStore(now) })
}

func TestCounts(t *testing.T) { contract.TestCounts(t, open) }

func TestStore_does_nothing_once_the_context_is_done(t *testing.T) {
	s := memory.NewStore(nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := &broker.AppClient{Key: "a"}
	if err := s.CreateAppClient(ctx, a); !errors.Is(err, context.Canceled) {
		t.Errorf("CreateAppClient: got error %v, want %v", err, context.Canceled)
	}
	if _, err := s.AppClient(t.Context(), a.Key); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("AppClient: got error %v, want %v", err, broker.ErrNotFound)
	}
	for _, err := range s.Due(ctx, time.Now(), "") {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Due: got error %v, want %v", err, context.Canceled)
		}
	}
}
