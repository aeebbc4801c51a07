package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

type grantCmd struct {
	List   grantListCmd   `cmd:"" help:"List grants. Without --client it reads the whole table."`
	Revoke grantRevokeCmd `cmd:"" help:"End grants: refresh tokens are refused from then on. Access tokens work until they expire."`
}

// grantRow is a grant as JSON.
type grantRow struct {
	ID       string `json:"id"`
	State    string `json:"state"`
	ClientID string `json:"client_id"`
	// User is the sub.
	User             string    `json:"user"`
	Username         string    `json:"username"`
	Email            string    `json:"email,omitempty"`
	IdentityProvider string    `json:"identity_provider,omitempty"`
	Scopes           []string  `json:"scopes"`
	Resource         string    `json:"resource,omitempty"`
	CreatedAt        time.Time `json:"created_at"`
	ExpiresAt        time.Time `json:"expires_at,omitzero"`
	EndedAt          time.Time `json:"ended_at,omitzero"`
}

func grantRowOf(g *broker.Grant) grantRow {
	r := grantRow{
		ID: g.ID, State: "standing", ClientID: g.ClientID, User: g.User.Sub, Username: g.User.Username, Email: g.User.Email,
		IdentityProvider: g.User.IdentityProvider, Scopes: g.Scopes, Resource: g.Resource,
		CreatedAt: g.CreatedAt.UTC(), ExpiresAt: g.ExpiresAt.UTC(), EndedAt: g.EndedAt.UTC(),
	}
	switch {
	case !g.EndedAt.IsZero() && g.Standing():
		r.State = "ending" // Cognito's refresh token is still to be revoked
	case !g.EndedAt.IsZero():
		r.State = "ended"
	}
	return r
}

type grantListCmd struct {
	User   string `placeholder:"USER" help:"Only those of this user: sub, user name or email address."`
	Client string `placeholder:"CLIENT-ID" help:"Only those of this client."`
	Ended  bool   `help:"Also those that have ended."`
}

func (c *grantListCmd) Run(ctx context.Context, op *operator) error {
	conf, _, store, err := op.tableOnly(ctx)
	if err != nil {
		return err
	}
	if conf.Mode == broker.ModeDirect {
		op.note("In direct mode there are no grants here: Cognito keeps its own.")
	}
	var rows []grantRow
	keep := func(g *broker.Grant) {
		if (c.Ended || g.Standing()) && (c.Client == "" || g.ClientID == c.Client) && (c.User == "" || isUser(g.User, c.User)) {
			rows = append(rows, grantRowOf(g))
		}
	}
	if err := c.read(ctx, op, store, keep); err != nil {
		return err
	}
	slices.SortFunc(rows, func(a, b grantRow) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID)) })
	return emit(op, rows, "No such grants.", []column[grantRow]{
		{"GRANT", func(g grantRow) string { return g.ID }},
		{"STATE", func(g grantRow) string { return g.State }},
		{"USER", func(g grantRow) string { return g.User }},
		{"NAME", func(g grantRow) string { return clip(plain(cmp.Or(g.Email, g.Username)), 24) }},
		{"CLIENT", func(g grantRow) string { return g.ClientID }},
		{"CREATED", func(g grantRow) string { return stamp(g.CreatedAt, "") }},
		{"SCOPES", func(g grantRow) string { return strings.Join(g.Scopes, " ") }},
	})
}

