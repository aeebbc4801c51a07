package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

type configProfilesCmd struct {
	File string `arg:"" optional:"" help:"The document: a file, or - for standard input. Default: the configuration in force."`
	modeFlag
}

// profileRow is a profile as JSON. Lifetimes are in seconds. A lifetime or limit
// of 0 is unlimited.
type profileRow struct {
	Profile                  string   `json:"profile"`
	Open                     bool     `json:"open"`
	RedirectURIs             string   `json:"redirect_uris"`
	GrantTypes               []string `json:"grant_types"`
	AuthMethods              []string `json:"token_endpoint_auth_methods"`
	Scopes                   []string `json:"scopes"`
	DefaultScopes            []string `json:"default_scopes"`
	AppClient                string   `json:"app_client"`
	Approval                 string   `json:"approval"`
	Consent                  string   `json:"consent,omitempty"`
	Groups                   []string `json:"groups,omitempty"`
	IdentityProviders        []string `json:"identity_providers,omitempty"`
	SoftwareStatements       string   `json:"software_statements"`
	AppClients               int      `json:"limit_app_clients"`
	CreationsPerHour         int      `json:"limit_creations_per_hour"`
	CreationsPerHourPerToken int      `json:"limit_creations_per_hour_per_token"`
	Unconfirmed              int64    `json:"lifetime_unconfirmed"`
	Inactive                 int64    `json:"lifetime_inactive"`
	Absolute                 int64    `json:"lifetime_absolute"`
}

func profileRowOf(p *policy.Profile) profileRow {
	l, life, users := p.Limits(), p.Lifetimes(), p.Users()
	return profileRow{
		Profile: p.Name(), Open: p.Open(), RedirectURIs: p.RedirectURIs(), GrantTypes: p.GrantTypes(), AuthMethods: p.AuthMethods(),
		Scopes: p.Scopes(), DefaultScopes: p.DefaultScopes(), AppClient: cmp.Or(string(p.AppClient()), "own"),
		Approval: cmp.Or(string(p.Approval()), string(policy.ApprovalNone)), Consent: string(p.Consent()),
		Groups: users.Groups, IdentityProviders: users.IdentityProviders, SoftwareStatements: string(p.SoftwareStatements()),
		AppClients: l.AppClients, CreationsPerHour: l.CreationsPerHour, CreationsPerHourPerToken: l.CreationsPerHourPerToken,
		Unconfirmed: seconds(life.Unconfirmed), Inactive: seconds(life.Inactive), Absolute: seconds(life.Absolute),
	}
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

func (c *configProfilesCmd) Run(ctx context.Context, op *operator) error {
	conf, _, err := c.configuration(ctx, op, c.File)
	if err != nil {
		return err
	}
	p := conf.Policy
	var rows []profileRow
	for _, name := range p.Profiles() {
		profile, _ := p.Profile(name)
		rows = append(rows, profileRowOf(profile))
	}
	if op.json {
		return op.writeJSON(rows)
	}
	open, hasOpen := p.Open()
	if hasOpen {
		op.infof("Open registration gets the profile %s.", open.Name())
	} else {
		op.infof("Open registration is off: every registration needs an initial access token.")
	}
	for i, r := range rows {
		if i > 0 {
			fmt.Fprintln(op.out)
		}
		if err := show(op, r, r.fields()); err != nil {
			return err
		}
	}
	return nil
}

func (r profileRow) fields() []field {
	fields := []field{
		{"profile", r.Profile},
		{"redirect uris", strings.Join(strings.Split(cmp.Or(r.RedirectURIs, "none"), "; "), "\n")},
		{"grant types", strings.Join(r.GrantTypes, " ")},
		{"auth methods", strings.Join(r.AuthMethods, " ")},
		{"scopes", strings.Join(r.Scopes, " ")},
	}
	if !slices.Equal(r.Scopes, r.DefaultScopes) && !r.Open {
		fields = append(fields, field{"default scopes", strings.Join(r.DefaultScopes, " ")})
	}
	who := "every user of the pool"
	switch {
	case len(r.Groups) > 0 && len(r.IdentityProviders) > 0:
		who = "groups " + strings.Join(r.Groups, ", ") + ", and of these only users of " + strings.Join(r.IdentityProviders, ", ")
	case len(r.Groups) > 0:
		who = "groups " + strings.Join(r.Groups, ", ")
	case len(r.IdentityProviders) > 0:
		who = "users of " + strings.Join(r.IdentityProviders, ", ")
	}
	return append(fields,
		field{"app client", r.AppClient}, field{"approval", r.Approval}, field{"consent", r.Consent}, field{"who may consent", who},
		field{"statements", r.SoftwareStatements},
		field{"limits", fmt.Sprintf("app clients %s, creations an hour %s for each redirect rule, %s for each token",
			limit(r.AppClients), limit(r.CreationsPerHour), limit(r.CreationsPerHourPerToken))},
		field{"lifetimes", fmt.Sprintf("unconfirmed %s, inactive %s, absolute %s", lifetime(r.Unconfirmed), lifetime(r.Inactive), lifetime(r.Absolute))})
}

func limit(n int) string {
	if n == 0 {
		return "unlimited"
	}
	return strconv.Itoa(n)
}

// lifetime formats seconds as a document does.
func lifetime(s int64) string {
	switch {
	case s == 0:
		return "unlimited"
	case s%86400 == 0:
		return strconv.FormatInt(s/86400, 10) + "d"
	}
	return strconv.FormatInt(s/3600, 10) + "h"
}
