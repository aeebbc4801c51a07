package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/dcr-broker/dcr-broker/internal/config"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/registrar"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

type profileCmd struct {
	Apply profileApplyCmd `cmd:"" help:"Make the shared app client of a profile ahead of its first use, and print its id at Cognito."`
}

type profileApplyCmd struct {
	Profile string `arg:"" help:"Policy profile with app_client shared."`
}

// Run prints the id alone, so that a script can put it into an allow-list such
// as allowedClients of an AgentCore gateway. Run again it prints the same.
func (c *profileApplyCmd) Run(ctx context.Context, op *operator) error {
	full, err := config.AppClients(op.getenv)
	if err != nil {
		return fmt.Errorf("the environment must be that of the provision function:\n%w", err)
	}
	if full.Authorization != config.Brokered {
		return errors.New("profiles have app clients in brokered mode only; set AUTHORIZATION=brokered")
	}
	store := wire.Store(full, op.sdk)
	provisioning, err := registrar.Provisioning(full, op.sdk, store, slog.New(slog.NewTextHandler(op.notes, nil)))
	if err != nil {
		return err
	}
	key := broker.SharedAppClientKey(c.Profile)
	if err := provisioning.Provision(ctx, key); err != nil {
		if errors.Is(err, broker.ErrNotFound) {
			return fmt.Errorf("the policy has no profile %q with a shared app client", c.Profile)
		}
		return err
	}
	a, err := store.AppClient(ctx, key)
	if err != nil {
		return err
	}
	fmt.Fprintln(op.out, a.CognitoID)
	return nil
}
