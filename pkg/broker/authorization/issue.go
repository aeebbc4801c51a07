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

// issue stores Cognito's tokens and the grant of t and returns its code. A second
// call stores nothing and returns the same code: the id of the grant is derived
// from the sign-in, and the code from the secret of the browser.
func (v *visit) issue(ctx context.Context, t *broker.Transaction) (credential.Token, error) {
	f := v.flow
	plain, err := v.ring.Open(broker.SealTransaction, t.Key.String(), t.Tokens)
	if err != nil {
		return credential.Token{}, err
	}
	now := broker.Seconds(f.config.Now())
	user := t.User
	user.Groups = nil // they decide whether the user may consent, and nothing later
	for n := range broker.MaxGrants {
		id := broker.GrantID(v.ring, t.OriginJTI, n)
		code := v.secret.code(id)
		tokens := &broker.SealedTokens{
			ID:     broker.TokensID(v.ring, id, t.Key),
			Sealed: v.ring.Seal(broker.SealGrant, id, plain),
			Code: broker.AuthorizationCode{
				Hash: code.Hash(), ExpiresAt: now.Add(broker.CodeLifetime), RedirectURI: t.RedirectURI, Challenge: t.Challenge,
			},
			ExpiresAt: now.Add(v.conf.Tokens.RefreshToken),
		}
		if err := f.storeTokens(ctx, tokens); err != nil {
			granted, grantErr := f.granted(ctx, id, tokens.ID)
			if granted {
				return code, nil // by another request
			}
			return credential.Token{}, errors.Join(err, grantErr)
		}
		g := &broker.Grant{
			ID:         id,
			ClientID:   t.ClientID,
			Generation: t.Generation,
			User:       user,
			Scopes:     t.Scopes,
			Resource:   t.Resource,
			AppClient:  t.AppClient,
			CognitoID:  t.CognitoID,
			ConsentKey: v.consentKey(t),
			TokensID:   tokens.ID,
			CreatedAt:  now,
			ExpiresAt:  tokens.ExpiresAt,
		}
		err := f.config.Store.CreateGrant(ctx, g)
		if err == nil {
			f.auditGrant(ctx, t, g)
			return code, nil
		}
		// The existing grant belongs to another transaction, or it is this one
		// and the store's reply was lost.
		granted, readErr := f.granted(ctx, id, tokens.ID)
		if granted {
			return code, nil
		}
		if readErr != nil || !errors.Is(err, broker.ErrExists) {
			return credential.Token{}, errors.Join(fmt.Errorf("create grant: %w", err), readErr)
		}
	}
	return credential.Token{}, fmt.Errorf("the sign-in has %d grants already", broker.MaxGrants)
}

// errGrantUnknown means that the store did not tell whether a grant exists.
var errGrantUnknown = errors.New("it is not known whether the grant exists")

// errGrantEnded means that the grant of the transaction has ended already.
var errGrantEnded = errors.New("the grant has ended")

// granted reports whether the grant with this id exists and has these tokens. If
// not, it deletes the tokens. If the grant has ended, the error is errGrantEnded: the
// sign-in has been revoked with it, and gives no other grant. It reads the grant again if the first read fails,
// also if ctx has ended: this process may have stood still, and another request of
// the browser may have stored the grant meanwhile. If that read fails too, the error
// is errGrantUnknown, and the tokens stay until they expire.
func (f *Flow) granted(ctx context.Context, id, tokensID string) (bool, error) {
	g, err := f.config.Store.Grant(ctx, id)
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		again, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
		defer cancel()
		g, err = f.config.Store.Grant(again, id)
	}
	switch {
	case err == nil && g.TokensID == tokensID && g.EndedAt.IsZero():
		return true, nil
	case err == nil && g.TokensID == tokensID:
		if g.TokensGone {
			f.deleteTokens(ctx, tokensID) // this request has stored them again
		}
		return false, errGrantEnded
	case err == nil, errors.Is(err, broker.ErrNotFound):
		f.deleteTokens(ctx, tokensID) // only the reply of storing them may have been lost
		return false, nil
	}
	return false, fmt.Errorf("%w: %w", errGrantUnknown, err)
}

// storeTokens stores the tokens of a grant, unless a former call has done it.
func (f *Flow) storeTokens(ctx context.Context, t *broker.SealedTokens) error {
	err := f.config.Store.CreateTokens(ctx, t)
	if err == nil || errors.Is(err, broker.ErrExists) {
		return nil
	}
	if _, readErr := f.config.Store.Tokens(ctx, t.ID); readErr == nil {
		return nil // only the reply was lost
	}
	return fmt.Errorf("store the tokens: %w", err)
}

// deleteTokens deletes tokens without a grant. A failure is logged and ignored:
// the tokens expire.
func (f *Flow) deleteTokens(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	if err := f.config.Store.DeleteTokens(ctx, id, 1); err != nil {
		f.warn(ctx, "tokens without a grant not deleted", "error", err)
	}
}

func (f *Flow) auditGrant(ctx context.Context, t *broker.Transaction, g *broker.Grant) {
	telemetry.Audit{
		Event: telemetry.GrantCreated, Actor: userOf(t), ClientID: g.ClientID, AppClient: g.CognitoID, Grant: g.ID, User: t.User.Sub,
		After: []slog.Attr{slog.String("scope", strings.Join(g.Scopes, " ")), slog.String("resource", g.Resource), slog.Time("expires_at", g.ExpiresAt)},
	}.Log(ctx, f.config.Log)
}

// issued returns the grant of t with its code, or nil if t has no grant yet.
func (v *visit) issued(ctx context.Context, t *broker.Transaction) (credential.Token, *broker.Grant, error) {
	for n := range broker.MaxGrants {
		id := broker.GrantID(v.ring, t.OriginJTI, n)
		g, err := v.flow.config.Store.Grant(ctx, id)
		if errors.Is(err, broker.ErrNotFound) {
			return credential.Token{}, nil, nil
		}
		if err != nil {
			return credential.Token{}, nil, err
		}
		if g.TokensID == broker.TokensID(v.ring, id, t.Key) {
			return v.secret.code(id), g, nil
		}
	}
	return credential.Token{}, nil, nil
}

// redeemable reports whether the client can still redeem the code of g.
func (f *Flow) redeemable(g *broker.Grant) bool {
	return !g.CodeUsed && g.EndedAt.IsZero() && f.config.Now().Before(g.CreatedAt.Add(broker.CodeLifetime))
}

// codeURL returns the client's redirect URI with the code (RFC 6749 §4.1.2).
func (f *Flow) codeURL(t *broker.Transaction, code credential.Token) string {
	return respond(t.RedirectURI, f.config.Issuer, t.State, url.Values{"code": {code.Reveal()}})
}
