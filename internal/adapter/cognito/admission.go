package cognito

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

const (
	// callsPerSecond is below the 5 calls that Cognito allows for each operation
	// on a pool, because Cognito's seconds begin at other times.
	callsPerSecond = 4
	// maxAdmissionWait is how long a call waits until Cognito may be called.
	maxAdmissionWait = 2 * time.Second
)

// Counters limits the calls to Cognito of all processes of the deployment
// together. A broker.Store has this method.
type Counters interface {
	// Count counts one event, as the method of broker.Budgets does: in all
	// processes together, and safe for concurrent use.
	Count(ctx context.Context, c broker.Counter) error
}

// countLifetime is how long after its second the store keeps a count.
const countLifetime = time.Minute

// admit waits until the operation may be called. Its error is always a
// *broker.NotAppliedError with a *dcr.Error that has RetryAfter.
func (c *AppClients) admit(ctx context.Context, op operation) error {
	key := "cognito/" + c.pool + "/" + op.name
	until := c.now().Add(maxAdmissionWait)
	for {
		at := c.now()
		err := c.counters.Count(ctx, broker.Counter{
			Key: fmt.Sprintf("%s#%d", key, at.Unix()), Limit: callsPerSecond, ExpiresAt: at.Add(countLifetime),
		})
		if err == nil {
			return nil
		}
		if !errors.Is(err, broker.ErrExhausted) {
			return op.refused(busy(2*time.Second), fmt.Errorf("admission: %w", err))
		}
		if nextSecond(at).After(until) {
			telemetry.Count(ctx, telemetry.CognitoThrottles, 1)
			return op.refused(busy(2*time.Second), fmt.Errorf("admission: %w in %s", broker.ErrCallLimit, maxAdmissionWait))
		}
		telemetry.Count(ctx, telemetry.CognitoHeldBack, 1)
		if err := c.sleep(ctx, nextSecond(at).Sub(at)); err != nil {
			return op.refused(busy(2*time.Second), fmt.Errorf("admission: %w", err))
		}
	}
}

// refused returns the error of an effect that was not applied, with an error
// for the client and the cause for the log.
func (op operation) refused(forClient *dcr.Error, cause error) error {
	return &broker.NotAppliedError{Err: op.failed(forClient, cause)}
}

// failed joins the error for the client and the cause. Only the log gets the
// whole text.
func (op operation) failed(forClient *dcr.Error, cause error) error {
	return fmt.Errorf("cognito: %s: %w: %w", op.doing, forClient, cause)
}

func nextSecond(t time.Time) time.Time { return t.Truncate(time.Second).Add(time.Second) }
