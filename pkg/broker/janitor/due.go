package janitor

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// savePlaceEvery is the number of records after which a sweep saves its place.
const savePlaceEvery = 50

// place is the place of a sweep among the records that are due. The next sweep
// begins there.
type place struct {
	saved, now string
	seen       int // records since it was saved
}

func (p *place) reach(place string) {
	p.now = place
	p.seen++
}

func (p *place) saveNow() bool { return p.seen >= savePlaceEvery }

// savePlace stores the place, even if ctx has ended.
func (r *Run) savePlace(ctx context.Context) error {
	r.place.seen = 0
	if r.options.DryRun || r.place.now == r.place.saved {
		return nil
	}
	ctx, cancel := broker.CleanupContext(ctx)
	defer cancel()
	if err := r.c.Store.SetSweepPlace(ctx, r.place.now); err != nil {
		return fmt.Errorf("save place: %w", err)
	}
	r.place.saved = r.place.now
	return nil
}

// dueRecords handles the records that are due, beginning where the last sweep
// stopped.
func (r *Run) dueRecords(ctx context.Context) error {
	began, err := r.c.Store.SweepPlace(ctx)
	if err != nil {
		return fmt.Errorf("read place: %w", err)
	}
	r.place = place{saved: began, now: began}
	err = r.each(ctx, r.due(ctx, began))
	if r.done.Backlog == 0 && err == nil {
		r.place.now = "" // the sweep has reached every record
	}
	return errors.Join(err, r.savePlace(ctx))
}

// due yields the records that are due after this place, and then the others.
func (r *Run) due(ctx context.Context, began string) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		for d, err := range r.c.Store.Due(ctx, r.c.Now(), began) {
			it := item{key: d.Key, due: true, place: d.Place, plan: func(ctx context.Context) (*step, error) { return r.planAppClient(ctx, d.Key) }}
			switch d.Kind {
			case broker.DueRegistration:
				it.plan = func(ctx context.Context) (*step, error) { return r.planRegistration(ctx, d.Key) }
			case broker.DueTransaction:
				it.plan = func(context.Context) (*step, error) { return r.planTransaction(d.Key), nil }
			}
			if err != nil {
				err = fmt.Errorf("list what is due: %w", err)
			}
			if !yield(it, err) {
				return
			}
		}
	}
}

// planTransaction plans the end of a transaction's sign-in. It is not reported as a
// step: there is one for each sign-in, and most of them led to a grant.
func (r *Run) planTransaction(key string) *step {
	return &step{do: func(ctx context.Context) (Report, error) {
		ended, err := r.c.Grants.EndSignIn(ctx, key)
		if !ended {
			return Report{}, err
		}
		return Report{EndedSignIns: 1}, err
	}}
}

// planAppClient plans the work for an app client that is due. Its mode decides.
func (r *Run) planAppClient(ctx context.Context, key string) (*step, error) {
	a, err := r.c.Store.AppClient(ctx, key)
	if errors.Is(err, broker.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if a.Due.IsZero() || a.Due.After(r.c.Now()) {
		return nil, nil // another request was faster
	}
	s := &step{
		Step: Step{Action: ActionFinish, Key: a.Key, ClientID: a.ClientID, CognitoID: a.CognitoID},
		do:   func(ctx context.Context) (Report, error) { return r.c.Modes.Of(a.Mode()).Finish(ctx, r, a) },
	}
	if a.State == broker.AppClientReady || a.State == broker.AppClientVacant {
		s.Action = ActionLook
	}
	return s, nil
}
