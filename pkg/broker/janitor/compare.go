package janitor

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

const (
	// orphanAge is how long a mismatch must exist before a sweep corrects it.
	orphanAge = time.Hour
	// If more app clients than both of these are orphans or gone, a sweep
	// changes none of them: the table or the pool is then probably the wrong
	// one.
	manyOrphans   = 10
	orphanPercent = 5
)

// ErrTooMany means that too many app clients have no record, or too many
// records no app client, so that a sweep has changed none of them. An operator
// who knows that this is right uses Options.AcceptMany.
var ErrTooMany = errors.New("too many for one sweep")

// orphansOf returns the app clients that have carried our mark for an hour and
// have no record.
func orphansOf(listed []broker.ListedAppClient, records []*broker.AppClient, now time.Time) []broker.ListedAppClient {
	known := make(map[string]bool)
	for _, a := range records {
		known[a.Marker] = true
		for _, m := range a.Abandoned {
			known[m] = true
		}
	}
	var orphans []broker.ListedAppClient
	for _, c := range listed {
		if made, ok := broker.MarkedAt(c.Marker); ok && !known[c.Marker] && now.Sub(made) >= orphanAge {
			orphans = append(orphans, c)
		}
	}
	return orphans
}

// goneOf returns the records of app clients that were created at least an hour
// ago and that Cognito does not list.
func goneOf(all []broker.ListedAppClient, records []*broker.AppClient, now time.Time) []*broker.AppClient {
	listed := make(map[string]bool)
	for _, c := range all {
		listed[c.ID] = true
	}
	var gone []*broker.AppClient
	for _, a := range records {
		if a.State == broker.AppClientReady && !listed[a.CognitoID] && now.Sub(a.CreatedAt) >= orphanAge {
			gone = append(gone, a)
		}
	}
	return gone
}

func (r *Run) tooMany(n, of int) bool {
	return !r.options.AcceptMany && n > manyOrphans && n*100 > of*orphanPercent
}

func (r *Run) mendOrphans(ctx context.Context, have holdings) error {
	if n, of := len(have.orphans), len(have.listed); r.tooMany(n, of) {
		return halted(ErrTooMany, "%d of %d app clients have no record; if that is right, dcrctl sweep --accept-many deletes them", n, of)
	}
	return r.each(ctx, itemsOf(have.orphans, func(o broker.ListedAppClient) item {
		return item{key: o.ID, plan: func(context.Context) (*step, error) {
			return &step{
				Step: Step{Action: ActionOrphan, CognitoID: o.ID},
				dry:  Report{Orphans: 1},
				do:   func(ctx context.Context) (Report, error) { return r.mendOrphan(ctx, o) },
			}, nil
		}}
	}))
}

// mendOrphan deletes an app client that nothing needs. If it belongs to a
// registration, the mode of the registration creates the missing record.
func (r *Run) mendOrphan(ctx context.Context, o broker.ListedAppClient) (Report, error) {
	reg, err := r.c.Store.Registration(ctx, o.ID)
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		return Report{}, fmt.Errorf("read registration %s: %w", o.ID, err)
	}
	needed := false
	if err == nil {
		if needed, err = r.c.Modes.Of(reg.Mode).Orphan(ctx, o, reg); err != nil {
			return Report{}, err
		}
	}
	if !needed {
		if err := r.c.Pool.Delete(ctx, o.ID, o.Marker); err != nil {
			return Report{}, err
		}
		r.trail.Removed(ctx, broker.ByJanitor, &broker.AppClient{}, o.ID)
	}
	return Report{Orphans: 1}, nil
}

func (r *Run) mendGone(ctx context.Context, have holdings) error {
	if n, of := len(have.gone), len(have.records); r.tooMany(n, of) {
		return halted(ErrTooMany, "%d of %d records are of app clients that Cognito does not list; if that is right, dcrctl sweep --accept-many forgets them", n, of)
	}
	return r.each(ctx, itemsOf(have.gone, func(a *broker.AppClient) item {
		return item{key: a.Key, plan: func(ctx context.Context) (*step, error) {
			exists, err := r.c.Pool.Exists(ctx, a.CognitoID)
			if err != nil || exists {
				return nil, err
			}
			return &step{
				Step: Step{Action: ActionGone, Key: a.Key, ClientID: a.ClientID, CognitoID: a.CognitoID},
				dry:  Report{Gone: 1},
				do: func(ctx context.Context) (Report, error) {
					done, err := r.c.Modes.Of(a.Mode()).Gone(ctx, r, a)
					if err == nil {
						done.Gone++
					}
					return done, err
				},
			}, nil
		}}
	}))
}

// itemsOf yields an item for each element.
func itemsOf[T any](all []T, itemOf func(T) item) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		for _, x := range all {
			if !yield(itemOf(x), nil) {
				return
			}
		}
	}
}