// read passes on all grants that may be wanted, by the index where that has them.
func (c *grantListCmd) read(ctx context.Context, op *operator, store *dynamo.Store, keep func(*broker.Grant)) error {
	progress := op.progress()
	defer progress.end()
	if c.Client != "" && !c.Ended {
		for id, err := range store.GrantsOf(ctx, c.Client) {
			if err != nil {
				return err
			}
			g, err := store.Grant(ctx, id)
			if errors.Is(err, broker.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			keep(g)
		}
		return nil
	}
	read := 0
	for g, err := range store.ListGrants(ctx) {
		if err != nil {
			return err
		}
		read++
		progress.say("%d grants read", read)
		keep(g)
	}
	return nil
}

// isUser reports whether that is the sub, name or address of u.
func isUser(u broker.User, s string) bool {
	return s != "" && (u.Sub == s || u.Username == s || strings.EqualFold(u.Email, s))
}

type grantRevokeCmd struct {
	IDs    []string `arg:"" optional:"" name:"grant-id" help:"Grants, as list shows them."`
	User   string   `placeholder:"USER" help:"All grants of this user: sub, user name or email address."`
	Client string   `placeholder:"CLIENT-ID" help:"All grants of this client. It can ask its users again; dcrctl client disable stops it."`
	confirmation
}

// revoked is what was done, as JSON.
type revoked struct {
	Grant  string `json:"grant,omitempty"`
	User   string `json:"user,omitempty"`
	Client string `json:"client_id,omitempty"`
	// Ended is how many grants have been ended.
	Ended int `json:"ended"`
}

func (c *grantRevokeCmd) Run(ctx context.Context, op *operator) error {
	ways := 0
	for _, given := range []bool{len(c.IDs) > 0, c.User != "", c.Client != ""} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return usagef("say which grants: their ids, or --user, or --client")
	}
	d, err := op.deployment(ctx)
	if err != nil {
		return err
	}
	if d.config.Mode == broker.ModeDirect {
		return errors.New("in direct mode there are no grants here; Cognito's are ended with aws cognito-idp admin-user-global-sign-out")
	}
	rows, err := c.revoke(ctx, op, d)
	if op.json && !errors.Is(err, errNotConfirmed) {
		return errors.Join(err, emit(op, rows, "", nil))
	}
	ended := 0
	for _, r := range rows {
		ended += r.Ended
	}
	if len(rows) > 0 {
		op.note("%s ended", plural(ended, "grant", "grants"))
	}
	return err
}

func (c *grantRevokeCmd) revoke(ctx context.Context, op *operator, d *deployment) ([]revoked, error) {
	if c.Client != "" {
		if _, err := clientOf(ctx, d.store, c.Client); err != nil {
			return nil, err
		}
		n, err := grantsOf(ctx, d.store, c.Client)
		if err != nil {
			return nil, err
		}
		if err := c.ask(ctx, op, "End %s of client %s?", plural(n, "grant", "grants"), c.Client); err != nil {
			return nil, err
		}
		n, err = d.service.EndGrantsOfClient(ctx, c.Client, d.by)
		return []revoked{{Client: c.Client, Ended: n}}, err
	}
	if c.User != "" {
		return c.revokeOfUser(ctx, op, d)
	}
	var missing []error
	for _, id := range c.IDs {
		if _, err := d.store.Grant(ctx, id); err != nil {
			missing = append(missing, fmt.Errorf("grant %s: %w", clip(id, 140), err))
		}
	}
	if err := several(len(c.IDs), missing); err != nil {
		return nil, err
	}
	if err := c.ask(ctx, op, "End %s?", plural(len(c.IDs), "grant", "grants")); err != nil {
		return nil, err
	}
	var rows []revoked
	var errs []error
	for _, id := range c.IDs {
		if err := d.service.EndGrant(ctx, id, d.by); err != nil {
			errs = append(errs, err)
			continue
		}
		rows = append(rows, revoked{Grant: id, Ended: 1})
	}
	return rows, several(len(c.IDs), errs)
}

// revokeOfUser finds out who the user is before: a name may be that of one user
// at one identity provider and of another at another.
func (c *grantRevokeCmd) revokeOfUser(ctx context.Context, op *operator, d *deployment) ([]revoked, error) {
	subs := make(map[string]int)
	count := func(g *broker.Grant) {
		if g.Standing() && isUser(g.User, c.User) {
			subs[g.User.Sub]++
		}
	}
	if err := (&grantListCmd{User: c.User}).read(ctx, op, d.store, count); err != nil {
		return nil, err
	}
	var sub string
	switch len(subs) {
	case 0:
		return nil, fmt.Errorf("no grants of a user %q: %w", clip(c.User, 140), broker.ErrNotFound)
	case 1:
		for s := range subs {
			sub = s
		}
	default:
		all := make([]string, 0, len(subs))
		for s := range subs {
			all = append(all, s)
		}
		slices.Sort(all)
		return nil, fmt.Errorf("%q are several users; name one by its sub: %s", clip(c.User, 140), strings.Join(all, ", "))
	}
	if err := c.ask(ctx, op, "End %s of user %s (%s)?", plural(subs[sub], "grant", "grants"), sub, plain(c.User)); err != nil {
		return nil, err
	}
	n, err := d.service.EndGrantsOfUser(ctx, sub, d.by)
	return []revoked{{User: sub, Ended: n}}, err
}
