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

// registration looks at a registration whose time has come.
func (s *sweep) registration(ctx context.Context, clientID string) error {
	r, err := s.store.Registration(ctx, clientID)
	if errors.Is(err, broker.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	now := s.now()
	if r.Due.IsZero() || r.Due.After(now) {
		return nil // somebody was faster
	}
	profile, _ := s.policy.Profile(r.Profile)
	if r.State == broker.RegistrationRemoved {
		return s.goOnExpiring(ctx, r)
	}
	if r.Stale {
		if !s.step(SweepStep{Action: SweepEndGrants, ClientID: clientID}) {
			return nil
		}
		if err := s.endGrants(ctx, r.ClientID, r.Generation); err != nil {
			return err
		}
		r.Stale = false
	}
	r.Due = time.Time{}
	if r.State == broker.RegistrationActive || r.State == broker.RegistrationPending {
		if end := policy.EndOfLife(r, profile); !end.IsZero() && !end.After(now) {
			return s.expire(ctx, r)
		}
		r.Due = policy.NextReview(r, profile, now)
	}
	if s.DryRun {
		return nil
	}
	err = s.store.ReplaceRegistration(ctx, r)
	if errors.Is(err, broker.ErrConflict) || errors.Is(err, broker.ErrNotFound) {
		return nil // it has changed, and is still due
	}
	return err
}

// endGrants ends the grants of a client but those of the generation keep. It goes
// on at the next sweep if there are too many.
func (s *sweep) endGrants(ctx context.Context, clientID, keep string) error {
	if s.grants == nil {
		return nil // of the other mode, where nobody can use them
	}
	if !s.end.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, s.end)
		defer cancel()
	}
	n, err := s.grants.EndOfClient(ctx, clientID, keep)
	s.audit.Grants(ctx, broker.ByJanitor, clientID, "", n)
	s.done.EndedGrants += n
	if err != nil {
		return fmt.Errorf("end grants of %s: %w", clientID, err)
	}
	return nil
}

// expire ends the life of r. The tombstone comes first: from there on the client
// is refused, and Due says until all is done that it is not. A client that was
// used since r was read stays.
func (s *sweep) expire(ctx context.Context, r *broker.Registration) error {
	if !s.step(SweepStep{Action: SweepExpire, ClientID: r.ClientID, Key: r.AppClient}) {
		s.done.Expired++
		return nil
	}
	before := r.Clone()
	entomb(r, s.now())
	err := s.store.RetireRegistration(ctx, r)
	if errors.Is(err, broker.ErrConflict) || errors.Is(err, broker.ErrNotFound) {
		return nil // it is looked at again
	}
	if err != nil {
		return fmt.Errorf("retire registration %s: %w", r.ClientID, err)
	}
	s.audit.End(ctx, telemetry.RegistrationRemoved, broker.ByJanitor, before, r.State)
	s.done.Expired++
	return s.finishExpiring(ctx, r)
}

// entomb makes r the record of a client that was removed.
func entomb(r *broker.Registration, now time.Time) {
	r.State, r.Due, r.ExpiresAt = broker.RegistrationRemoved, broker.Seconds(now), time.Time{}
	r.AccessTokens, r.SecretHash = broker.AccessTokens{}, credential.Hash{}
}

// goOnExpiring is for a registration whose removal was cut short.
func (s *sweep) goOnExpiring(ctx context.Context, r *broker.Registration) error {
	if !s.step(SweepStep{Action: SweepExpire, ClientID: r.ClientID, Key: r.AppClient}) {
		return nil
	}
	return s.finishExpiring(ctx, r)
}

// finishExpiring does what is left to do for a tombstone: the grants, then the
// app client, and when all of it is gone the end of the tombstone itself.
func (s *sweep) finishExpiring(ctx context.Context, r *broker.Registration) error {
	if r.Mode == broker.ModeBrokered {
		keep, err := s.revivedAs(ctx, r)
		if err != nil {
			return err
		}
		if err := s.endGrants(ctx, r.ClientID, keep); err != nil {
			return err
		}
	}
	if err := s.dropAppClient(ctx, r); err != nil {
		return err
	}
	r.Due, r.Stale, r.AppClient = time.Time{}, false, ""
	r.ExpiresAt = broker.Seconds(s.now()).Add(policy.TombstoneTime)
	err := s.store.ReplaceRegistration(ctx, r)
	if errors.Is(err, broker.ErrConflict) || errors.Is(err, broker.ErrNotFound) {
		return nil // another sweep did it, or the client has registered again
	}
	return err
}

// revivedAs returns the generation under which the client of a tombstone has
// registered again since the tombstone was read, or empty if it has not. The
// grants of that one are not the tombstone's.
func (s *sweep) revivedAs(ctx context.Context, r *broker.Registration) (string, error) {
	stored, err := s.store.Registration(ctx, r.ClientID)
	if errors.Is(err, broker.ErrNotFound) || err == nil && stored.Generation == r.Generation {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read registration %s: %w", r.ClientID, err)
	}
	return stored.Generation, nil
}

// dropAppClient removes the app client that served r alone. One that is being
// made at this moment is marked, and found by its own due time.
func (s *sweep) dropAppClient(ctx context.Context, r *broker.Registration) error {
	key := r.AppClient
	if r.Mode == broker.ModeBrokered {
		key = broker.DedicatedAppClientKey(r.ClientID, r.Generation)
		if err := s.unmake(ctx, key); err != nil {
			return err
		}
	}
	a, err := s.store.AppClient(ctx, key)
	if errors.Is(err, broker.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read app client %s: %w", key, err)
	}
	if r.Mode == broker.ModeBrokered {
		if a.Due.After(s.now()) {
			return nil
		}
		return s.brokered(ctx, a)
	}
	if err := broker.MarkForRemoval(ctx, s.store, a, s.now()); err != nil {
		return err
	}
	return s.removing(ctx, a)
}
