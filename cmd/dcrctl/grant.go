package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

type grantCmd struct {
	List   grantListCmd   `cmd:"" help:"List grants. With --client or the sub of a user it reads an index; otherwise, and with --ended, the whole table."`
	Revoke grantRevokeCmd `cmd:"" help:"End grants. Their refresh tokens are refused from then on; access tokens work until they expire."`
}

// grantRow is a grant as JSON.
type grantRow struct {
	ID       string `json:"id"`
	State    string `json:"state"`
	ClientID string `json:"client_id"`
	// User is the user's sub.
	User              string    `json:"user"`
	Username          string    `json:"username"`
	Email             string    `json:"email,omitempty"`
	IdentityProviders []string  `json:"identity_providers,omitempty"`
	Scopes            []string  `json:"scopes"`
	Resource          string    `json:"resource,omitempty"`
	CreatedAt         time.Time `json:"created_at"`
	ExpiresAt         time.Time `json:"expires_at,omitzero"`
	EndedAt           time.Time `json:"ended_at,omitzero"`
}

func grantRowOf(g *broker.Grant) grantRow {
	r := grantRow{
		ID: g.ID, State: "standing", ClientID: g.ClientID, User: g.User.Sub, Username: g.User.Username, Email: g.User.Email,
		IdentityProviders: g.User.IdentityProviders, Scopes: g.Scopes, Resource: g.Resource,
		CreatedAt: g.CreatedAt.UTC(), ExpiresAt: g.ExpiresAt.UTC(), EndedAt: g.EndedAt.UTC(),
	}
	switch {
	case !g.EndedAt.IsZero() && g.Unfinished():
		r.State = "ending" // Cognito's refresh token has not been revoked yet
	case !g.EndedAt.IsZero():
		r.State = "ended"
	}
	return r
}

type grantListCmd struct {
	User   string `placeholder:"USER" help:"Only grants of this user: sub, user name or email address."`
	Client string `placeholder:"CLIENT-ID" help:"Only grants of this client."`
	Ended  bool   `help:"List ended grants, too."`
}

