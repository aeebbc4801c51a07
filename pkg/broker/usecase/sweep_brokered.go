package usecase

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// brokered decides about an app client that the broker itself uses.
func (s *sweep) brokered(ctx context.Context, a *broker.AppClient) error {
	switch a.State {
	case broker.AppClientCreating:
		// Nobody has taken it over either, so nobody needs it. The mark comes
		// first: whoever still is at work on it finds out.
		if err := broker.MarkForRemoval(ctx, s.store, a, s.now()); err != nil {
			return err
		}
		return s.removingBrokered(ctx, a)
	case broker.AppClientRemoving:
		return s.removingBrokered(ctx, a)
	case broker.AppClientReady:
		return s.standing(ctx, a)
	case broker.AppClientVacant:
		return s.vacate(ctx, a)
	}
	return fmt.Errorf("app client %s is due in state %q", a.Key, a.State)
}

func (s *sweep) removingBrokered(ctx context.Context, a *broker.AppClient) error {
	if err := s.deleteAbandoned(ctx, a); err != nil {
		return err
	}
	ids := []string{a.CognitoID}
	if a.CognitoID == "" {
		var err error
		if ids, err = s.atCognito(ctx, a.Marker); err != nil {
			return err
		}
	}
	for _, id := range ids {
		if err := s.deleteAppClient(ctx, broker.ByJanitor, a, id, a.Marker); err != nil {
			return fmt.Errorf("delete app client %s: %w", id, err)
		}
	}
	if err := s.giveBack(ctx, a); err != nil {
		return err
	}
	err := s.vacate(ctx, a)
	if errors.Is(err, broker.ErrConflict) {
		// Another run was faster, and the place may be that of a new app client.
		b := broker.Budget{Key: appClientsKey(a.Profile), Limit: math.MaxInt32}
		return errors.Join(err, s.store.TakeBudget(ctx, b, a.Key))
	}
	if err != nil {
		return err
	}
	s.done.Removed++
	return nil
}

// vacate leaves the record of an app client that is gone to whoever needs it
// next, or deletes it if nobody can.
func (s *sweep) vacate(ctx context.Context, a *broker.AppClient) error {
	var again time.Time
	if a.Kind == broker.KindDedicated {
		r, err := s.served(ctx, a)
		if errors.Is(err, broker.ErrNotFound) {
			return s.store.DeleteAppClient(ctx, a.Key, a.Version)
		}
		if err != nil {
			return err
		}
		again = r.ExpiresAt
	}
	a.Vacate()
	a.Due = again
	return s.store.ReplaceAppClient(ctx, a)
}

// served returns the registration that a dedicated app client serves, or
// ErrNotFound if it is gone.
func (s *sweep) served(ctx context.Context, a *broker.AppClient) (*broker.Registration, error) {
	r, err := s.store.Registration(ctx, a.ClientID)
	if err != nil {
		return nil, fmt.Errorf("read registration %s: %w", a.ClientID, err)
	}
	switch {
	case r.Generation != a.Generation, r.State == broker.RegistrationDeleting, r.State == broker.RegistrationDeleted, r.State == broker.RegistrationRemoved:
		return nil, fmt.Errorf("registration %s of generation %s: %w", a.ClientID, a.Generation, broker.ErrNotFound)
	}
	return r, nil
}

// deleteAbandoned deletes what creations may have left of which nothing was
// heard.
func (s *sweep) deleteAbandoned(ctx context.Context, a *broker.AppClient) error {
	for _, marker := range a.Abandoned {
		ids, err := s.atCognito(ctx, marker)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := s.deleteAppClient(ctx, broker.ByJanitor, a, id, marker); err != nil {
				return fmt.Errorf("delete app client %s: %w", id, err)
			}
			s.done.Removed++
		}
	}
	return nil
}

