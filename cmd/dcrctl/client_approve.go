package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// approval is what approve and enable have in common: they show a client before
// it becomes active, and act on what they have shown.
type approval struct {
	clientIDs
	confirmation
	Digest string `placeholder:"DIGEST" help:"Only with this digest of the metadata, as client show prints it, and without asking. For one client."`
}

// run shows each client that is in the state from, asks, and calls activate with
// what it has shown.
func (c approval) run(ctx context.Context, op *operator, from broker.RegistrationState, verb string, activate func(d *deployment, shown *broker.Registration) (*broker.Registration, error)) error {
	if c.Digest != "" && len(c.IDs) != 1 {
		return usagef("--digest is for one client")
	}
	d, err := op.deployment(ctx)
	if err != nil {
		return err
	}
	shown := make(map[string]*broker.Registration)
	unread := make(map[string]error)
	waiting := 0
	for _, id := range c.IDs {
		r, err := clientOf(ctx, d.store, id)
		if err != nil {
			unread[id] = err
			continue
		}
		if digest := broker.MetadataDigest(r.Metadata); c.Digest != "" && c.Digest != digest {
			return fmt.Errorf("client %s has other metadata, with the digest %s: %w", r.ClientID, digest, broker.ErrConflict)
		}
		shown[id] = r
		if r.State != from {
			continue // it is active already, or activate returns its state as an error
		}
		waiting++
		var text strings.Builder
		if err := writeFields(&text, clientFields(r)); err != nil {
			return err
		}
		op.infof("%s", text.String())
	}
	if waiting > 0 && c.Digest == "" {
		if err := c.confirmf(ctx, op, "%s %s with what is shown?", verb, number(waiting, "this client", "these clients")); err != nil {
			return err
		}
	}
	return c.each(op, strings.ToLower(verb)+"d", func(id string) (*broker.Registration, error) {
		if err := unread[id]; err != nil {
			return nil, err
		}
		r, err := activate(d, shown[id])
		if errors.Is(err, broker.ErrConflict) {
			err = fmt.Errorf("%w; look at it again", err)
		}
		return r, err
	})
}

type clientApproveCmd struct{ approval }

func (c *clientApproveCmd) Run(ctx context.Context, op *operator) error {
	return c.run(ctx, op, broker.RegistrationPending, "Approve", func(d *deployment, shown *broker.Registration) (*broker.Registration, error) {
		return d.Operator.Approve(ctx, shown, d.caller)
	})
}

type clientEnableCmd struct{ approval }

func (c *clientEnableCmd) Run(ctx context.Context, op *operator) error {
	return c.run(ctx, op, broker.RegistrationDisabled, "Enable", func(d *deployment, shown *broker.Registration) (*broker.Registration, error) {
		return d.Operator.Enable(ctx, shown, d.caller)
	})
}
