package grants

import (
	"context"
	"errors"
	"fmt"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

var _ broker.GrantEnder = (*Ender)(nil)

// EndGrants implements broker.GrantEnder.
func (e *Ender) EndGrants(ctx context.Context, clientID, keep string) (int, error) {
	var run ending
	for id, err := range e.store.GrantsOf(ctx, clientID) {
		if err != nil {
			return run.done(fmt.Errorf("grants of %s: %w", clientID, err))
		}
		if err := ctx.Err(); err != nil {
			return run.done(err)
		}
		g, err := e.store.Grant(ctx, id)
		if errors.Is(err, broker.ErrNotFound) {
			continue
		}
		if err != nil {
			return run.done(fmt.Errorf("read grant %s: %w", id, err))
		}
		if g.ClientID != clientID || keep != "" && g.Generation == keep {
			continue
		}
		run.end(ctx, e, g)
	}
	return run.done(nil)
}

// EndGrantsOfUser implements broker.GrantEnder.
func (e *Ender) EndGrantsOfUser(ctx context.Context, sub string) (int, error) {
	var run ending
	for g, err := range e.store.ListGrants(ctx) {
		if err != nil {
			return run.done(fmt.Errorf("grants of user %s: %w", sub, err))
		}
		if err := ctx.Err(); err != nil {
			return run.done(err)
		}
		if sub != "" && g.User.Sub == sub && g.Standing() {
			run.end(ctx, e, g)
		}
	}
	return run.done(nil)
}

// EndGrant implements broker.GrantEnder.
func (e *Ender) EndGrant(ctx context.Context, id string) error {
	g, err := e.store.Grant(ctx, id)
	if err != nil {
		return fmt.Errorf("grant %s: %w", id, err)
	}
	return e.End(ctx, g)
}

// ending counts grants that are ended one after the other. One that fails does
// not keep the others from being ended.
type ending struct {
	n      int
	failed int
	first  error
}

func (r *ending) end(ctx context.Context, e *Ender, g *broker.Grant) {
	stood := g.EndedAt.IsZero()
	err := e.End(ctx, g)
	if stood && !g.EndedAt.IsZero() {
		r.n++
	}
	if err != nil {
		if r.failed++; r.failed == 1 {
			r.first = err
		}
	}
}

// done returns how many have been ended, and whether any was not, or not wholly.
func (r *ending) done(err error) (int, error) {
	if r.failed > 0 {
		err = errors.Join(err, fmt.Errorf("%d grants could not be ended wholly: %w", r.failed, r.first))
	}
	return r.n, err
}
