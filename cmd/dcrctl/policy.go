package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/adapter/signed"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

type policyCmd struct {
	Lint policyLintCmd `cmd:"" help:"Report every fault of a policy document."`
	Show policyShowCmd `cmd:"" help:"Show the profiles of a policy document, with defaults filled in."`
	Test policyTestCmd `cmd:"" help:"Show what a registration would get under a policy document, and why."`
}

// policyDocument has the arguments that name a document and the deployment for
// which it is checked.
type policyDocument struct {
	File   string `arg:"" help:"The document: a file, secretsmanager:ID, or default for the built-in one."`
	Scopes string `placeholder:"SCOPES" help:"Scopes of the deployment, separated by spaces. Default: SCOPES in the environment."`
	Mode   string `enum:",brokered,direct" default:"" placeholder:"MODE" help:"brokered or direct. Default: AUTHORIZATION in the environment, otherwise brokered."`
}

// read reads and checks the document. If the document has faults, the error is a
// *strict.Error.
func (d *policyDocument) read(ctx context.Context, op *operator) (*policy.Policy, broker.Mode, error) {
	mode := broker.Mode(cmp.Or(d.Mode, op.getenv("AUTHORIZATION"), string(broker.ModeBrokered)))
	scopes := strings.Fields(cmp.Or(d.Scopes, op.getenv("SCOPES")))
	if len(scopes) == 0 {
		return nil, mode, usagef("a policy is checked against the scopes of a deployment: set SCOPES, or --scopes \"openid mcp/read\"")
	}
	body := policy.Default()
	if d.File != "default" {
		var sdk aws.Config
		if _, err := signed.Document(d.File, sdk); err != nil {
			return nil, mode, &usageError{err.Error()}
		}
		if strings.HasPrefix(d.File, "secretsmanager:") {
			var err error
			if sdk, err = op.sdk(ctx, op.getenv("AWS_REGION")); err != nil {
				return nil, mode, err
			}
		}
		fetch, err := signed.Document(d.File, sdk)
		if err != nil {
			return nil, mode, &usageError{err.Error()}
		}
		if body, err = fetch(ctx); err != nil {
			return nil, mode, err
		}
	}
	p, err := policy.Parse(body, mode, scopes)
	return p, mode, err
}

type policyLintCmd struct{ policyDocument }

// fault is a fault of a document, as JSON.
type fault struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

func (c *policyLintCmd) Run(ctx context.Context, op *operator) error {
	p, mode, err := c.read(ctx, op)
	parseError, invalid := errors.AsType[*strict.Error](err)
	if err != nil && !invalid {
		return err
	}
	faults := []fault{}
	if invalid {
		for _, f := range parseError.Faults {
			faults = append(faults, fault{f.Path, f.Message})
		}
	}
	if op.json {
		if err := op.writeJSON(faults); err != nil {
			return err
		}
	} else {
		for _, f := range faults {
			fmt.Fprintln(op.out, plain(strict.Fault{Path: f.Path, Message: f.Message}.String()))
		}
	}
	if invalid {
		op.infof("%s in %s", plural(len(faults), "fault", "faults"), c.File)
		return errFailed
	}
	op.infof("%s is valid for %s mode; profiles: %s", c.File, mode, strings.Join(p.Profiles(), ", "))
	return nil
}

type policyShowCmd struct{ policyDocument }

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

func (c *policyShowCmd) Run(ctx context.Context, op *operator) error {
	p, _, err := c.read(ctx, op)
	if err != nil {
		return err
	}
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
		field{"limits", fmt.Sprintf("app clients %s, creations an hour %s for each redirect host, %s for each token",
			limit(r.AppClients), limit(r.CreationsPerHour), limit(r.CreationsPerHourPerToken))},
		field{"lifetimes", fmt.Sprintf("unconfirmed %s, inactive %s, absolute %s", lifetime(r.Unconfirmed), lifetime(r.Inactive), lifetime(r.Absolute))})
}

func limit(n int) string {
	if n == 0 {
		return "unlimited"
	}
	return strconv.Itoa(n)
}

// lifetime formats seconds as a policy document does.
func lifetime(s int64) string {
	switch {
	case s == 0:
		return "unlimited"
	case s%86400 == 0:
		return strconv.FormatInt(s/86400, 10) + "d"
	}
	return strconv.FormatInt(s/3600, 10) + "h"
}
