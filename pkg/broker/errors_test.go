package broker_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

func TestNotReadyIsWrappedOnce(t *testing.T) {
	cause := errors.New("not read")
	first := broker.NotReady(cause)
	if first.Code != dcr.Unavailable || first.RetryAfter <= 0 || !first.CauseLogged || !errors.Is(first, cause) {
		t.Errorf("NotReady = %+v, want unavailable for a time, with a cause that is logged", first)
	}
	if again := broker.NotReady(fmt.Errorf("policy: %w", first)); again != first {
		t.Errorf("NotReady of a NotReady = %v, want the same", again)
	}
	if other := broker.NotReady(broker.Refuse(dcr.InvalidRequest, "no")); other.Code != dcr.Unavailable {
		t.Errorf("NotReady of another refusal = %v, want unavailable", other)
	}
}

func TestIsOnly(t *testing.T) {
	failure := errors.New("the table does not answer")
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{broker.ErrConflict, true},
		{fmt.Errorf("app client: %w", broker.ErrExists), true},
		{errors.Join(broker.ErrConflict, fmt.Errorf("again: %w", broker.ErrConflict)), true},
		{errors.Join(broker.ErrConflict, failure), false},
		{fmt.Errorf("%w: %w", failure, broker.ErrConflict), false},
		{broker.Unavailable("come back", time.Second, broker.ErrConflict), false}, // the client gets an answer, and the log the cause
		{broker.ErrNotFound, false},
		{failure, false},
		{nil, false},
	} {
		if got := broker.IsOnly(tt.err, broker.ErrConflict, broker.ErrExists); got != tt.want {
			t.Errorf("IsOnly(%v) = %t, want %t", tt.err, got, tt.want)
		}
	}
}
