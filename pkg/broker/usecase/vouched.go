package usecase

import (
	"context"
	"errors"
	"fmt"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// registerVouched registers a client of its own, with a token to manage it,
// for the bearer of an initial access token. No app client is made, but the
// token's use is an effect that may have to be given back: a record of kind
// KindRegistering is written before and removed after.
func (s *Service) registerVouched(ctx context.Context, profile *policy.Profile, v voucher, m dcr.ClientMetadata) (*dcr.ClientInformation, error) {
	r := newRegistration(profile, clientIDPrefix+credential.NewID(), m, s.now())
	r.InitialAccessToken = v.id
	a := &broker.AppClient{
		Key:                registeringKey(r.ClientID),
		Kind:               broker.KindRegistering,
		State:              broker.AppClientCreating,
		Profile:            r.Profile,
		InitialAccessToken: v.use,
		ClientID:           r.ClientID,
		Generation:         r.Generation,
		CreatedAt:          r.IssuedAt,
		Due:                r.IssuedAt.Add(broker.Grace),
	}
	if err := s.store.CreateAppClient(ctx, a); err != nil {
		return nil, unavailable(fmt.Errorf("record registration in the making: %w", err))
	}
	hour := creations(profile, v, m, r.IssuedAt)
	err := s.takeHour(ctx, hour, a.Key, a.CreatedAt)
	if err == nil {
		err = s.takeUse(ctx, a, v)
	}
	if err != nil {
		s.discard(ctx, a, hour)
		return nil, err
	}

	tok := credential.NewRegistrationAccessToken()
	r.AccessTokens = broker.AccessTokens{Current: tok.Hash()}
	var secret credential.Token
	if !public(m) {
		secret = credential.NewClientSecret()
		r.SecretHash = secret.Hash()
	}
	if err := broker.RecordRegistration(ctx, s.store, r); err != nil {
		s.unregister(ctx, a, hour)
		return nil, unavailable(fmt.Errorf("record registration: %w", err))
	}
	// Had it taken so long that Sweep may have been there before the
	// registration was, the use may have been given back.
	if s.now().Sub(a.CreatedAt) >= broker.Grace/2 {
		s.unregister(ctx, a, hour)
		return nil, unavailable(errors.New("the registration took too long"))
	}
	s.left(ctx, a, s.store.DeleteAppClient(ctx, a.Key, a.Version))
	s.audit.Created(ctx, v.actor(), nil, r)
	info := s.information(r, tok.Reveal())
	info.ClientSecret = secret.Reveal()
	return info, nil
}

func registeringKey(clientID string) string { return "registering/" + clientID }

// unregister undoes a registration that may have been recorded. The mark comes
// first: without it Sweep would take the registration for complete.
func (s *Service) unregister(ctx context.Context, a *broker.AppClient, hour hourly) {
	ctx, cancel := broker.CleanupContext(ctx)
	defer cancel()
	err := s.giveBackHour(ctx, hour, a.Key)
	// If Sweep was there already, it may have been before the registration.
	overtaken := func(err error) bool { return errors.Is(err, broker.ErrNotFound) || errors.Is(err, broker.ErrConflict) }
	if markErr := broker.MarkForRemoval(ctx, s.store, a, s.now()); markErr != nil && !overtaken(markErr) {
		s.left(ctx, a, errors.Join(err, markErr))
		return
	}
	s.left(ctx, a, errors.Join(err, s.finishUnregistering(ctx, a)))
}

// finishUnregistering does what is left to do for a registration in the making
// that is marked for removal.
func (s *Service) finishUnregistering(ctx context.Context, a *broker.AppClient) error {
	if err := s.store.DeleteRegistration(ctx, a.ClientID, a.Generation); err != nil {
		return fmt.Errorf("delete registration %s: %w", a.ClientID, err)
	}
	if err := s.giveBackUse(ctx, a); err != nil {
		return err
	}
	if err := s.store.DeleteAppClient(ctx, a.Key, a.Version); err != nil {
		return fmt.Errorf("delete record %s: %w", a.Key, err)
	}
	return nil
}

// registering decides about a registration in the making that was cut short: it
// stays, and the use of the token with it, if it got as far as to be recorded.
func (s *sweep) registering(ctx context.Context, a *broker.AppClient) error {
	if a.State != broker.AppClientRemoving {
		r, err := s.store.Registration(ctx, a.ClientID)
		if err != nil && !errors.Is(err, broker.ErrNotFound) {
			return err
		}
		if err == nil && r.Generation == a.Generation {
			if err := s.store.DeleteAppClient(ctx, a.Key, a.Version); err != nil {
				return err
			}
			s.audit.Created(ctx, broker.ByJanitor, nil, r)
			s.done.Completed++
			return nil
		}
		if err := broker.MarkForRemoval(ctx, s.store, a, s.now()); err != nil {
			return err
		}
	}
	if err := s.finishUnregistering(ctx, a); err != nil {
		return err
	}
	s.done.Removed++
	return nil
}
