package usecase

import (
	"context"
	"errors"
	"fmt"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// discard undoes the record of an app client that Cognito certainly does not
// have. What fails here is left to Sweep.
func (s *Service) discard(ctx context.Context, a *broker.AppClient, hour hourly) {
	ctx, cancel := broker.CleanupContext(ctx)
	defer cancel()
	err := errors.Join(s.giveBack(ctx, a), s.giveBackHour(ctx, hour, a.Key))
	if err == nil {
		err = s.store.DeleteAppClient(ctx, a.Key, a.Version)
	}
	s.left(ctx, a, err)
}

// abandon gives up an app client of which it is not known whether Cognito has
// it. The token's use is given back at once, so that the client can try again;
// the place among the profile's app clients when Sweep knows that there is
// none.
func (s *Service) abandon(ctx context.Context, a *broker.AppClient, hour hourly) {
	ctx, cancel := broker.CleanupContext(ctx)
	defer cancel()
	a.State = broker.AppClientRemoving
	s.left(ctx, a, errors.Join(
		s.store.ReplaceAppClient(ctx, a),
		s.giveBackUse(ctx, a),
		s.giveBackHour(ctx, hour, a.Key)))
}

// undo removes an app client that exists and whose registration could not be
// completed.
func (s *Service) undo(ctx context.Context, a *broker.AppClient, hour hourly) {
	ctx, cancel := broker.CleanupContext(ctx)
	defer cancel()
	err := s.giveBackHour(ctx, hour, a.Key)
	present, readErr := s.store.AppClient(ctx, a.Key)
	if errors.Is(readErr, broker.ErrNotFound) {
		// Sweep took it for dead and did not find it at Cognito.
		present, readErr = a, s.store.CreateAppClient(ctx, a)
	}
	if readErr != nil {
		s.left(ctx, a, errors.Join(err, readErr))
		return
	}
	present.CognitoID = a.CognitoID
	s.left(ctx, a, errors.Join(err, s.remove(ctx, broker.ByBroker, present)))
}

func (s *Service) left(ctx context.Context, a *broker.AppClient, err error) {
	if err != nil {
		s.log.WarnContext(ctx, "app client left to reconcile", "app_client", a.Key, "error", err)
	}
}

// remove takes an app client and the registration it serves out of the world,
// in an order in which whoever repeats it after a failure can finish it.
func (s *Service) remove(ctx context.Context, by telemetry.Actor, a *broker.AppClient) error {
	if err := broker.MarkForRemoval(ctx, s.store, a, s.now()); err != nil {
		return err
	}
	return s.finishRemoval(ctx, by, a, a.CognitoID)
}

// finishRemoval does what is left to do for an app client marked for removal,
// which has these ids at Cognito.
func (s *Service) finishRemoval(ctx context.Context, by telemetry.Actor, a *broker.AppClient, ids ...string) error {
	for _, id := range ids {
		if err := s.deleteAppClient(ctx, by, a, id, a.Marker); err != nil {
			return fmt.Errorf("delete app client %s: %w", id, err)
		}
		if err := s.deleteRegistrationOf(ctx, by, a, id); err != nil {
			return err
		}
	}
	if err := s.giveBack(ctx, a); err != nil {
		return err
	}
	if err := s.store.DeleteAppClient(ctx, a.Key, a.Version); err != nil {
		return fmt.Errorf("delete record of app client %s: %w", a.Key, err)
	}
	return nil
}

// deleteRegistrationOf deletes the registration under that client id, if it is
// the one that a serves, which only one of direct mode does: in brokered mode a
// registration does not depend on its app client. It is said if
// the janitor does it and nobody has said so before.
func (s *Service) deleteRegistrationOf(ctx context.Context, by telemetry.Actor, a *broker.AppClient, id string) error {
	r, err := s.store.Registration(ctx, id)
	if errors.Is(err, broker.ErrNotFound) || err == nil && r.AppClient != a.Key {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read registration %s: %w", id, err)
	}
	switch r.State {
	case broker.RegistrationDisabled, broker.RegistrationDeleted, broker.RegistrationRemoved:
		return nil // what is remembered of a client outlives its app client
	}
	if err := s.store.DeleteRegistration(ctx, id, r.Generation); err != nil {
		return fmt.Errorf("delete registration %s: %w", id, err)
	}
	if by == broker.ByJanitor && r.State != broker.RegistrationDeleting {
		s.audit.End(ctx, telemetry.RegistrationRemoved, by, r, broker.RegistrationRemoved)
	}
	return nil
}

func (s *Service) giveBack(ctx context.Context, a *broker.AppClient) error {
	err := s.giveBackUse(ctx, a)
	if a.Kind == broker.KindRegistering {
		return err // it holds no place
	}
	if budgetErr := s.store.ReturnBudget(ctx, appClientsKey(a.Profile), a.Key); budgetErr != nil {
		err = errors.Join(err, fmt.Errorf("give back place of app client %s: %w", a.Key, budgetErr))
	}
	return err
}

// deleteAppClient sees to it that the app client with that id is gone, and says
// so. a is the record that knows, or knew, it.
func (s *Service) deleteAppClient(ctx context.Context, by telemetry.Actor, a *broker.AppClient, id, marker string) error {
	if err := s.apps.Delete(ctx, id, marker); err != nil {
		return err
	}
	telemetry.Count(ctx, telemetry.AppClientsGone, 1)
	s.audit.AppClient(ctx, telemetry.AppClientRemoved, by, a, id)
	return nil
}
