package operator

import (
	"context"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// EndGrantsOfClient ends all grants of a client, and returns how many it has
// ended, even with an error. The client can request new grants from its users.
func (o *Operator) EndGrantsOfClient(ctx context.Context, clientID, by string) (int, error) {
	n, err := o.c.Grants.EndOfClient(ctx, clientID, nil)
	o.trail.Grants(ctx, broker.ByOperator(by), clientID, "", n)
	return n, err
}

// EndGrantsOfUser ends all grants of a user, by sub, and deletes the user's
// remembered consents. It returns how many grants it has ended, even with an
// error.
func (o *Operator) EndGrantsOfUser(ctx context.Context, sub, by string) (int, error) {
	n, err := o.c.Grants.EndOfUser(ctx, sub)
	o.trail.Grants(ctx, broker.ByOperator(by), "", sub, n)
	return n, err
}

// EndGrant ends one grant, or returns ErrNotFound.
func (o *Operator) EndGrant(ctx context.Context, id, by string) error {
	if err := o.c.Grants.EndByID(ctx, id); err != nil {
		return err
	}
	telemetry.Audit{Event: telemetry.GrantEnded, Actor: broker.ByOperator(by), Grant: id}.Log(ctx, o.c.Log)
	return nil
}
