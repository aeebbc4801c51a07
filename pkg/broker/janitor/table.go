package janitor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// skew is how far the clocks of two functions may be apart.
const skew = 5 * time.Minute

// ErrForeignTable means that the store does not seem to be the one that this
// deployment has always had, so that a sweep has changed nothing: app clients that
// the store does not know may be in use. An operator accepts the table if it is
// the right one.
var ErrForeignTable = errors.New("the table is not known to be this deployment's own")

// ownTable returns whose table the store is, if that is this deployment. listed
// is how many app clients of ours there are: if there are none, and the table has
// no owner, it is a new one.
func (r *Run) ownTable(ctx context.Context, listed int) (*broker.TableOwner, error) {
	store, deployment := r.c.Store, r.c.Deployment
	identity, err := store.Identity(ctx)
	if err != nil {
		return nil, fmt.Errorf("identity of the table: %w", err)
	}
	d, err := store.TableOwner(ctx)
	switch {
	case errors.Is(err, broker.ErrNotFound) && listed > 0:
		return nil, halted(ErrForeignTable, "it does not say so, and there are %d app clients of the deployment %s", listed, deployment)
	case errors.Is(err, broker.ErrNotFound):
		d = &broker.TableOwner{ID: deployment, Store: identity, Began: broker.Seconds(r.c.Now())}
		if r.options.DryRun {
			return d, nil
		}
		if err := store.CreateTableOwner(ctx, d); err != nil && !errors.Is(err, broker.ErrExists) {
			return nil, fmt.Errorf("record whose table it is: %w", err)
		}
		return d, nil
	case err != nil:
		return nil, fmt.Errorf("read whose table it is: %w", err)
	case d.ID != deployment:
		return nil, halted(ErrForeignTable, "it is that of the deployment %q", d.ID)
	case d.Store != "" && identity != "" && d.Store != identity:
		return nil, halted(ErrForeignTable, "it has been restored from a backup, or created again")
	case d.Store == "" && identity != "" && !r.options.DryRun:
		d.Store = identity
		if err := store.SetTableOwner(ctx, d); err != nil {
			return nil, fmt.Errorf("record which table it is: %w", err)
		}
	}
	return d, nil
}
