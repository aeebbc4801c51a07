package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

type iatCmd struct {
	Create iatCreateCmd `cmd:"" help:"Make a token. It is printed once and cannot be shown again."`
	List   iatListCmd   `cmd:"" help:"List all tokens and what is left of them."`
	Revoke iatRevokeCmd `cmd:"" help:"Revoke a token. Clients that were registered with it stay."`
}

type iatCreateCmd struct {
	Profile   string        `required:"" help:"Policy profile that its registrations get."`
	Label     string        `help:"What it is for, as list shows it."`
	ExpiresIn time.Duration `default:"720h" help:"How long it is valid, such as 24h; 0 is for ever."`
	Uses      int           `default:"1" help:"How many registrations it is good for, 1 to 1000; 0 is any number."`
	CreatedBy string        `help:"Who makes it. Default: the name of the user of this machine."`
}

func (c *iatCreateCmd) Run(ctx context.Context, op *operator) error {
	if err := op.checkProfile(ctx, c.Profile); err != nil {
		return err
	}
	tok, rec, err := credential.NewInitialAccessToken(credential.Grant{
		Label: c.Label, Profile: c.Profile, CreatedBy: cmp.Or(c.CreatedBy, op.name), Lifetime: c.ExpiresIn, MaxUses: c.Uses,
	}, op.now())
	if err != nil {
		return err
	}
	if err := op.store.CreateInitialAccessToken(ctx, rec); err != nil {
		return err
	}
	fmt.Fprintln(op.out, tok.Reveal())
	fmt.Fprintf(op.notes, "id %s, profile %s, %s, %s; this is the only time the token is shown\n",
		rec.ID, rec.Profile, usesLeft(rec), expiry(rec))
	return nil
}

func (op *operator) checkProfile(ctx context.Context, name string) error {
	p, err := op.policy(ctx)
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	if p == nil {
		fmt.Fprintf(op.notes, "SCOPES is not set, so that profile %q was not looked up in the policy\n", name)
		return nil
	}
	if _, ok := p.Profile(name); !ok {
		return fmt.Errorf("no profile %q in the policy; it has %s", name, strings.Join(p.Profiles(), ", "))
	}
	return nil
}

type iatListCmd struct{}

func (c *iatListCmd) Run(ctx context.Context, op *operator) error {
	var tokens []*credential.InitialAccessToken
	for t, err := range op.store.ListInitialAccessTokens(ctx) {
		if err != nil {
			return err
		}
		tokens = append(tokens, t)
	}
	if len(tokens) == 0 {
		fmt.Fprintln(op.notes, "no initial access tokens; dcrctl iat create makes one")
		return nil
	}
	slices.SortFunc(tokens, func(a, b *credential.InitialAccessToken) int { return b.CreatedAt.Compare(a.CreatedAt) })
	w := tabwriter.NewWriter(op.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tPROFILE\tUSES\tEXPIRES\tCREATED\tBY\tLABEL")
	for _, t := range tokens {
		uses := "any"
		if t.MaxUses > 0 {
			uses = strconv.Itoa(len(t.Uses)) + "/" + strconv.Itoa(t.MaxUses)
		}
		expires := "never"
		if !t.ExpiresAt.IsZero() {
			expires = t.ExpiresAt.UTC().Format(time.DateTime)
		}
		fmt.Fprintln(w, strings.Join([]string{t.ID, t.State(op.now()), t.Profile, uses, expires,
			t.CreatedAt.UTC().Format(time.DateTime), t.CreatedBy, t.Label}, "\t"))
	}
	return w.Flush()
}

type iatRevokeCmd struct {
	ID string `arg:"" help:"Id of the token, as list shows it."`
}

func (c *iatRevokeCmd) Run(ctx context.Context, op *operator) error {
	if id, err := credential.InitialAccessTokenID(credential.Presented(c.ID)); err == nil {
		c.ID = id // somebody who has only the token itself
	}
	err := op.store.RevokeInitialAccessToken(ctx, c.ID, op.now())
	if errors.Is(err, broker.ErrNotFound) {
		return fmt.Errorf("no initial access token %q; dcrctl iat list shows them", c.ID)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(op.notes, "revoked", c.ID)
	return nil
}

func usesLeft(t *credential.InitialAccessToken) string {
	switch t.MaxUses {
	case 0:
		return "any number of uses"
	case 1:
		return "one use"
	}
	return strconv.Itoa(t.MaxUses) + " uses"
}

func expiry(t *credential.InitialAccessToken) string {
	if t.ExpiresAt.IsZero() {
		return "no expiry"
	}
	return "valid until " + t.ExpiresAt.UTC().Format(time.DateTime) + " UTC"
}
