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

// Disable refuses tokens to the client until it is enabled again, and ends its
// grants. In direct mode the client keeps its app client, and tokens from
// Cognito stay valid until they expire. A client that is deleted or removed is
// a *broker.StateError.
func (o *Operator) Disable(ctx context.Context, clientID, by string) (*broker.Registration, error) {
	return o.switchOff(ctx, clientID, telemetry.RegistrationDisabled, by, broker.RegistrationDisabled)
}

// Delete removes the client permanently: its id stays refused. Its grants end,
// and its app client is removed unless other clients share it.
func (o *Operator) Delete(ctx context.Context, clientID, by string) (*broker.Registration, error) {
	return o.switchOff(ctx, clientID, telemetry.RegistrationDeleted, by, broker.RegistrationDeleted)
}

// switchOff puts a client into the state disabled or deleted. The registration
// gets a new generation, and from this write on the client is refused. The app
// client that serves only this client is marked before the write, because it is
// found by the generation. If the operator's process stops after the mark, the
// app client is created again. It is marked a second time after the write,
// because it may have been removed and created again while the operator's
// process stood still between the two.
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
			broker.LogUnfinished(ctx, o.c.Log, clientID, o.c.Modes.Of(r.Mode).SwitchOff(ctx, before, state))
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
	r.Due = broker.Seconds(o.c.Now())
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

// endFormerGrants ends the grants of the former generations of r immediately,
// if this process can.
func (o *Operator) endFormerGrants(ctx context.Context, r *broker.Registration, by string) error {
	if !r.Stale {
		return nil
	}
	n, err := o.c.Grants.EndOfClient(ctx, r.ClientID, broker.OverGenerations(o.c.Store, r.ClientID))
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
