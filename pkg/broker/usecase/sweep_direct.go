package usecase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// direct decides about an app client of direct mode.
func (s *sweep) direct(ctx context.Context, a *broker.AppClient) error {
	switch a.State {
	case broker.AppClientCreating:
		return s.creating(ctx, a)
	case broker.AppClientUpdating:
		return s.updating(ctx, a)
	case broker.AppClientRemoving:
		return s.removing(ctx, a)
	case broker.AppClientAdopting:
		return s.adopting(ctx, a)
	}
	return fmt.Errorf("app client %s is due in state %q", a.Key, a.State)
}

// creating decides about an app client that may exist: it stays if a
// registration got as far as to use it. Otherwise nobody was told of it.
func (s *sweep) creating(ctx context.Context, a *broker.AppClient) error {
	ids, err := s.atCognito(ctx, a.Marker)
	if err != nil {
		return err
	}
	for _, id := range ids {
		r, err := s.store.Registration(ctx, id)
		if errors.Is(err, broker.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if r.AppClient == a.Key && r.State != broker.RegistrationDeleting {
			a.CognitoID, a.State, a.InitialAccessToken, a.Due = id, broker.AppClientReady, "", time.Time{}
			if err := s.store.ReplaceAppClient(ctx, a); err != nil {
				return err
			}
			s.audit.AppClient(ctx, telemetry.AppClientCreated, broker.ByJanitor, a, id)
			s.audit.Created(ctx, broker.ByJanitor, nil, r)
			s.done.Completed++
			return nil
		}
	}
	if len(ids) == 1 {
		a.CognitoID = ids[0] // to find its registration by when it is gone
	}
	// The mark comes first: whoever still is at work on it finds out.
	if err := broker.MarkForRemoval(ctx, s.store, a, s.now()); err != nil {
		return err
	}
	return s.removing(ctx, a)
}

func (s *sweep) removing(ctx context.Context, a *broker.AppClient) error {
	ids := []string{a.CognitoID}
	if a.CognitoID == "" {
		var err error
		if ids, err = s.atCognito(ctx, a.Marker); err != nil {
			return err
		}
	}
	if err := s.finishRemoval(ctx, broker.ByJanitor, a, ids...); err != nil {
		return err
	}
	s.done.Removed++
	return nil
}

// updating gives the app client what its registration says, which is what the
// client was last told.
func (s *sweep) updating(ctx context.Context, a *broker.AppClient) error {
	if err := s.lease(ctx, a); err != nil {
		return err
	}
	r, err := s.store.Registration(ctx, a.CognitoID)
	if errors.Is(err, broker.ErrNotFound) {
		if err := broker.MarkForRemoval(ctx, s.store, a, s.now()); err != nil {
			return err
		}
		return s.removing(ctx, a)
	}
	if err != nil {
		return err
	}
	if err := s.apps.Update(ctx, a.CognitoID, a.Marker, r.Metadata, nil); err != nil && !errors.Is(err, broker.ErrNotFound) {
		return err
	}
	a.State, a.Due = broker.AppClientReady, time.Time{}
	if err := s.store.ReplaceAppClient(ctx, a); err != nil {
		return err
	}
	s.audit.AppClient(ctx, telemetry.AppClientUpdated, broker.ByJanitor, a, a.CognitoID)
	s.done.Restored++
	return nil
}
