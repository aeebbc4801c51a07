package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// Disable refuses the client tokens until it is enabled again, and ends what was
// granted. In direct mode it keeps its app client: what Cognito has issued stays
// valid as long as it lasts. A client that is gone is a *broker.StateError.
func (o *Operator) Disable(ctx context.Context, clientID, by string) (*broker.Registration, error) {
	return o.switchOff(ctx, clientID, telemetry.RegistrationDisabled, by, broker.RegistrationDisabled)
}

// Delete removes the client for good: its id stays refused. Its grants end, and
// its app client is removed, if it is not shared.
func (o *Operator) Delete(ctx context.Context, clientID, by string) (*broker.Registration, error) {
	return o.switchOff(ctx, clientID, telemetry.RegistrationDeleted, by, broker.RegistrationDeleted)
}

// switchOff puts a client into the state disabled or deleted. From the write of
// the registration on, under a new generation, the client is refused. What serves
// it alone is marked before that write, since it is found by the generation. If
// the operator's process stops after the mark, the app client is made again.
func (o *Operator) switchOff(ctx context.Context, clientID string, event telemetry.Event, by string, state broker.RegistrationState) (*broker.Registration, error) {
	for range broker.Attempts {
		r, err := o.registration(ctx, clientID)
		if err != nil {
			return nil, err
		}
		if r.State == state {
			return r, o.endFormerGrants(ctx, r, by)
		}
		if state == broker.RegistrationDisabled && r.State != broker.RegistrationActive && r.State != broker.RegistrationPending {
			return nil, &broker.StateError{ClientID: clientID, State: r.State}
		}
		before := r.Clone()
		err = o.renew(ctx, r, state)
		if err == nil {
			o.trail.End(ctx, event, broker.ByOperator(by), before, r.State)
			return r, o.endFormerGrants(ctx, r, by)
		}
		if !errors.Is(err, broker.ErrConflict) {
			return nil, fmt.Errorf("client %s: %w", clientID, err)
		}
	}
	return nil, fmt.Errorf("client %s: %w", clientID, broker.ErrConflict)
}

// renew stores r in that state under a new generation.
func (o *Operator) renew(ctx context.Context, r *broker.Registration, state broker.RegistrationState) error {
	if err := o.c.Modes.Of(r.Mode).SwitchOff(ctx, r, state); err != nil {
		return err
	}
	r.State, r.ExpiresAt = state, time.Time{}
	r.Stale, r.Due = r.Mode == broker.ModeBrokered, broker.Seconds(o.c.Now())
	if state == broker.RegistrationDeleted {
		r.AccessTokens, r.SecretHash, r.AppClient = broker.AccessTokens{}, credential.Hash{}, ""
	}
	generation := credential.NewID()
	err := o.c.Store.RenewRegistration(ctx, r, generation)
	if err == nil || errors.Is(err, broker.ErrConflict) || errors.Is(err, broker.ErrNotFound) {
		return err
	}
	again, cancel := broker.CleanupContext(ctx)
	defer cancel()
	if stored, readErr := o.c.Store.Registration(again, r.ClientID); readErr == nil && stored.Generation == generation {
		*r = *stored
		return nil
	}
	return err
}

// endFormerGrants ends the grants of the former generations of r at once, if this
// process can.
func (o *Operator) endFormerGrants(ctx context.Context, r *broker.Registration, by string) error {
	if !r.Stale {
		return nil
	}
	n, err := o.c.Grants.EndOfClient(ctx, r.ClientID, r.Generation)
	o.trail.Grants(ctx, broker.ByOperator(by), r.ClientID, "", n)
	if errors.Is(err, broker.ErrNoGrants) {
		return broker.ErrLeftToSweep
	}
	if err != nil {
		return fmt.Errorf("end grants of %s: %w: %w", r.ClientID, broker.ErrLeftToSweep, err)
	}
	r.Stale = false
	if err := o.c.Store.ReplaceRegistration(ctx, r); err != nil && !errors.Is(err, broker.ErrConflict) {
		return fmt.Errorf("client %s: %w: %w", r.ClientID, broker.ErrLeftToSweep, err)
	}
	return nil
}
