package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

type iatCmd struct {
	Create iatCreateCmd `cmd:"" help:"Create a token. It is printed once and cannot be shown again."`
	List   iatListCmd   `cmd:"" help:"List all tokens and how often they were used."`
	Show   iatShowCmd   `cmd:"" help:"Show the record of a token and the clients that were registered with it, but not the token itself."`
	Revoke iatRevokeCmd `cmd:"" help:"Revoke a token. Clients that were registered with it stay registered."`
}

type iatCreateCmd struct {
	Profile   string        `required:"" placeholder:"NAME" help:"Profile of the clients that register with the token."`
	Label     string        `placeholder:"TEXT" help:"What the token is for; list shows it."`
	ExpiresIn time.Duration `default:"720h" help:"How long the token is valid, such as 24h; 0 means that it does not expire."`
	Uses      int           `default:"1" help:"How many registrations the token allows, 1 to 1000; 0 means any number."`
	CreatedBy string        `placeholder:"WHO" help:"Person or system that the token is created for, or by. Default: the identity of the AWS credentials."`
}

// Run prints only the token on standard output, so that it can be piped to where
// it is needed without being displayed.
func (c *iatCreateCmd) Run(ctx context.Context, op *operator) error {
	conf, sdk, store, err := op.tableOnly(ctx)
	if err != nil {
		return err
	}
	current, err := wire.Configuration(conf, store.Configuration(), op.now, slog.New(slog.DiscardHandler)).Get(ctx)
	if err != nil {
		return err
	}
	if _, ok := current.Policy.Profile(c.Profile); !ok {
		return missing(fmt.Errorf("no profile %q in the configuration; it has %s", c.Profile, strings.Join(current.Policy.Profiles(), ", ")))
	}
	log, err := op.log()
	if err != nil {
		return err
	}
	caller := op.caller(ctx, sdk)
	tok, rec, err := credential.NewInitialAccessToken(credential.Terms{
		Label: c.Label, Profile: c.Profile, CreatedBy: cmp.Or(c.CreatedBy, caller), Lifetime: c.ExpiresIn, MaxUses: c.Uses,
	}, op.now())
	if err != nil {
		return &usageError{err.Error()}
	}
	if err := store.CreateInitialAccessToken(ctx, rec); err != nil {
		return err
	}
	telemetry.Audit{
		Event: telemetry.TokenCreated, Actor: telemetry.Actor{Kind: "operator", ID: caller}, Profile: rec.Profile, InitialAccessToken: rec.ID,
		After: []slog.Attr{slog.Int("max_uses", rec.MaxUses), slog.String("label", rec.Label), slog.String("expires_at", stamp(rec.ExpiresAt, "never"))},
	}.Log(ctx, log)
	if op.json {
		row := tokenRowOf(rec, op.now())
		return op.writeJSON([]any{struct {
			tokenRow
			Token string `json:"token"`
		}{row, tok.Reveal()}})
	}
	fmt.Fprintln(op.out, tok.Reveal())
	op.infof("id %s, profile %s, %s, %s; this is the only time the token is shown", rec.ID, rec.Profile, allowedUses(rec), expiry(rec))
	return nil
}

