package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Reconciled counts what Reconcile did.
type Reconciled struct {
	// Completed app clients serve a registration and now say so. Registrations
	// that were left in the making and are complete count as well.
	Completed int
	// Restored app clients have been given the settings of their registration
	// again after an update of unknown outcome.
	Restored int
	// Removed app clients, with the registrations they served in direct mode,
	// and registrations that were left in the making.
	Removed int
	// Grown app clients have been given scopes that their profile or
	// registration has more than before.
	Grown int
	// Failed ones are tried again at the next run.
	Failed int
}

// LogValue logs the counts.
func (r Reconciled) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("completed", r.Completed), slog.Int("restored", r.Restored),
		slog.Int("removed", r.Removed), slog.Int("grown", r.Grown), slog.Int("failed", r.Failed))
}

// Reconcile finishes or undoes every app client whose making, updating or
// removal was begun more than two minutes ago and not completed. Several may
// run at once. It returns an error, besides what it has done, if it could not
// read what is due or what Cognito has, or if Cognito asks to be left alone.
//
// In brokered mode it also deletes the app clients of registrations that are
// gone, and those that may have been made and never recorded; and, if there is an
// Updater, gives app clients the scopes that they lack.
func (s *Service) Reconcile(ctx context.Context) (Reconciled, error) {
	var done Reconciled
	if s.apps == nil {
		return done, errors.New("reconcile: needs AppClients")
	}
	run := reconciliation{Service: s, done: &done}
	for key, err := range s.store.DueAppClients(ctx, s.now()) {
		if err != nil {
			return done, fmt.Errorf("reconcile: list due app clients: %w", err)
		}
		err := run.one(ctx, key)
		if err == nil {
			continue
		}
		done.Failed++
		s.log.ErrorContext(ctx, "reconcile", "app_client", key, "error", err)
		if e, ok := errors.AsType[*dcr.Error](err); ok && e.Code == dcr.Unavailable {
			return done, fmt.Errorf("reconcile: %w", err)
		}
		if ctx.Err() != nil {
			return done, ctx.Err()
		}
	}
	if err := run.growShared(ctx); err != nil {
		return done, fmt.Errorf("reconcile: %w", err)
	}
	return done, nil
}

type reconciliation struct {
	*Service
	done *Reconciled
	// listed are the ids of the app clients at Cognito by marker, read when
	// first needed.
	listed map[string][]string
}

func (s *reconciliation) one(ctx context.Context, key string) error {
	a, err := s.store.AppClient(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if a.Due.IsZero() || a.Due.After(s.now()) {
		return nil // somebody was faster
	}
	switch a.Kind {
	case KindRegistering:
		return s.registering(ctx, a)
	case KindShared, KindDedicated:
		return s.brokered(ctx, a)
	}
	return s.direct(ctx, a)
}

func (s *reconciliation) direct(ctx context.Context, a *AppClient) error {
	switch a.State {
	case AppClientCreating:
		return s.creating(ctx, a)
	case AppClientUpdating:
		return s.updating(ctx, a)
	case AppClientRemoving:
		return s.removing(ctx, a)
	}
	return fmt.Errorf("app client %s is due in state %q", a.Key, a.State)
}

// creating decides about an app client that may exist: it stays if a
// registration got as far as to use it. Otherwise nobody was told of it.
func (s *reconciliation) creating(ctx context.Context, a *AppClient) error {
	ids, err := s.atCognito(ctx, a.Marker)
	if err != nil {
		return err
	}
	for _, id := range ids {
		r, err := s.store.Registration(ctx, id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if r.AppClient == a.Key && r.State != RegistrationDeleting {
			a.CognitoID, a.State, a.InitialAccessToken, a.Due = id, AppClientReady, "", time.Time{}
			if err := s.store.ReplaceAppClient(ctx, a); err != nil {
				return err
			}
			s.done.Completed++
			return nil
		}
	}
	if len(ids) == 1 {
		a.CognitoID = ids[0] // to find its registration by when it is gone
	}
	// The mark comes first: whoever still is at work on it finds out.
	if err := s.markRemoving(ctx, a); err != nil {
		return err
	}
	return s.removing(ctx, a)
}

func (s *reconciliation) removing(ctx context.Context, a *AppClient) error {
	ids := []string{a.CognitoID}
	if a.CognitoID == "" {
		var err error
		if ids, err = s.atCognito(ctx, a.Marker); err != nil {
			return err
		}
	}
	if err := s.finishRemoval(ctx, a, ids...); err != nil {
		return err
	}
	s.done.Removed++
	return nil
}

// updating gives the app client what its registration says, which is what the
// client was last told.
func (s *reconciliation) updating(ctx context.Context, a *AppClient) error {
	if err := s.lease(ctx, a); err != nil {
		return err
	}
	r, err := s.store.Registration(ctx, a.CognitoID)
	if errors.Is(err, ErrNotFound) {
		if err := s.markRemoving(ctx, a); err != nil {
			return err
		}
		return s.removing(ctx, a)
	}
	if err != nil {
		return err
	}
	if err := s.apps.Update(ctx, a.CognitoID, a.Marker, r.Metadata, nil); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	a.State, a.Due = AppClientReady, time.Time{}
	if err := s.store.ReplaceAppClient(ctx, a); err != nil {
		return err
	}
	s.done.Restored++
	return nil
}

func (s *reconciliation) atCognito(ctx context.Context, marker string) ([]string, error) {
	if s.listed == nil {
		listed := make(map[string][]string)
		for c, err := range s.apps.List(ctx) {
			if err != nil {
				return nil, fmt.Errorf("list app clients: %w", err)
			}
			listed[c.Marker] = append(listed[c.Marker], c.ID)
		}
		s.listed = listed
	}
	return s.listed[marker], nil
}
