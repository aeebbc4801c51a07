package operator

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// AcceptTable records that the store belongs to this deployment, regardless of
// its former owner and of the user pool. The next sweep deletes the app clients
// of this deployment that have no record in the store.
func (o *Operator) AcceptTable(ctx context.Context, by string) error {
	identity, err := o.c.Store.Identity(ctx)
	if err != nil {
		return fmt.Errorf("identity of the table: %w", err)
	}
	if err := o.c.Store.SetTableOwner(ctx, &broker.TableOwner{ID: o.c.Deployment, Store: identity}); err != nil {
		return fmt.Errorf("record whose table it is: %w", err)
	}
	telemetry.Audit{
		Event: telemetry.TableAccepted, Actor: broker.ByOperator(by), After: []slog.Attr{slog.String("deployment", o.c.Deployment), slog.String("table", identity)},
	}.Log(ctx, o.c.Log)
	return nil
}
