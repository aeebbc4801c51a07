package authorization

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// issue stores the grant of t and returns its code. A second call stores nothing
// and returns the same code: the id of the grant is derived from the sign-in, and
// the code from the secret of the browser.
func (v visit) issue(ctx context.Context, t *broker.Transaction) (credential.Token, error) {
	f := v.flow
	tokens, err := v.ring.Open(sealTransaction, t.Key.String(), t.Tokens)
	if err != nil {
		return credential.Token{}, err
	}
	now := broker.Seconds(f.config.Now())
	for n := range broker.MaxGrants {
		id := broker.GrantID(v.ring, t.OriginJTI, n)
		code := v.secret.code(id)
		g := &broker.Grant{
			ID:            id,
			ClientID:      t.ClientID,
			Generation:    t.Generation,
			User:          t.User,
			Scopes:        t.Scopes,
			Resource:      t.Resource,
			OriginJTI:     t.OriginJTI,
			Code:          code.Hash(),
			CodeExpiresAt: now.Add(broker.CodeLifetime),
			RedirectURI:   t.RedirectURI,
			Challenge:     t.Challenge,
			AppClient:     t.AppClient,
			CognitoID:     t.CognitoID,
			Tokens:        v.ring.Seal(broker.SealGrant, id, tokens),
			CreatedAt:     now,
			ExpiresAt:     now.Add(f.config.RefreshLifetime),
		}
		err := f.config.Store.CreateGrant(ctx, g)
		if err == nil {
			f.auditGrant(ctx, t, g)
			return code, nil
		}
		// The existing grant belongs to another transaction, or it is this one
		// and the store's reply was lost.
		found, readErr := f.config.Store.Grant(ctx, id)
		if readErr == nil && found.Code.Matches(code) {
			return code, nil
		}
		if !errors.Is(err, broker.ErrExists) {
			return credential.Token{}, fmt.Errorf("create grant: %w", err)
		}
	}
	return credential.Token{}, fmt.Errorf("the sign-in has %d grants already", broker.MaxGrants)
}

func (f *Flow) auditGrant(ctx context.Context, t *broker.Transaction, g *broker.Grant) {
	telemetry.Audit{
		Event: telemetry.GrantCreated, Actor: userOf(t), ClientID: g.ClientID, AppClient: g.CognitoID, Grant: g.ID, User: t.User.Sub,
		After: []slog.Attr{slog.String("scope", strings.Join(g.Scopes, " ")), slog.String("resource", g.Resource), slog.Time("expires_at", g.ExpiresAt)},
	}.Log(ctx, f.config.Log)
}

// issued returns the code of the grant of t, and whether the client can still
// redeem it.
func (v visit) issued(ctx context.Context, t *broker.Transaction) (credential.Token, bool, error) {
	f := v.flow
	for n := range broker.MaxGrants {
		id := broker.GrantID(v.ring, t.OriginJTI, n)
		g, err := f.config.Store.Grant(ctx, id)
		if errors.Is(err, broker.ErrNotFound) {
			return credential.Token{}, false, nil
		}
		if err != nil {
			return credential.Token{}, false, err
		}
		if code := v.secret.code(id); g.Code.Matches(code) {
			redeemable := !g.CodeUsed && g.EndedAt.IsZero() && f.config.Now().Before(g.CodeExpiresAt)
			return code, redeemable, nil
		}
	}
	return credential.Token{}, false, nil
}

// codeURL returns the client's redirect URI with the code (RFC 6749 §4.1.2).
func (f *Flow) codeURL(t *broker.Transaction, code credential.Token) string {
	return respond(t.RedirectURI, f.config.Issuer, t.State, url.Values{"code": {code.Reveal()}})
}
