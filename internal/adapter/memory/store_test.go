package memory_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/contract"
)

func open(_ *testing.T, now func() time.Time) broker.Store { return memory.NewStore(now) }

func TestStore(t *testing.T) { contract.TestStore(t, open) }

func TestGrantStore(t *testing.T) {
	contract.TestGrantStore(t, func(_ *testing.T, now func() time.Time) broker.GrantStore { return memory.NewStore(now) })
}

// twice sends each write twice and returns the second reply, as after a lost
// reply.
type twice struct{ records.Table }

func (t twice) Write(ctx context.Context, op string, w records.Write) (records.Outcome, error) {
	if _, err := t.Table.Write(ctx, op, w); err != nil {
		return records.Outcome{}, err
	}
	return t.Table.Write(ctx, op, w)
}

func openTwice(_ *testing.T, now func() time.Time) *records.Store {
	return records.New(twice{memory.NewTable(now)}, now)
}

func TestStore_with_each_write_sent_twice(t *testing.T) {
	contract.TestStore(t, func(t *testing.T, now func() time.Time) broker.Store { return openTwice(t, now) })
	contract.TestGrantStore(t, func(t *testing.T, now func() time.Time) broker.GrantStore { return openTwice(t, now) })
}

func TestCounters(t *testing.T) { contract.TestCounters(t, open) }

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
