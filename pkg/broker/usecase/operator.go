package usecase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// What operators do. Each call can be repeated, whatever became of the one
// before, and does what is left to do. by says who the operator is.

// ErrLeftToSweep means that what was asked for is done, and holds, and that the
// next Sweep does what follows from it and could not be done now.
var ErrLeftToSweep = errors.New("the rest is left to the next sweep")

// A StateError says that a client is not in a state in which that can be done.
type StateError struct {
	ClientID string
	State    broker.RegistrationState
}

func (e *StateError) Error() string {
	return fmt.Sprintf("client %s is %s", e.ClientID, e.State)
}

// Approve lets a client be used that waits for it. One that is active already is
// no error; one of another state is a *StateError.
func (s *Service) Approve(ctx context.Context, clientID, by string) (*broker.Registration, error) {
	return s.decide(ctx, clientID, telemetry.RegistrationApproved, by, func(r *broker.Registration) error {
		if r.State != broker.RegistrationPending {
			return s.unless(r, broker.RegistrationActive)
		}
		return s.activate(ctx, r)
	})
}

// Enable lets a client be used that was disabled. What was granted before stays
// ended. One that is active already is no error; one of another state, or of
// direct mode whose app client is gone, is a *StateError.
func (s *Service) Enable(ctx context.Context, clientID, by string) (*broker.Registration, error) {
	return s.decide(ctx, clientID, telemetry.RegistrationEnabled, by, func(r *broker.Registration) error {
		if r.State != broker.RegistrationDisabled {
			return s.unless(r, broker.RegistrationActive)
		}
		if err := s.stillServed(ctx, r); err != nil {
			return err
		}
		return s.activate(ctx, r)
	})
}

// stillServed returns a *StateError if r is of direct mode and its app client,
// whose id it has, is gone or going: Cognito makes none under that id again.
func (s *Service) stillServed(ctx context.Context, r *broker.Registration) error {
	if r.Mode != broker.ModeDirect {
		return nil
	}
	a, err := s.store.AppClient(ctx, r.AppClient)
	if errors.Is(err, broker.ErrNotFound) || err == nil && a.State == broker.AppClientRemoving {
		return fmt.Errorf("its app client is gone: %w", &StateError{ClientID: r.ClientID, State: r.State})
	}
	if err != nil {
		return fmt.Errorf("read app client %s: %w", r.AppClient, err)
	}
	return nil
}

// Disable sees to it that the client gets no tokens until it is enabled again,
// and ends what was granted. In direct mode it keeps its app client: what Cognito
// has issued stays good as long as it lasts. A client that is gone is a
// *StateError.
func (s *Service) Disable(ctx context.Context, clientID, by string) (*broker.Registration, error) {
	return s.switchOff(ctx, clientID, telemetry.RegistrationDisabled, by, broker.RegistrationDisabled)
}

// DeleteClient removes the client for good: its id stays refused. Its grants end,
// and its app client goes, if it is not shared.
func (s *Service) DeleteClient(ctx context.Context, clientID, by string) (*broker.Registration, error) {
	return s.switchOff(ctx, clientID, telemetry.RegistrationDeleted, by, broker.RegistrationDeleted)
}

// errUnchanged means that there is nothing to do.
var errUnchanged = errors.New("unchanged")

// unless is for a client that is not in the state in which it would be changed.
func (s *Service) unless(r *broker.Registration, done broker.RegistrationState) error {
	if r.State == done {
		return errUnchanged
	}
	return &StateError{ClientID: r.ClientID, State: r.State}
}

// decide reads a registration and replaces it by what f makes of it, again if
// somebody else changes it meanwhile.
func (s *Service) decide(ctx context.Context, clientID string, event telemetry.Event, by string, f func(*broker.Registration) error) (*broker.Registration, error) {
	for range broker.Attempts {
		r, err := s.registrationOf(ctx, clientID)
		if err != nil {
			return nil, err
		}
		before := r.Clone()
		err = f(r)
		if errors.Is(err, errUnchanged) {
			return r, nil
		}
		if err == nil {
			err = broker.ReplaceRegistration(ctx, s.store, r)
		}
		if err == nil {
			s.audit.Change(ctx, event, broker.ByOperator(by), before, r)
			return r, nil
		}
		if !errors.Is(err, broker.ErrConflict) {
			return nil, fmt.Errorf("client %s: %w", clientID, err)
		}
	}
	return nil, fmt.Errorf("client %s: %w", clientID, broker.ErrConflict)
}

// registrationOf returns a registration in whatever state.
func (s *Service) registrationOf(ctx context.Context, clientID string) (*broker.Registration, error) {
	r, err := s.Registration(ctx, clientID)
	if err != nil {
		return nil, fmt.Errorf("client %s: %w", clientID, err)
	}
	return r, nil
}

// activate makes r active, with a life as if it had just been used.
func (s *Service) activate(ctx context.Context, r *broker.Registration) error {
	pol, err := s.policy(ctx)
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	profile, _ := pol.Profile(r.Profile)
	now := broker.Seconds(s.now())
	r.State = broker.RegistrationActive
	if !r.ExpiresAt.IsZero() && profile != nil {
		// Nobody has used it yet, so it still is unconfirmed, for as long again.
		r.ExpiresAt = policy.UnconfirmedUntil(profile, now)
	}
	if r.ExpiresAt.IsZero() {
		r.ActiveSince = now
		if !r.Stale {
			r.Due = policy.NextReview(r, profile, now)
		}
	}
	return nil
}