func (c *grantListCmd) Run(ctx context.Context, op *operator) error {
	conf, _, store, err := op.tableOnly(ctx)
	if err != nil {
		return err
	}
	if conf.Mode == broker.ModeDirect {
		op.infof("In direct mode there are no grants in the table: Cognito has them.")
	}
	var rows []grantRow
	add := func(g *broker.Grant) {
		if (c.Ended || g.Unfinished()) && (c.Client == "" || g.ClientID == c.Client) && (c.User == "" || matchesUser(g.User, c.User)) {
			rows = append(rows, grantRowOf(g))
		}
	}
	if err := c.read(ctx, op, store, add); err != nil {
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

// read calls visit for every grant that the flags may select. Grants that have
// something left to end are read through the index of their client, or through
// that of their user if c.User is the sub of a user who has such grants.
// Otherwise read reads the whole table.
func (c *grantListCmd) read(ctx context.Context, op *operator, store *records.Store, visit func(*broker.Grant)) error {
	progress := op.progress()
	defer progress.end()
	if c.Client != "" && !c.Ended {
		_, err := visitStanding(ctx, store, store.GrantsOf(ctx, c.Client), visit)
		return err
	}
	if c.User != "" && !c.Ended {
		if n, err := visitStanding(ctx, store, grantsOfUser(ctx, store, c.User), visit); err != nil || n > 0 {
			return err
		}
	}
	read := 0
	for g, err := range store.ListGrants(ctx) {
		if err != nil {
			return err
		}
		read++
		progress.updatef("%d grants read", read)
		visit(g)
	}
	return nil
}

// visitStanding calls visit for the grants with these ids that have something
// left to end, and returns their number. The ids come from an index, which may
// not show the latest writes.
func visitStanding(ctx context.Context, store *records.Store, ids iter.Seq2[string, error], visit func(*broker.Grant)) (int, error) {
	n := 0
	for id, err := range ids {
		if err != nil {
			return n, err
		}
		g, err := store.Grant(ctx, id)
		if errors.Is(err, broker.ErrNotFound) {
			continue
		}
		if err != nil {
			return n, err
		}
		if g.Unfinished() {
			n++
			visit(g)
		}
	}
	return n, nil
}

// grantsOfUser yields the ids of a user's grants that have something left to
// end. It leaves out the user's consents.
func grantsOfUser(ctx context.Context, store *records.Store, sub string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for r, err := range store.OfUser(ctx, sub) {
			if err == nil && r.Grant == "" {
				continue
			}
			if !yield(r.Grant, err) {
				return
			}
		}
	}
}

// matchesUser reports whether s is the sub, user name or email address of u.
func matchesUser(u broker.User, s string) bool {
	return s != "" && (u.Sub == s || u.Username == s || strings.EqualFold(u.Email, s))
}

type grantRevokeCmd struct {
	IDs    []string `arg:"" optional:"" name:"grant-id" help:"Ids of grants, as list shows them."`
	User   string   `placeholder:"USER" help:"All grants of this user: sub, user name or email address."`
	Client string   `placeholder:"CLIENT-ID" help:"All grants of this client. The client can ask its users for consent again; dcrctl client disable prevents that."`
	confirmation
}

// revocation is what grant revoke writes as JSON.
type revocation struct {
	Grant  string `json:"grant,omitempty"`
	User   string `json:"user,omitempty"`
	Client string `json:"client_id,omitempty"`
	// Ended is how many grants were ended.
	Ended int `json:"ended"`
}

func (c *grantRevokeCmd) Run(ctx context.Context, op *operator) error {
	selectors := 0
	for _, given := range []bool{len(c.IDs) > 0, c.User != "", c.Client != ""} {
		if given {
			selectors++
		}
	}
	if selectors != 1 {
		return usagef("name the grants by their ids, by --user or by --client")
	}
	d, err := op.deployment(ctx)
	if err != nil {
		return err
	}
	if d.config.Mode == broker.ModeDirect {
		return errors.New("in direct mode there are no grants in the table; to revoke a user's tokens at Cognito, run aws cognito-idp admin-user-global-sign-out")
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
		op.infof("%s ended", plural(ended, "grant", "grants"))
	}
	return err
}

func (c *grantRevokeCmd) revoke(ctx context.Context, op *operator, d *deployment) ([]revocation, error) {
	if c.Client != "" {
		if _, err := clientOf(ctx, d.store, c.Client); err != nil {
			return nil, err
		}
		n, err := countGrants(ctx, d.store, c.Client)
		if err != nil {
			return nil, err
		}
		if err := c.confirmf(ctx, op, "End %s of client %s?", plural(n, "grant", "grants"), c.Client); err != nil {
			return nil, err
		}
		n, err = d.Operator.EndGrantsOfClient(ctx, c.Client, d.caller)
		return []revocation{{Client: c.Client, Ended: n}}, err
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
	if err := c.confirmf(ctx, op, "End %s?", plural(len(c.IDs), "grant", "grants")); err != nil {
		return nil, err
	}
	var rows []revocation
	var errs []error
	for _, id := range c.IDs {
		if err := d.Operator.EndGrant(ctx, id, d.caller); err != nil {
			errs = append(errs, err)
			continue
		}
		rows = append(rows, revocation{Grant: id, Ended: 1})
	}
	return rows, several(len(c.IDs), errs)
}

// revokeOfUser ends the grants of one user and forgets the user's consents. It
// returns an error if c.User matches several: users of different identity
// providers can have the same name. A user without grants is found by the sub
// only.
func (c *grantRevokeCmd) revokeOfUser(ctx context.Context, op *operator, d *deployment) ([]revocation, error) {
	subs := make(map[string]bool)
	collect := func(g *broker.Grant) {
		if g.Unfinished() && matchesUser(g.User, c.User) {
			subs[g.User.Sub] = true
		}
	}
	if err := (&grantListCmd{User: c.User}).read(ctx, op, d.store, collect); err != nil {
		return nil, err
	}
	var sub string
	switch len(subs) {
	case 0:
		for _, err := range d.store.OfUser(ctx, c.User) {
			if err != nil {
				return nil, err
			}
			sub = c.User
		}
		if sub == "" {
			return nil, missing(fmt.Errorf("no grants of a user %q", clip(c.User, 140)))
		}
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
		return nil, fmt.Errorf("%q matches several users; name one by its sub: %s", clip(c.User, 140), strings.Join(all, ", "))
	}
	// Grants of the user that have another name or address end, too.
	n, err := visitStanding(ctx, d.store, grantsOfUser(ctx, d.store, sub), func(*broker.Grant) {})
	if err != nil {
		return nil, err
	}
	if err := c.confirmf(ctx, op, "End %s of user %s (%s), and forget all consents?", plural(n, "grant", "grants"), sub, plain(c.User)); err != nil {
		return nil, err
	}
	n, err = d.Operator.EndGrantsOfUser(ctx, sub, d.caller)
	return []revocation{{User: sub, Ended: n}}, err
}
