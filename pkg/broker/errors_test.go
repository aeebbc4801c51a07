package broker_test

import (
	"errors"
	"fmt"
	"testing"

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
