package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/dcr-broker/dcr-broker/internal/wire/documents"
	"github.com/dcr-broker/dcr-broker/internal/wire/registrar"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

type profileCmd struct {
	Apply profileApplyCmd `cmd:"" help:"Give the app clients of a profile the settings of policy and environment as they are now; make the shared one ahead of its first use, and print its id at Cognito."`
}

type profileApplyCmd struct {
	Profile string `arg:"" help:"Policy profile."`
}

// policy returns the policy in force.
func (d *deployment) policy(ctx context.Context) (*policy.Policy, error) {
	current, err := documents.Policy(d.config, d.sdk, d.log)
	if err != nil {
		return nil, &environmentError{err}
	}
	p, err := current(ctx)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return p, nil
}

// Run prints the id alone, so that a script can put it into an allow-list such
// as allowedClients of an AgentCore gateway. Run again it prints the same.
func (c *profileApplyCmd) Run(ctx context.Context, op *operator) error {
	d, err := op.deployment(ctx)
	if err != nil {
		return err
	}
	if d.config.Mode != broker.ModeBrokered {
		return errors.New("profiles have app clients in brokered mode only; set AUTHORIZATION=brokered")
	}
	if err := d.hasProfile(ctx, op, c.Profile); err != nil {
		return err
	}
	updated, err := d.service.ApplyProfile(ctx, c.Profile, d.by)
	if err != nil {
		return fmt.Errorf("%s updated: %w", plural(updated, "app client", "app clients"), err)
	}
	id, err := c.shared(ctx, d)
	if err != nil {
		return err
	}
	if op.json {
		return op.writeJSON([]any{struct {
			Profile   string `json:"profile"`
			Updated   int    `json:"updated"`
			AppClient string `json:"app_client,omitempty"`
		}{c.Profile, updated, id}})
	}
	op.note("%s updated", plural(updated, "app client", "app clients"))
	if id == "" {
		op.note("profile %s has no shared app client: its app clients are made when they are first needed", c.Profile)
		return nil
	}
	_, err = fmt.Fprintln(op.out, id)
	return err
}

// shared makes sure that the profile has its shared app client, and returns its
// id at Cognito, or "" if the profile has none.
func (c *profileApplyCmd) shared(ctx context.Context, d *deployment) (string, error) {
	p, err := d.policy(ctx)
	if err != nil {
		return "", err
	}
	if profile, ok := p.Profile(c.Profile); !ok || profile.AppClient() != policy.SharedAppClient {
		return "", nil
	}
	provisioning, err := registrar.Provisioning(d.config, d.sdk, d.store, d.log)
	if err != nil {
		return "", err
	}
	key := broker.SharedAppClientKey(c.Profile)
	// Interrupted, an app client might be left for the janitor to find.
	if err := provisioning.Provision(context.WithoutCancel(ctx), key); err != nil {
		return "", err
	}
	a, err := d.store.AppClient(ctx, key)
	if err != nil {
		return "", err
	}
	return a.CognitoID, nil
}
