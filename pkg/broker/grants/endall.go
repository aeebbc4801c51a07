package grants

import (
	"context"
	"errors"
	"fmt"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

var _ broker.GrantEnder = (*Ender)(nil)

// EndOfClient implements broker.GrantEnder.
func (e *Ender) EndOfClient(ctx context.Context, clientID string, over broker.Over) (int, error) {
	ring, err := e.config.Keys(ctx)
	if err != nil {
		return 0, err
	}
	run := ending{ender: e, ring: ring}
	for id, err := range e.config.Store.GrantsOf(ctx, clientID) {
		if err != nil {
			return run.result(fmt.Errorf("grants of %s: %w", clientID, err))
		}
		if err := ctx.Err(); err != nil {
			return run.result(err)
		}
		g, err := e.config.Store.Grant(ctx, id)
		if errors.Is(err, broker.ErrNotFound) {
			continue
		}
		if err != nil {
			run.fail(fmt.Errorf("read grant %s: %w", id, err)) // it does not hold up the others
			continue
		}
		if g.ClientID != clientID {
			continue
		}
		if over != nil {
			ended, err := over(ctx, g.Generation)
			if err != nil {
				run.fail(err)
			}
			if !ended {
				continue
			}
		}
		run.end(ctx, g)
	}
	return run.result(nil)
}

// EndOfUser implements broker.GrantEnder.
func (e *Ender) EndOfUser(ctx context.Context, sub string) (int, error) {
	ring, err := e.config.Keys(ctx)
	if err != nil {
		return 0, err
	}
	run := ending{ender: e, ring: ring}
	for r, err := range e.config.Store.OfUser(ctx, sub) {
		if err != nil {
			return run.result(fmt.Errorf("grants of user %s: %w", sub, err))
		}
		if err := ctx.Err(); err != nil {
			return run.result(err)
		}
		if r.Consent != "" {
			if err := e.config.Store.DeleteConsent(ctx, r.Consent); err != nil {
				run.fail(fmt.Errorf("delete the consent %s: %w", r.Consent, err))
			}
			continue
		}
		g, err := e.config.Store.Grant(ctx, r.Grant)
		if errors.Is(err, broker.ErrNotFound) {
			continue
		}
		if err != nil {
			run.fail(fmt.Errorf("read grant %s: %w", r.Grant, err))
			continue
		}
		if g.User.Sub == sub {
			run.end(ctx, g)
		}
	}
	return run.result(nil)
}

// EndByID implements broker.GrantEnder.
func (e *Ender) EndByID(ctx context.Context, id string) error {
	ring, err := e.config.Keys(ctx)
	if err != nil {
		return err
	}
	g, err := e.config.Store.Grant(ctx, id)
	if err != nil {
		return fmt.Errorf("grant %s: %w", id, err)
	}
	return e.EndGrant(ctx, ring, g)
}

// ending ends grants one after another and counts them. It continues after a
// failure.
type ending struct {
	ender  *Ender
	ring   *seal.Ring
	ended  int
	failed int
	first  error
}

func (r *ending) end(ctx context.Context, g *broker.Grant) {
	before := g.EndedAt
	err := r.ender.EndGrant(ctx, r.ring, g)
	if before.IsZero() && !g.EndedAt.IsZero() {
		r.ended++
	}
	if err != nil {
		r.fail(err)
	}
}

// fail counts a failure and keeps the first one. A failure that is no conflict
// replaces a conflict: a caller ignores conflicts.
func (r *ending) fail(err error) {
	if r.failed++; r.failed == 1 || broker.IsOnly(r.first, broker.ErrConflict) && !broker.IsOnly(err, broker.ErrConflict) {
		r.first = err
	}
}

// result returns how many grants have ended. The error joins err and the first
// failure, if any.
func (r *ending) result(err error) (int, error) {
	if r.failed > 0 {
		err = errors.Join(err, fmt.Errorf("%d grants could not be ended completely: %w", r.failed, r.first))
	}
	return r.ended, err
}
