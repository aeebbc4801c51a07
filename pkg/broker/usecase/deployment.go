package usecase

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// skew is how far the clocks of two functions may be apart.
const skew = 5 * time.Minute

// ErrForeignTable means that the store does not seem to be the one that this
// deployment has always had, so that a sweep has changed nothing: what it does
// not know need not be unneeded. AcceptTable is how an operator says that it is
// right.
var ErrForeignTable = errors.New("the table is not known to be this deployment's own")

// deployments notes whose table a store is, once in the life of a process.
type deployments struct {
	id    string
	noted atomic.Bool
}

// note is called before the first app client is recorded.
func (d *deployments) note(ctx context.Context, store broker.Sweeping, now time.Time) error {
	if d.id == "" || d.noted.Load() {
		return nil
	}
	err := store.CreateTableOwner(ctx, &broker.TableOwner{ID: d.id, Began: broker.Seconds(now)})
	if err != nil && !errors.Is(err, broker.ErrExists) {
		return fmt.Errorf("note whose table it is: %w", err)
	}
	d.noted.Store(true)
	return nil
}

// ownTable returns whose table the store is, if that is this deployment. listed
// is how many app clients of ours there are: none, and a table that says nothing
// is a new one.
func (s *sweep) ownTable(ctx context.Context, listed int) (*broker.TableOwner, error) {
	identity, err := s.store.Identity(ctx)
	if err != nil {
		return nil, fmt.Errorf("identity of the table: %w", err)
	}
	d, err := s.store.TableOwner(ctx)
	switch {
	case errors.Is(err, broker.ErrNotFound) && listed > 0:
		return nil, s.alarm(ctx, ErrForeignTable, fmt.Sprintf("it does not say so, and there are %d app clients of the deployment %s", listed, s.deployment))
	case errors.Is(err, broker.ErrNotFound):
		d = &broker.TableOwner{ID: s.deployment, Store: identity, Began: broker.Seconds(s.now())}
		if s.DryRun {
			return d, nil
		}
		if err := s.store.CreateTableOwner(ctx, d); err != nil && !errors.Is(err, broker.ErrExists) {
			return nil, fmt.Errorf("note whose table it is: %w", err)
		}
		return d, nil
	case err != nil:
		return nil, fmt.Errorf("read whose table it is: %w", err)
	case d.ID != s.deployment:
		return nil, s.alarm(ctx, ErrForeignTable, fmt.Sprintf("it is that of the deployment %q", d.ID))
	case d.Store != "" && identity != "" && d.Store != identity:
		return nil, s.alarm(ctx, ErrForeignTable, "it has been restored from a backup, or made anew")
	case d.Store == "" && identity != "" && !s.DryRun:
		d.Store = identity
		if err := s.store.SetTableOwner(ctx, d); err != nil {
			return nil, fmt.Errorf("note which table it is: %w", err)
		}
	}
	return d, nil
}

// alarm logs what an operator has to look at, so that it counts in a metric, and
// returns it.
func (s *sweep) alarm(ctx context.Context, what error, why string) error {
	err := fmt.Errorf("%w: %s", what, why)
	telemetry.Count(ctx, telemetry.JanitorStopped, 1)
	s.log.ErrorContext(ctx, "sweep stopped: an operator has to look", "error", err)
	return err
}

// AcceptTable notes that the store is that of this deployment, whatever it or the
// user pool says. The next Sweep deletes the app clients of this deployment that
// the store does not know.
func (s *Service) AcceptTable(ctx context.Context, by string) error {
	if s.deployment == "" {
		return errors.New("accept table: needs Deployment")
	}
	identity, err := s.store.Identity(ctx)
	if err != nil {
		return fmt.Errorf("identity of the table: %w", err)
	}
	if err := s.store.SetTableOwner(ctx, &broker.TableOwner{ID: s.deployment, Store: identity}); err != nil {
		return fmt.Errorf("note whose table it is: %w", err)
	}
	telemetry.Audit{
		Event: telemetry.TableAccepted, Actor: broker.ByOperator(by), After: []slog.Attr{slog.String("deployment", s.deployment), slog.String("table", identity)},
	}.Log(ctx, s.log)
	return nil
}
