package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/direct"
)

type clientAdoptCmd struct {
	ID      string `arg:"" name:"app-client-id" help:"Id of the app client in the user pool."`
	Profile string `required:"" placeholder:"NAME" help:"Profile under which it is registered."`
	confirmation
}

// Run prints the registration access token once.
func (c *clientAdoptCmd) Run(ctx context.Context, op *operator) error {
	d, err := op.deployment(ctx)
	if err != nil {
		return err
	}
	if _, err := d.profile(ctx, op, c.Profile); err != nil {
		return err
	}
	if d.Adopter == nil {
		return errors.New("app clients are adopted in direct mode only; in brokered mode a client can be registered ahead")
	}
	plan, err := d.Adopter.Plan(ctx, c.ID, c.Profile)
	if err != nil {
		return err
	}
	if plan.Adopted {
		return fmt.Errorf("app client %s is registered already: %w", c.ID, broker.ErrExists)
	}
	if err := c.confirmf(ctx, op, "%s\nAdopt this app client?", adoptionPlan(d, plan)); err != nil {
		return err
	}
	// If Ctrl-C interrupted this after the token is stored, the token would be
	// lost.
	info, err := d.Adopter.Adopt(context.WithoutCancel(ctx), c.ID, c.Profile, d.caller)
	if err != nil {
		return err
	}
	err = show(op, info, []field{
		{"client id", info.ClientID}, {"registration access token", info.RegistrationAccessToken}, {"managed at", info.RegistrationClientURI},
	})
	if !op.json {
		op.infof("This is the only time the token is shown. The client secret stays as it is, at Cognito.")
	}
	return err
}

// adoptionPlan returns the text that describes plan to the operator.
func adoptionPlan(d *deployment, plan *direct.Adoption) string {
	a, m := plan.AppClient, plan.AppClient.Metadata
	text := []string{
		fmt.Sprintf("App client %s (%s) of %s becomes a client of profile %s:", a.ID, plain(a.Name), d.config.UserPoolID, plan.Profile),
		"  redirect URIs  " + strings.Join(strings.Split(list(m.RedirectURIs), "\n"), "\n                 "),
		"  grant types    " + strings.Join(m.GrantTypes, " "),
		"  auth method    " + m.TokenEndpointAuthMethod,
		"  scopes         " + plain(m.Scope),
		"The broker adds its mark to the app client's name and changes nothing else. From then on it updates and",
		"deletes the app client like those that it has created.",
	}
	if plan.Exceeds != "" {
		text = append(text, "It has settings that the profile does not allow, and keeps them until it is updated: "+plain(plan.Exceeds)+".")
	}
	return strings.Join(text, "\n")
}