// standing looks at an app client that is in use: whether what it serves is
// still there, whether it has the scopes, and when to look again.
func (s *sweep) standing(ctx context.Context, a *broker.AppClient) error {
	var again time.Time
	if a.Kind == broker.KindDedicated {
		r, err := s.served(ctx, a)
		if errors.Is(err, broker.ErrNotFound) {
			if err := broker.MarkForRemoval(ctx, s.store, a, s.now()); err != nil {
				return err
			}
			return s.removingBrokered(ctx, a)
		}
		if err != nil {
			return err
		}
		again = r.ExpiresAt // it is gone then, unless it is used before
		if err := s.growDedicated(ctx, a, r); err != nil {
			return err
		}
	}
	if err := s.deleteAbandoned(ctx, a); err != nil {
		return err
	}
	a.Abandoned, a.Due = nil, again
	if err := s.store.ReplaceAppClient(ctx, a); err != nil {
		return err
	}
	s.done.Completed++
	return nil
}

// growDedicated gives a the scopes of r. The caller records them.
func (s *sweep) growDedicated(ctx context.Context, a *broker.AppClient, r *broker.Registration) error {
	profile, ok := s.policy.Profile(r.Profile)
	if !ok {
		return nil
	}
	_, err := s.grow(ctx, a, broker.BrokeredAppClient{Name: r.Metadata.ClientName, Scopes: dedicatedScopes(r, profile), ClientCredentials: policy.IsClientCredentials(r.Metadata)})
	return err
}

// growShared gives the shared app clients the scopes of their profiles.
func (s *sweep) growShared(ctx context.Context) error {
	if s.mode != broker.ModeBrokered || s.updater == nil {
		return nil
	}
	for _, name := range s.policy.Profiles() {
		if s.stop(ctx) {
			return nil
		}
		profile, _ := s.policy.Profile(name)
		if profile.AppClient() != policy.SharedAppClient {
			continue
		}
		if err := s.growProfile(ctx, profile); err != nil {
			if err := s.failed(ctx, broker.SharedAppClientKey(name), err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *sweep) growProfile(ctx context.Context, profile *policy.Profile) error {
	a, err := s.store.AppClient(ctx, broker.SharedAppClientKey(profile.Name()))
	if errors.Is(err, broker.ErrNotFound) || err == nil && a.State != broker.AppClientReady {
		return nil
	}
	if err != nil {
		return err
	}
	grown, err := s.grow(ctx, a, broker.BrokeredAppClient{Name: profile.Name(), Scopes: withOpenID(profile.Scopes())})
	if err != nil || !grown {
		return err
	}
	return s.store.ReplaceAppClient(ctx, a)
}

// grow gives a the scopes of spec that it lacks, at Cognito and then in a, which
// the caller has to store. It takes none away, since there are grants that have
// them, unless Cognito could not hold so many.
func (s *sweep) grow(ctx context.Context, a *broker.AppClient, spec broker.BrokeredAppClient) (bool, error) {
	lacks := func(scope string) bool { return !slices.Contains(a.Scopes, scope) }
	if s.updater == nil || !slices.ContainsFunc(spec.Scopes, lacks) {
		return false, nil
	}
	spec.Scopes = together(a.Scopes, spec.Scopes)
	if !s.step(SweepStep{Action: SweepGrow, Key: a.Key, ClientID: a.ClientID, CognitoID: a.CognitoID}) {
		s.done.Grown++
		return false, nil
	}
	if err := s.updater.UpdateBrokered(ctx, a.CognitoID, a.Marker, spec); err != nil {
		return false, fmt.Errorf("update app client %s with scopes %s: %w", a.Key, strings.Join(spec.Scopes, " "), err)
	}
	s.audit.Scopes(ctx, broker.ByJanitor, a, spec.Scopes)
	a.Scopes = spec.Scopes
	s.done.Grown++
	return true, nil
}

// together are the scopes that an app client has with those that it should have,
// or only the latter if Cognito could not hold so many.
func together(has, wants []string) []string {
	all := slices.Clone(has)
	for _, scope := range wants {
		if !slices.Contains(has, scope) {
			all = append(all, scope)
		}
	}
	if len(all) > policy.MaxScopes {
		return wants
	}
	return all
}