// tokenRow is a token as JSON.
type tokenRow struct {
	ID        string    `json:"id"`
	State     string    `json:"state"`
	Profile   string    `json:"profile"`
	Label     string    `json:"label"`
	CreatedBy string    `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	// Uses is how often the token was used, of MaxUses times. If MaxUses is 0 the
	// token can be used any number of times, and uses are not counted.
	Uses    int `json:"uses"`
	MaxUses int `json:"max_uses"`
}

func tokenRowOf(t *credential.InitialAccessToken, now time.Time) tokenRow {
	return tokenRow{
		ID: t.ID, State: t.State(now), Profile: t.Profile, Label: t.Label, CreatedBy: t.CreatedBy,
		CreatedAt: t.CreatedAt.UTC(), ExpiresAt: t.ExpiresAt.UTC(), RevokedAt: t.RevokedAt.UTC(), Uses: t.Uses, MaxUses: t.MaxUses,
	}
}

func (t tokenRow) uses() string {
	if t.MaxUses == 0 {
		return "any"
	}
	return strconv.Itoa(t.Uses) + "/" + strconv.Itoa(t.MaxUses)
}

type iatListCmd struct{}

func (c *iatListCmd) Run(ctx context.Context, op *operator) error {
	_, _, store, err := op.tableOnly(ctx)
	if err != nil {
		return err
	}
	var rows []tokenRow
	for t, err := range store.ListInitialAccessTokens(ctx) {
		if err != nil {
			return err
		}
		rows = append(rows, tokenRowOf(t, op.now()))
	}
	slices.SortFunc(rows, func(a, b tokenRow) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID)) })
	return emit(op, rows, "No initial access tokens; dcrctl iat create creates one.", []column[tokenRow]{
		{"ID", func(t tokenRow) string { return t.ID }},
		{"STATE", func(t tokenRow) string { return t.State }},
		{"PROFILE", func(t tokenRow) string { return t.Profile }},
		{"USES", tokenRow.uses},
		{"EXPIRES", func(t tokenRow) string { return stamp(t.ExpiresAt, "never") }},
		{"CREATED", func(t tokenRow) string { return stamp(t.CreatedAt, "") }},
		{"BY", func(t tokenRow) string { return shortName(t.CreatedBy) }},
		{"LABEL", func(t tokenRow) string { return t.Label }},
	})
}

type iatShowCmd struct {
	ID string `arg:"" help:"Id of the token, as list shows it, or the token itself."`
}

func (c *iatShowCmd) Run(ctx context.Context, op *operator) error {
	_, _, store, err := op.tableOnly(ctx)
	if err != nil {
		return err
	}
	t, err := tokenOf(ctx, store, c.ID)
	if err != nil {
		return err
	}
	progress := op.progress()
	defer progress.end()
	clients := []string{}
	read := 0
	for r, err := range store.ListRegistrations(ctx) {
		if err != nil {
			return err
		}
		read++
		progress.updatef("%d clients read", read)
		if r.Voucher == broker.Voucher(t.ID) {
			clients = append(clients, r.ClientID)
		}
	}
	progress.end()
	slices.Sort(clients)
	row := struct {
		tokenRow
		Clients []string `json:"clients"`
	}{tokenRowOf(t, op.now()), clients}
	return show(op, row, []field{
		{"id", row.ID}, {"state", row.State}, {"profile", row.Profile}, {"label", row.Label},
		{"uses", row.uses()}, {"created", stamp(row.CreatedAt, "")}, {"by", row.CreatedBy},
		{"expires", stamp(row.ExpiresAt, "never")}, {"revoked", stamp(row.RevokedAt, "")}, {"clients", strings.Join(clients, "\n")},
	})
}

// tokenOf returns the record of a token. id can also be the token itself, for
// an operator who has found a token and knows nothing else. The error does not
// repeat the token.
func tokenOf(ctx context.Context, store broker.InitialAccessTokens, id string) (*credential.InitialAccessToken, error) {
	if found, err := credential.InitialAccessTokenID(credential.Presented(id)); err == nil {
		id = found
	}
	t, err := store.InitialAccessToken(ctx, id)
	if errors.Is(err, broker.ErrNotFound) {
		if strings.HasPrefix(id, credential.InitialAccessTokenPrefix) {
			id = "with that value"
		}
		return nil, fmt.Errorf("no initial access token %s; dcrctl iat list shows them: %w", id, err)
	}
	return t, err
}

type iatRevokeCmd struct {
	ID string `arg:"" help:"Id of the token, as list shows it, or the token itself."`
	confirmation
}

func (c *iatRevokeCmd) Run(ctx context.Context, op *operator) error {
	_, sdk, store, err := op.tableOnly(ctx)
	if err != nil {
		return err
	}
	t, err := tokenOf(ctx, store, c.ID)
	if err != nil {
		return err
	}
	log, err := op.log()
	if err != nil {
		return err
	}
	before := t.State(op.now())
	if t.RevokedAt.IsZero() {
		if err := c.confirmf(ctx, op, "Revoke %s (%s, profile %s, %s)? This cannot be undone.", t.ID, cmp.Or(t.Label, "no label"), t.Profile, before); err != nil {
			return err
		}
		if err := store.RevokeInitialAccessToken(ctx, t.ID, op.now()); err != nil {
			return err
		}
		telemetry.Audit{
			Event: telemetry.TokenRevoked, Actor: telemetry.Actor{Kind: "operator", ID: op.caller(ctx, sdk)}, Profile: t.Profile, InitialAccessToken: t.ID,
			Before: []slog.Attr{slog.String("state", before)}, After: []slog.Attr{slog.String("state", "revoked")},
		}.Log(ctx, log)
	}
	if op.json {
		if t, err = store.InitialAccessToken(ctx, t.ID); err != nil {
			return err
		}
		return op.writeJSON([]tokenRow{tokenRowOf(t, op.now())})
	}
	op.infof("revoked %s", t.ID)
	return nil
}

// allowedUses returns how many registrations a new token allows.
func allowedUses(t *credential.InitialAccessToken) string {
	if t.MaxUses == 0 {
		return "any number of uses"
	}
	return plural(t.MaxUses, "use", "uses")
}

func expiry(t *credential.InitialAccessToken) string {
	if t.ExpiresAt.IsZero() {
		return "no expiry"
	}
	return "valid until " + stamp(t.ExpiresAt, "") + " UTC"
}
