package broker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// brokered decides about an app client that the broker itself uses.
func (s *reconciliation) brokered(ctx context.Context, a *AppClient) error {
	switch a.State {
	case AppClientCreating:
		// Nobody has taken it over either, so nobody needs it. The mark comes
		// first: whoever still is at work on it finds out.
		if err := s.markRemoving(ctx, a); err != nil {
			return err
		}
		return s.removingBrokered(ctx, a)
	case AppClientRemoving:
		return s.removingBrokered(ctx, a)
	case AppClientReady:
		return s.standing(ctx, a)
	case AppClientVacant:
		return s.vacate(ctx, a)
	}
	return fmt.Errorf("app client %s is due in state %q", a.Key, a.State)
}

func (s *reconciliation) removingBrokered(ctx context.Context, a *AppClient) error {
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
		if err := s.apps.Delete(ctx, id, a.Marker); err != nil {
			return fmt.Errorf("delete app client %s: %w", id, err)
		}
	}
	if err := s.giveBack(ctx, a); err != nil {
		return err
	}
	err := s.vacate(ctx, a)
	if errors.Is(err, ErrConflict) {
		// Another run was faster, and the place may be that of a new app client.
		b := Budget{Key: appClientsKey(a.Profile), Limit: math.MaxInt32}
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
func (s *reconciliation) vacate(ctx context.Context, a *AppClient) error {
	var again time.Time
	if a.Kind == KindDedicated {
		r, err := s.served(ctx, a)
		if errors.Is(err, ErrNotFound) {
			return s.store.DeleteAppClient(ctx, a.Key, a.Version)
		}
		if err != nil {
			return err
		}
		again = r.ExpiresAt
	}
	a.vacate()
	a.Due = again
	return s.store.ReplaceAppClient(ctx, a)
}

// served returns the registration that a dedicated app client serves, or
// ErrNotFound if it is gone.
func (s *reconciliation) served(ctx context.Context, a *AppClient) (*Registration, error) {
	r, err := s.store.Registration(ctx, a.ClientID)
	if err != nil {
		return nil, fmt.Errorf("read registration %s: %w", a.ClientID, err)
	}
	if r.Generation != a.Generation || r.State == RegistrationDeleting || r.State == RegistrationDeleted {
		return nil, fmt.Errorf("registration %s of generation %s: %w", a.ClientID, a.Generation, ErrNotFound)
	}
	return r, nil
}

// deleteAbandoned deletes what creations may have left of which nothing was
// heard.
func (s *reconciliation) deleteAbandoned(ctx context.Context, a *AppClient) error {
	for _, marker := range a.Abandoned {
		ids, err := s.atCognito(ctx, marker)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := s.apps.Delete(ctx, id, marker); err != nil {
				return fmt.Errorf("delete app client %s: %w", id, err)
			}
			s.done.Removed++
		}
	}
	return nil
}

// standing looks at an app client that is in use: whether what it serves is
// still there, whether it has the scopes, and when to look again.
func (s *reconciliation) standing(ctx context.Context, a *AppClient) error {
	var again time.Time
	if a.Kind == KindDedicated {
		r, err := s.served(ctx, a)
		if errors.Is(err, ErrNotFound) {
			if err := s.markRemoving(ctx, a); err != nil {
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
func (s *reconciliation) growDedicated(ctx context.Context, a *AppClient, r *Registration) error {
	pol, err := s.policy(ctx)
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	profile, ok := pol.Profile(r.Profile)
	if !ok {
		return nil
	}
	_, err = s.grow(ctx, a, BrokeredAppClient{Name: r.Metadata.ClientName, Scopes: dedicatedScopes(r, profile), ClientCredentials: machine(r.Metadata)})
	return err
}

// growShared gives the shared app clients the scopes of their profiles.
func (s *reconciliation) growShared(ctx context.Context) error {
	if s.mode != ModeBrokered || s.updater == nil {
		return nil
	}
	pol, err := s.policy(ctx)
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	for _, name := range pol.Profiles() {
		profile, _ := pol.Profile(name)
		if profile.AppClient() != policy.SharedAppClient {
			continue
		}
		if err := s.growProfile(ctx, profile); err != nil {
			s.done.Failed++
			s.log.ErrorContext(ctx, "reconcile", "app_client", SharedAppClientKey(name), "error", err)
		}
	}
	return nil
}

func (s *reconciliation) growProfile(ctx context.Context, profile *policy.Profile) error {
	a, err := s.store.AppClient(ctx, SharedAppClientKey(profile.Name()))
	if errors.Is(err, ErrNotFound) || err == nil && a.State != AppClientReady {
		return nil
	}
	if err != nil {
		return err
	}
	grown, err := s.grow(ctx, a, BrokeredAppClient{Name: profile.Name(), Scopes: withOpenID(profile.Scopes())})
	if err != nil || !grown {
		return err
	}
	return s.store.ReplaceAppClient(ctx, a)
}

// grow gives a the scopes of spec that it lacks, at Cognito and then in a, which
// the caller has to store. It takes none away, since there are grants that have
// them, unless Cognito could not hold so many.
func (s *reconciliation) grow(ctx context.Context, a *AppClient, spec BrokeredAppClient) (bool, error) {
	lacks := func(scope string) bool { return !slices.Contains(a.Scopes, scope) }
	if s.updater == nil || !slices.ContainsFunc(spec.Scopes, lacks) {
		return false, nil
	}
	if all := append(slices.Clone(a.Scopes), slices.DeleteFunc(slices.Clone(spec.Scopes), func(scope string) bool { return !lacks(scope) })...); len(all) <= policy.MaxScopes {
		spec.Scopes = all
	}
	if err := s.updater.UpdateBrokered(ctx, a.CognitoID, a.Marker, spec); err != nil {
		return false, fmt.Errorf("update app client %s with scopes %s: %w", a.Key, strings.Join(spec.Scopes, " "), err)
	}
	a.Scopes = spec.Scopes
	s.done.Grown++
	return true, nil
}
