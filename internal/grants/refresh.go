package grants

import (
	"context"
	"errors"

	"github.com/dcr-broker/dcr-broker/internal/oauthform"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// refresh is RFC 6749 §6. Every use brings a new refresh token, for every client
// (RFC 9700 §4.14.2); grant.Judge has the rules. The token is used up when the
// new one is stored, and not before Cognito has answered.
func (e *Endpoints) refresh(ctx context.Context, req request) (*answer, error) {
	tok := credential.Presented(req.form.Value("refresh_token"))
	if tok.IsZero() {
		return nil, oauthform.InvalidRequest("refresh_token is required")
	}
	refusal := invalidGrant("the refresh token is not valid, or not any more; authorize again")
	g, err := e.find(ctx, tok, refusal)
	if err != nil {
		return nil, err
	}
	if !e.issued(g, tok) {
		return nil, refusal
	}
	if err := e.current(ctx, req, g); err != nil {
		return nil, err
	}
	verdict, err := e.judged(ctx, req, g, tok, refusal)
	if err != nil {
		return nil, err
	}
	if err := forResource(req, g); err != nil {
		return nil, err
	}
	if _, err := oauthform.Scopes(req.form, append([]string{"openid"}, g.Scopes...)); err != nil {
		return nil, err
	}

	wait := oauthform.RecordUse(ctx, req.log, e.Clients, req.reg)
	defer wait()
	kept, err := e.Ender.tokens(g)
	if err != nil {
		return nil, oauthform.Unavailable("the grant could not be read", err)
	}
	t, sealed, err := e.renew(ctx, req, g, kept)
	if err != nil {
		return nil, err
	}
	next := credential.NewRefreshToken(g.ID, e.ring)
	if err := e.rotate(ctx, req, g, verdict, tok, next, sealed, refusal); err != nil {
		return nil, err
	}
	req.issued(g, dcr.GrantRefreshToken, g.Scopes, t.ExpiresAt)
	return e.answerOf(req, g, t, next), nil
}

// judged returns what tok is worth, Rotate or Sibling, or an error. A token that
// was replayed ends the grant.
func (e *Endpoints) judged(ctx context.Context, req request, g *broker.Grant, tok credential.Token, refusal error) (broker.Verdict, error) {
	v := g.Verdict(tok, e.now())
	switch v {
	case broker.VerdictRotate, broker.VerdictSibling:
		return v, nil
	case broker.VerdictReplayed:
		return v, e.over(ctx, req, g, "a refresh token was used again", "the refresh token has been used before; authorize again")
	}
	if !g.EndedAt.IsZero() {
		return v, e.over(ctx, req, g, "", "this has been ended; authorize again") // does what was left undone
	}
	return v, refusal
}

// rotate stores that tok, of that verdict, has yielded next. If another request
// has changed the grant meanwhile, tok is judged again.
func (e *Endpoints) rotate(ctx context.Context, req request, g *broker.Grant, v broker.Verdict, tok, next credential.Token, sealed string, refusal error) error {
	for range maxAttempts {
		rotated := g.Clone()
		rotated.Rotated(v, tok, next.Hash(), e.now())
		rotated.Tokens = sealed
		err := e.Ender.replace(ctx, rotated, holds(next))
		if err == nil {
			return nil
		}
		if !errors.Is(err, broker.ErrConflict) {
			return notStored(err, refusal)
		}
		if g, err = e.find(ctx, tok, refusal); err != nil {
			return err
		}
		if v, err = e.judged(ctx, req, g, tok, refusal); err != nil {
			return err
		}
	}
	return notStored(broker.ErrConflict, refusal)
}

// issued reports whether tok was once handed out as a refresh token of g. One
// that was not ends nothing: the id of a grant is in its code, which many may
// have seen.
func (e *Endpoints) issued(g *broker.Grant, tok credential.Token) bool {
	switch g.Verdict(tok, e.now()) {
	case broker.VerdictRotate, broker.VerdictSibling:
		return true
	}
	return credential.MadeRefreshToken(tok, g.ID, e.ring)
}
