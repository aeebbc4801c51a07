package token

import (
	"context"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// refresh is the grant type refresh_token (RFC 6749 §6).
//
// Refresh tokens of public clients must be sender-constrained or rotated, and a
// replayed one should revoke the grant (RFC 9700 §4.14.2). The broker rotates
// the refresh tokens of all clients. broker.Grant.Verdict has the rules.
type refresh struct {
	*call
	token credential.Token
	// verdict is the verdict on token; check and recheck set it.
	verdict broker.Verdict
}

var errInvalidRefreshToken = invalidGrant("the refresh token is not valid, or no longer valid; authorize again")

func (*refresh) invalid() error { return errInvalidRefreshToken }

func (r *refresh) presented() (credential.Token, error) {
	r.token = r.RefreshToken
	if r.token.IsZero() {
		return r.token, broker.Refuse(dcr.InvalidRequest, "refresh_token is required")
	}
	return r.token, nil
}

func (r *refresh) check(ctx context.Context, g *broker.Grant, _ *broker.SealedTokens) error {
	r.verdict = g.Verdict(r.token, r.ring, r.Now())
	if r.verdict == broker.VerdictForeign {
		return errInvalidRefreshToken
	}
	if err := r.checkClient(ctx, g); err != nil {
		return err
	}
	if err := r.checkVerdict(ctx, g); err != nil {
		return err
	}
	if err := r.checkResource(g); err != nil {
		return err
	}
	return r.checkScope(ctx, g)
}

// checkScope checks that the request asks for no more than the user granted (RFC
// 6749 §6).
func (r *refresh) checkScope(ctx context.Context, g *broker.Grant) error {
	if r.Scope == "" {
		return nil
	}
	conf, err := r.Configuration(ctx)
	if err != nil {
		return err
	}
	_, err = r.ScopesWithin(g.Scopes, conf.Grants, "was not granted by the user; a refresh adds no scope, so send the user to /authorize to ask for it")
	return err
}

func (r *refresh) recheck(ctx context.Context, g *broker.Grant, _ *broker.SealedTokens) error {
	r.verdict = g.Verdict(r.token, r.ring, r.Now())
	return r.checkVerdict(ctx, g)
}

// checkVerdict returns an error unless the verdict allows another access token.
// If the token was replayed, it ends the grant.
func (r *refresh) checkVerdict(ctx context.Context, g *broker.Grant) error {
	switch r.verdict {
	case broker.VerdictRotate, broker.VerdictSibling:
		return nil
	case broker.VerdictReplayed:
		return r.end(ctx, g, "a refresh token was used again", "the refresh token has been used before; authorize again")
	case broker.VerdictRefused:
		if !g.EndedAt.IsZero() {
			return r.end(ctx, g, "", "the grant has ended; authorize again") // does the missing steps
		}
	}
	return errInvalidRefreshToken
}

func (*refresh) usable(broker.Tokens) bool { return false }

// commit rotates the refresh token.
func (r *refresh) commit(g *broker.Grant, next credential.Token) {
	g.Rotated(r.verdict, r.token, next.Hash(), r.Now())
}