// switchOff puts a client into the state disabled or deleted. From the write of
// the registration on, under a new generation, the client is refused. What serves
// it alone is marked before, since it is found by the generation; were nobody to
// get any further, it would be made again.
func (s *Service) switchOff(ctx context.Context, clientID string, event telemetry.Event, by string, state broker.RegistrationState) (*broker.Registration, error) {
	for range broker.Attempts {
		r, err := s.registrationOf(ctx, clientID)
		if err != nil {
			return nil, err
		}
		if r.State == state {
			return r, s.followUp(ctx, r, by)
		}
		if state == broker.RegistrationDisabled && r.State != broker.RegistrationActive && r.State != broker.RegistrationPending {
			return nil, &StateError{ClientID: clientID, State: r.State}
		}
		before := r.Clone()
		err = s.switchedOff(ctx, r, state)
		if err == nil {
			s.audit.End(ctx, event, broker.ByOperator(by), before, r.State)
			return r, s.followUp(ctx, r, by)
		}
		if !errors.Is(err, broker.ErrConflict) {
			return nil, fmt.Errorf("client %s: %w", clientID, err)
		}
	}
	return nil, fmt.Errorf("client %s: %w", clientID, broker.ErrConflict)
}

func (s *Service) switchedOff(ctx context.Context, r *broker.Registration, state broker.RegistrationState) error {
	if r.Mode == broker.ModeBrokered {
		if err := s.keepUse(ctx, r); err != nil {
			return err
		}
		if err := s.unmake(ctx, broker.DedicatedAppClientKey(r.ClientID, r.Generation)); err != nil {
			return err
		}
	} else if state == broker.RegistrationDeleted && r.AppClient != "" {
		if err := s.unmake(ctx, r.AppClient); err != nil {
			return err
		}
	}
	r.State, r.ExpiresAt = state, time.Time{}
	r.Stale, r.Due = r.Mode == broker.ModeBrokered, broker.Seconds(s.now())
	if state == broker.RegistrationDeleted {
		r.AccessTokens, r.SecretHash, r.AppClient = broker.AccessTokens{}, credential.Hash{}, ""
	}
	generation := credential.NewID()
	err := s.store.RenewRegistration(ctx, r, generation)
	if err == nil || errors.Is(err, broker.ErrConflict) || errors.Is(err, broker.ErrNotFound) {
		return err
	}
	look, cancel := broker.CleanupContext(ctx)
	defer cancel()
	if stored, readErr := s.store.Registration(look, r.ClientID); readErr == nil && stored.Generation == generation {
		*r = *stored
		return nil
	}
	return err
}

// followUp ends the grants of the former generations of r at once, if this
// process can.
func (s *Service) followUp(ctx context.Context, r *broker.Registration, by string) error {
	if !r.Stale {
		return nil
	}
	if s.grants == nil {
		return ErrLeftToSweep
	}
	n, err := s.grants.EndOfClient(ctx, r.ClientID, r.Generation)
	s.audit.Grants(ctx, broker.ByOperator(by), r.ClientID, "", n)
	if err != nil {
		return fmt.Errorf("end grants of %s: %w: %w", r.ClientID, ErrLeftToSweep, err)
	}
	r.Stale = false
	if err := s.store.ReplaceRegistration(ctx, r); err != nil && !errors.Is(err, broker.ErrConflict) {
		return fmt.Errorf("client %s: %w: %w", r.ClientID, ErrLeftToSweep, err)
	}
	return nil
}

// EndGrantsOfClient ends all grants of a client, and returns how many it has
// ended, also with an error. The client can ask its users again.
func (s *Service) EndGrantsOfClient(ctx context.Context, clientID, by string) (int, error) {
	if s.grants == nil {
		return 0, errors.New("broker: ending grants needs Grants")
	}
	n, err := s.grants.EndOfClient(ctx, clientID, "")
	s.audit.Grants(ctx, broker.ByOperator(by), clientID, "", n)
	return n, err
}

// EndGrantsOfUser ends all grants of a user, by sub, and returns how many it has
// ended, also with an error. It reads all grants there are.
func (s *Service) EndGrantsOfUser(ctx context.Context, sub, by string) (int, error) {
	if s.grants == nil {
		return 0, errors.New("broker: ending grants needs Grants")
	}
	n, err := s.grants.EndOfUser(ctx, sub)
	s.audit.Grants(ctx, broker.ByOperator(by), "", sub, n)
	return n, err
}

// EndGrant ends one grant, or returns ErrNotFound.
func (s *Service) EndGrant(ctx context.Context, id, by string) error {
	if s.grants == nil {
		return errors.New("broker: ending grants needs Grants")
	}
	if err := s.grants.End(ctx, id); err != nil {
		return err
	}
	telemetry.Audit{Event: telemetry.GrantEnded, Actor: broker.ByOperator(by), Grant: id}.Log(ctx, s.log)
	return nil
}
