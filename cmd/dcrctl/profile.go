package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/dcr-broker/dcr-broker/internal/adapter/cognito"
	"github.com/dcr-broker/dcr-broker/internal/wire/provision"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

type profileCmd struct {
	Apply profileApplyCmd `cmd:"" help:"Update the app clients of a profile to the configuration in force. Creates the shared app client if it does not exist yet, and prints its id at Cognito."`
}

type profileApplyCmd struct {
	Profile string `arg:"" help:"Name of the profile."`
}

// policy returns the policy in force.
func (d *deployment) policy(ctx context.Context) (*policy.Policy, error) {
	p, err := d.parts.Policy(ctx)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return p, nil
}

// Run prints only the id, so that a script can put it into an allow-list such as
// allowedClients of an AgentCore gateway. Each run prints the same id.
func (c *profileApplyCmd) Run(ctx context.Context, op *operator) error {
	d, err := op.deployment(ctx)
	if err != nil {
		return err
	}
	if d.config.Mode != broker.ModeBrokered {
		return errors.New("profiles have app clients in brokered mode only; set AUTHORIZATION=brokered")
	}
	profile, err := d.profile(ctx, op, c.Profile)
	if err != nil {
		return err
	}
	updated, err := d.Maintainer.ApplyProfile(ctx, profile, d.caller)
	if err != nil {
		return fmt.Errorf("%s updated: %w", plural(updated, "app client", "app clients"), applyFailure(err))
	}
	id, made, err := c.sharedAppClient(ctx, d)
	if err != nil {
		return err
	}
	if op.json {
		return op.writeJSON([]any{struct {
			Profile   string `json:"profile"`
			Updated   int    `json:"updated"`
			Made      int    `json:"made"`
			AppClient string `json:"app_client,omitempty"`
		}{c.Profile, updated, made, id}})
	}
	if made > 0 {
		op.infof("%s made", plural(made, "app client", "app clients"))
	}
	if updated > 0 || made == 0 {
		op.infof("%s updated", plural(updated, "app client", "app clients"))
	}
	if id == "" {
		op.infof("profile %s has no shared app client: its app clients are created when they are first needed", c.Profile)
		return nil
	}
	_, err = fmt.Fprintln(op.out, id)
	return err
}

// sharedAppClient creates the profile's shared app client if it does not exist.
// It returns its id at Cognito, or "" if the profile does not share one, and how
// many app clients it has made.
func (c *profileApplyCmd) sharedAppClient(ctx context.Context, d *deployment) (id string, made int, err error) {
	p, err := d.policy(ctx)
	if err != nil {
		return "", 0, err
	}
	if profile, ok := p.Profile(c.Profile); !ok || profile.AppClient() != policy.SharedAppClient {
		return "", 0, nil
	}
	apps := &countedPool{AppClients: d.AppClients}
	provisioner, err := provision.NewIn(d.parts, apps)
	if err != nil {
		return "", 0, err
	}
	key := broker.SharedAppClientKey(c.Profile)
	// If Ctrl-C interrupted this, it could leave an app client for the janitor
	// to delete.
	if err := provisioner.Provision(context.WithoutCancel(ctx), key); err != nil {
		return "", apps.made, err
	}
	a, err := d.store.AppClient(ctx, key)
	if err != nil {
		return "", apps.made, err
	}
	return a.CognitoID, apps.made, nil
}

// countedPool counts the app clients that it makes. Another process may make the
// one that this command needs.
type countedPool struct {
	*cognito.AppClients
	made int
}

func (p *countedPool) CreateBrokered(ctx context.Context, marker string, spec broker.BrokeredAppClient) (broker.NewAppClient, error) {
	a, err := p.AppClients.CreateBrokered(ctx, marker, spec)
	if err == nil {
		p.made++
	}
	return a, err
}
