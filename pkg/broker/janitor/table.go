package janitor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// skew is the maximum difference between the clocks of two functions.
const skew = 5 * time.Minute

// ErrForeignTable means that the store does not seem to be the one that this
// deployment has always had, so that a sweep has changed nothing: app clients
// without a record in the store may be in use. If the table is the right one,
// an operator accepts it.
var ErrForeignTable = errors.New("the table is not known to be this deployment's own")

// ownTable returns the owner of the table if that is this deployment. listed is
// the number of our app clients: if it is 0 and the table has no owner, the
// table is new.
func (r *Run) ownTable(ctx context.Context, listed int) (*broker.TableOwner, error) {
	store, deployment := r.c.Store, r.c.Deployment
	identity, err := store.Identity(ctx)
	if err != nil {
		return nil, fmt.Errorf("identity of the table: %w", err)
	}
	d, err := store.TableOwner(ctx)
	switch {
	case errors.Is(err, broker.ErrNotFound) && listed > 0:
		return nil, halted(ErrForeignTable, "it has no owner, but there are %d app clients of the deployment %s", listed, deployment)
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
		return nil, halted(ErrForeignTable, "it belongs to the deployment %q", d.ID)
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
