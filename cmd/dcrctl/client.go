package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

type clientCmd struct {
	List    clientListCmd    `cmd:"" help:"List registered clients."`
	Show    clientShowCmd    `cmd:"" help:"Show a client, what it registered, and its app client."`
	Approve clientApproveCmd `cmd:"" help:"Approve clients that wait for approval (approval: manual), after showing what they registered."`
	Disable clientDisableCmd `cmd:"" help:"Disable clients and end their grants. In brokered mode they cannot come back by registering openly again; revoke the initial access token of those that have one. In direct mode they can, and their app clients still work at Cognito: use client delete there."`
	Enable  clientEnableCmd  `cmd:"" help:"Enable disabled clients, after showing what they registered. Users are asked for consent again."`
	Delete  clientDeleteCmd  `cmd:"" help:"Delete clients permanently, with their grants and the app clients that only they use."`
	Create  clientCreateCmd  `cmd:"" help:"Register a client that cannot register itself, with a fixed id and secret (brokered mode)."`
	Adopt   clientAdoptCmd   `cmd:"" help:"Register an existing app client under its own id. From then on the broker manages it (direct mode)."`
}

// clientRow is a client as JSON.
type clientRow struct {
	ClientID           string                   `json:"client_id"`
	State              broker.RegistrationState `json:"state"`
	Mode               broker.Mode              `json:"mode"`
	Profile            string                   `json:"profile"`
	ClientName         string                   `json:"client_name,omitempty"`
	InitialAccessToken string                   `json:"initial_access_token,omitempty"`
	CreatedBy          string                   `json:"created_by,omitempty"`
	IssuedAt           time.Time                `json:"issued_at"`
	LastUsedAt         time.Time                `json:"last_used_at,omitzero"`
	// ActiveSince is the time of the first use, the approval or the enabling,
	// whichever came last.
	ActiveSince time.Time `json:"active_since,omitzero"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
}

func clientRowOf(r *broker.Registration) clientRow {
	return clientRow{
		ClientID: r.ClientID, State: r.State, Mode: r.Mode, Profile: r.Profile, ClientName: r.Metadata.ClientName,
		InitialAccessToken: string(r.Voucher), CreatedBy: r.CreatedBy,
		IssuedAt: r.IssuedAt.UTC(), LastUsedAt: r.LastUsedAt.UTC(), ActiveSince: r.ActiveSince.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
	}
}

// registeredBy returns what authorized the registration: an operator, a signed
// token, an initial access token, or nothing (open registration).
func (r clientRow) registeredBy() string {
	switch {
	case r.CreatedBy != "":
		return "operator " + shortName(r.CreatedBy)
	case strings.HasPrefix(r.InitialAccessToken, "jwt/"):
		return r.InitialAccessToken
	case r.InitialAccessToken != "":
		return "token " + r.InitialAccessToken
	}
	return "open"
}

// lastActive returns the time of the last use. The first use and the approval set
// ActiveSince only.
func (r clientRow) lastActive() string {
	last := r.LastUsedAt
	if r.ActiveSince.After(last) {
		last = r.ActiveSince
	}
	return stamp(last, "never")
}

var clientColumns = []column[clientRow]{
	{"CLIENT", func(r clientRow) string { return r.ClientID }},
	{"STATE", func(r clientRow) string { return string(r.State) }},
	{"PROFILE", func(r clientRow) string { return r.Profile }},
	{"REGISTERED", func(r clientRow) string { return stamp(r.IssuedAt, "") }},
	{"LAST ACTIVE", func(r clientRow) string { return r.lastActive() }},
	{"BY", func(r clientRow) string { return clip(r.registeredBy(), 20) }},
	{"NAME", func(r clientRow) string { return r.ClientName }},
}

type clientListCmd struct {
	State   string `enum:",active,pending,disabled,deleting,deleted,removed" default:"" placeholder:"STATE" help:"Only clients in this state: active, pending, disabled, deleting, deleted, removed."`
	Profile string `placeholder:"NAME" help:"Only clients of this profile."`
	Unused  bool   `help:"Also open registrations that no user has used yet. This reads the whole table."`
}

func (c *clientListCmd) Run(ctx context.Context, op *operator) error {
	_, _, store, err := op.tableOnly(ctx)
	if err != nil {
		return err
	}
	progress := op.progress()
	defer progress.end()
	var rows []clientRow
	read := 0
	list := store.ListRegistrations
	if c.Unused {
		list = store.ListAllRegistrations
	}
	for r, err := range list(ctx) {
		if err != nil {
			return err
		}
		read++
		progress.updatef("%d clients read", read)
		if (c.State == "" || string(r.State) == c.State) && (c.Profile == "" || r.Profile == c.Profile) {
			rows = append(rows, clientRowOf(r))
		}
	}
	progress.end()
	slices.SortFunc(rows, func(a, b clientRow) int {
		return cmp.Or(b.IssuedAt.Compare(a.IssuedAt), cmp.Compare(a.ClientID, b.ClientID))
	})
	return emit(op, rows, "No such clients.", clientColumns)
}

type clientShowCmd struct {
	ID string `arg:"" name:"client-id" help:"Client id."`
}

// clientDetail is what client show writes as JSON.
type clientDetail struct {
	clientRow
	Metadata dcr.ClientMetadata `json:"metadata"`
	// Digest is the digest of the metadata that an approval covers.
	Digest string `json:"digest"`
	// Grants is the number of grants that have not ended, or have ended but
	// still have a refresh token to revoke at Cognito.
	Grants    int           `json:"grants"`
	AppClient *appClientRow `json:"app_client,omitempty"`
}

type appClientRow struct {
	Key       string                `json:"key"`
	CognitoID string                `json:"cognito_id,omitempty"`
	State     broker.AppClientState `json:"state"`
	Scopes    []string              `json:"scopes,omitempty"`
	// Shared reports whether all clients of the profile use the app client.
	Shared bool `json:"shared"`
}

func (c *clientShowCmd) Run(ctx context.Context, op *operator) error {
	_, _, store, err := op.tableOnly(ctx)
	if err != nil {
		return err
	}
	r, err := clientOf(ctx, store, c.ID)
	if err != nil {
		return err
	}
	d := clientDetail{clientRow: clientRowOf(r), Metadata: r.Metadata, Digest: broker.MetadataDigest(r.Metadata)}
	if d.Grants, err = countGrants(ctx, store, r.ClientID); err != nil {
		return err
	}
	if d.AppClient, err = appClientOf(ctx, store, r); err != nil {
		return err
	}
	fields := append(clientFields(r), field{"grants", strconv.Itoa(d.Grants)})
	if a := d.AppClient; a != nil {
		text := fmt.Sprintf("%s, %s", cmp.Or(a.CognitoID, "not created yet"), a.State)
		if a.Shared {
			text += ", shared by the profile"
		}
		fields = append(fields, field{"app client", text})
	}
	return show(op, d, fields)
}

// clientFields are the lines that describe a client: with everything that its
// digest covers.
func clientFields(r *broker.Registration) []field {
	row, m := clientRowOf(r), r.Metadata
	fields := []field{
		{"client id", r.ClientID}, {"state", string(r.State)}, {"mode", string(r.Mode)}, {"profile", r.Profile}, {"registered by", row.registeredBy()},
		{"registered", stamp(r.IssuedAt, "")}, {"last active", row.lastActive()}, {"expires", stamp(r.ExpiresAt, "")},
		{"name", oneLine(m.ClientName)}, {"client uri", oneLine(m.ClientURI)}, {"policy uri", oneLine(m.PolicyURI)}, {"tos uri", oneLine(m.TOSURI)},
	}
	for _, name := range slices.Sorted(maps.Keys(m.Localized)) {
		fields = append(fields, field{oneLine(name), oneLine(m.Localized[name])})
	}
	return append(fields,
		field{"redirect uris", list(m.RedirectURIs)}, field{"grant types", strings.Join(m.GrantTypes, " ")},
		field{"auth method", m.TokenEndpointAuthMethod}, field{"keys", oneLine(cmp.Or(m.JWKSURI, string(m.JWKS)))}, field{"scope", oneLine(m.Scope)},
		field{"digest", broker.MetadataDigest(m)},
	)
}

// oneLine escapes the line ends of s, which show would leave as they are.
func oneLine(s string) string { return plain(s) }

// list returns the values for show, each on a line.
func list(all []string) string {
	escaped := make([]string, len(all))
	for i, s := range all {
		escaped[i] = plain(s)
	}
	return strings.Join(escaped, "\n")
}

// clientOf returns a registration in any state.
func clientOf(ctx context.Context, store *records.Store, id string) (*broker.Registration, error) {
	r, err := store.Registration(ctx, id)
	if errors.Is(err, broker.ErrNotFound) {
		return nil, fmt.Errorf("no client %q; dcrctl client list shows them: %w", clip(id, 140), err)
	}
	return r, err
}

// countGrants returns the number of a client's grants that have not ended, or
// have ended but still have a refresh token to revoke at Cognito.
func countGrants(ctx context.Context, store *records.Store, clientID string) (int, error) {
	n := 0
	for _, err := range store.GrantsOf(ctx, clientID) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// appClientOf returns the app client that serves a client, or nil if there is
// none.
func appClientOf(ctx context.Context, store *records.Store, r *broker.Registration) (*appClientRow, error) {
	keys := []string{r.AppClient}
	if r.Mode == broker.ModeBrokered {
		keys = []string{broker.DedicatedAppClientKey(r.ClientID, r.Generation), broker.SharedAppClientKey(r.Profile)}
	}
	for i, key := range keys {
		if key == "" {
			continue
		}
		a, err := store.AppClient(ctx, key)
		if errors.Is(err, broker.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &appClientRow{Key: a.Key, CognitoID: a.CognitoID, State: a.State, Scopes: a.Scopes, Shared: i == 1}, nil
	}
	return nil, nil
}

// clientIDs are the arguments of commands that change clients.
type clientIDs struct {
	IDs []string `arg:"" name:"client-id" help:"Client ids."`
}

// each calls f for each client, also after f has failed for one, and writes the
// registrations that f returns.
func (c clientIDs) each(op *operator, past string, f func(id string) (*broker.Registration, error)) error {
	var rows []clientRow
	var errs []error
	for _, id := range c.IDs {
		r, err := f(id)
		if err != nil {
			errs = append(errs, err)
		}
		if r == nil {
			continue
		}
		rows = append(rows, clientRowOf(r))
		if !op.json {
			op.infof("%s %s: it is %s", past, r.ClientID, r.State)
		}
	}
	err := several(len(c.IDs), errs)
	if op.json {
		err = errors.Join(err, emit(op, rows, "", clientColumns))
	}
	return err
}

// confirm lists the clients and asks for confirmation before they are changed.
func (c clientIDs) confirm(ctx context.Context, op *operator, d *deployment, flag confirmation, question string) error {
	if flag.Yes {
		return nil
	}
	var text strings.Builder
	var missing []error
	for _, id := range c.IDs {
		r, err := clientOf(ctx, d.store, id)
		if errors.Is(err, broker.ErrNotFound) {
			missing = append(missing, err)
			continue
		}
		if err != nil {
			return err
		}
		n, err := countGrants(ctx, d.store, r.ClientID)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s  %s, profile %s, %s, %s\n", r.ClientID, r.State, r.Profile, plural(n, "grant", "grants"), cmp.Or(plain(clip(r.Metadata.ClientName, maxCell)), "no name"))
	}
	if err := several(len(c.IDs), missing); err != nil {
		return err
	}
	return flag.confirmf(ctx, op, "%s%s", text.String(), question)
}

type clientDisableCmd struct {
	clientIDs
	confirmation
}

func (c *clientDisableCmd) Run(ctx context.Context, op *operator) error {
	d, err := op.deployment(ctx)
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, op, d, c.confirmation, number(len(c.IDs), "Disable this client and end its grants?", "Disable these clients and end their grants?")); err != nil {
		return err
	}
	return c.each(op, "disabled", func(id string) (*broker.Registration, error) { return d.Operator.Disable(ctx, id, d.caller) })
}

type clientDeleteCmd struct {
	clientIDs
	confirmation
}

func (c *clientDeleteCmd) Run(ctx context.Context, op *operator) error {
	d, err := op.deployment(ctx)
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, op, d, c.confirmation, number(len(c.IDs), "Delete this client permanently? Its id stays refused.", "Delete these clients permanently? Their ids stay refused.")); err != nil {
		return err
	}
	return c.each(op, "deleted", func(id string) (*broker.Registration, error) { return d.Operator.Delete(ctx, id, d.caller) })
}
