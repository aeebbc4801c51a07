package cognito

import (
	"context"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

const (
	// callsPerSecond stays below the 5 that Cognito allows each operation on a
	// pool, since its seconds are not ours.
	callsPerSecond = 4
	// maxAdmissionWait is how long a call waits for its turn.
	maxAdmissionWait = 2 * time.Second
)

// Slots admits calls to Cognito in all processes of the deployment together.
// A broker.Store has this method.
type Slots interface {
	// TakeSlot reports whether a call may be made in the second that at lies
	// in: at most limit of all that ask with the same key are admitted.
	TakeSlot(ctx context.Context, key string, at time.Time, limit int) (bool, error)
}

// admit returns when the operation may be called. Its error is always a
// *broker.NotAppliedError that tells the client to come back.
func (c *AppClients) admit(ctx context.Context, op operation) error {
	key := "cognito/" + c.pool + "/" + op.name
	until := c.now().Add(maxAdmissionWait)
	for {
		at := c.now()
		ok, err := c.slots.TakeSlot(ctx, key, at, callsPerSecond)
		if err != nil {
			return op.refused(busy(2*time.Second), fmt.Errorf("admission: %w", err))
		}
		if ok {
			return nil
		}
		if nextSecond(at).After(until) {
			telemetry.Count(ctx, telemetry.CognitoThrottles, 1)
			return op.refused(busy(2*time.Second), fmt.Errorf("admission: %w in %s", broker.ErrNoSlot, maxAdmissionWait))
		}
		telemetry.Count(ctx, telemetry.CognitoHeldBack, 1)
		if err := c.sleep(ctx, nextSecond(at).Sub(at)); err != nil {
			return op.refused(busy(2*time.Second), fmt.Errorf("admission: %w", err))
		}
	}
}

// refused is an effect that was not applied, with what the client is told and
// what is for the log.
func (op operation) refused(told *dcr.Error, cause error) error {
	return &broker.NotAppliedError{Err: op.failed(told, cause)}
}

// failed joins what the client is told and what is for the log. The text of
// the whole is for the log.
func (op operation) failed(told *dcr.Error, cause error) error {
	return fmt.Errorf("cognito: %s: %w: %w", op.doing, told, cause)
}

func nextSecond(t time.Time) time.Time { return t.Truncate(time.Second).Add(time.Second) }

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
