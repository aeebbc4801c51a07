package grants

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"

	"github.com/dcr-broker/dcr-broker/internal/oauthform"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// redeem is RFC 6749 §4.1.3 with RFC 7636 §4.5. A request that is wrong in
// anything but that it is the second leaves the code as it is: whoever has seen
// a code, and cannot redeem it for want of the verifier, cannot spoil it either.
func (e *Endpoints) redeem(ctx context.Context, req request) (*answer, error) {
	c, err := oauthform.Code(req.form)
	if err != nil {
		return nil, err
	}
	refusal := invalidGrant("the code is not valid, or not any more; authorize again")
	code := credential.Presented(c.Code)
	g, err := e.find(ctx, code, refusal)
	if err != nil {
		return nil, err
	}
	if !g.Code.Matches(code) {
		return nil, refusal
	}
	if err := e.current(ctx, req, g); err != nil {
		return nil, err
	}
	if g.RedirectURI != c.RedirectURI {
		return nil, invalidGrant("redirect_uri is not the one of the authorization request")
	}
	if subtle.ConstantTimeCompare([]byte(broker.PKCEChallenge(c.Verifier)), []byte(g.Challenge)) != 1 {
		return nil, invalidGrant("code_verifier does not match the code_challenge of the authorization request")
	}
	if err := forResource(req, g); err != nil {
		return nil, err
	}
	if err := e.unused(ctx, req, g, refusal); err != nil {
		return nil, err
	}

	wait := oauthform.RecordUse(ctx, req.log, e.Clients, req.reg)
	defer wait()
	t, sealed, err := e.fresh(ctx, req, g)
	if err != nil {
		return nil, err
	}
	next := credential.NewRefreshToken(g.ID, e.ring)
	if err := e.spend(ctx, req, g, next, sealed, refusal); err != nil {
		return nil, err
	}
	req.issued(g, dcr.GrantAuthorizationCode, g.Scopes, t.ExpiresAt)
	return e.answerOf(req, g, t, next), nil
}

// unused returns an error unless the code of g can be redeemed now. A second use
// ends the grant (RFC 6749 §4.1.2).
func (e *Endpoints) unused(ctx context.Context, req request, g *broker.Grant, refusal error) error {
	switch {
	case g.CodeUsed:
		return e.over(ctx, req, g, "its code was used twice", "the code has been used before; authorize again")
	case !g.EndedAt.IsZero(), !e.now().Before(g.CodeExpiresAt), !e.now().Before(g.ExpiresAt):
		return refusal
	}
	return nil
}

// fresh returns the access token that came with the sign-in, or a new one if
// less than half of its life is left: consent may have taken its time. Sealed is
// what g is to keep of Cognito's tokens.
func (e *Endpoints) fresh(ctx context.Context, req request, g *broker.Grant) (t broker.Tokens, sealed string, err error) {
	t, err = e.Ender.tokens(g)
	if err != nil {
		return t, "", oauthform.Unavailable("the grant could not be read", err)
	}
	if t.ExpiresAt.Sub(e.now()) >= t.ExpiresAt.Sub(t.IssuedAt)/2 {
		return t, g.Tokens, nil
	}
	return e.renew(ctx, req, g, t)
}

// spend stores that the code of g has been used, and has yielded next. A client
// that may not refresh is not given next, by which a lost reply is still told.
func (e *Endpoints) spend(ctx context.Context, req request, g *broker.Grant, next credential.Token, sealed string, refusal error) error {
	for range maxAttempts {
		spent := g.Clone()
		spent.CodeUsed = true
		spent.Live = []credential.Hash{next.Hash()}
		spent.Tokens = sealed
		err := e.Ender.replace(ctx, spent, holds(next))
		if err == nil {
			return nil
		}
		if !errors.Is(err, broker.ErrConflict) {
			return notStored(err, refusal)
		}
		if g, err = e.find(ctx, next, refusal); err != nil {
			return err
		}
		if err := e.unused(ctx, req, g, refusal); err != nil {
			return err
		}
	}
	return notStored(broker.ErrConflict, refusal)
}

// holds tells whether a grant is as it was stored when it yielded next.
func holds(next credential.Token) func(*broker.Grant) bool {
	return func(stored *broker.Grant) bool { return slices.Contains(stored.Live, next.Hash()) }
}

// notStored is the answer if a change could not be stored.
func notStored(err, refusal error) error {
	if errors.Is(err, broker.ErrNotFound) {
		return refusal
	}
	return oauthform.Unavailable("the grant could not be stored", err)
}
