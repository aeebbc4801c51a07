package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/grants"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

const (
	// signInEnded is the description of a refusal.
	signInEnded = "the sign-in for this token has ended; authorize again"
	// tokensGone is the reason for which a grant ends.
	tokensGone = "Cognito's tokens are gone"
)

// renew fetches a new access token for g with t, Cognito's stored tokens. If
// Cognito returned another refresh token, renew stores it before the client's
// token is used up, so that a client that repeats the request finds it. If
// Cognito refuses, renew ends g.
func (c *call) renew(ctx context.Context, g *broker.Grant, stored *broker.SealedTokens, t broker.Tokens) (broker.Tokens, error) {
	renewed, err := c.refreshAtCognito(ctx, g, t)
	if broker.UpstreamCode(err) == string(broker.InvalidGrant) {
		// If Cognito rotates its refresh tokens, another request may have used this
		// one up and stored the next.
		newer, readErr := c.Store.Tokens(ctx, stored.ID)
		switch {
		case errors.Is(readErr, broker.ErrNotFound):
		case readErr != nil:
			return renewed, unavailable("the tokens could not be read", readErr)
		case newer.Version != stored.Version:
			if t, readErr = grants.Open(c.ring, g.ID, newer); readErr != nil {
				return renewed, unavailable("the tokens could not be read", readErr)
			}
			stored = newer
			renewed, err = c.refreshAtCognito(ctx, g, t)
		}
	}
	if err != nil {
		return renewed, c.notRenewed(ctx, g, err)
	}
	if renewed.RefreshToken == t.RefreshToken && renewed.AppSecret == t.AppSecret {
		return renewed, nil
	}
	stored.Sealed = c.ring.Seal(broker.SealGrant, g.ID, renewed.Encode())
	err = c.Store.ReplaceTokens(ctx, stored)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		// Another request has ended g, and does not know the new refresh token.
		if err := c.Ender.Revoke(ctx, c.ring, g, renewed); err != nil {
			c.Log.WarnContext(ctx, "refresh token not revoked at Cognito", "request_id", telemetry.Of(ctx).ID(), "grant", g, "error", err)
		}
		return renewed, c.end(ctx, g, tokensGone, signInEnded)
	case err != nil && !errors.Is(err, broker.ErrConflict): // another refresh has stored Cognito's tokens; they are as good as these
		return renewed, unavailable("the tokens could not be stored", err)
	}
	return renewed, nil
}

// refreshAtCognito fetches a new access token with t. The result has the refresh
// token and the secret to store.
func (c *call) refreshAtCognito(ctx context.Context, g *broker.Grant, t broker.Tokens) (renewed broker.Tokens, err error) {
	err = c.AppClients.WithApp(
		c.AppClients.AppOf(ctx, c.ring, g, t), g.AppClient,
		func(a grants.App) (err error) {
			renewed, err = c.Cognito.Refresh(ctx, a.AppCredentials, t.RefreshToken)
			renewed.AppSecret = a.Secret
			return err
		})
	renewed.RefreshToken = cmp.Or(renewed.RefreshToken, t.RefreshToken)
	return renewed, err
}

// notRenewed returns the answer to err. It ends g if Cognito gives no more tokens
// for it.
func (c *call) notRenewed(ctx context.Context, g *broker.Grant, err error) error {
	if errors.Is(err, grants.ErrAppClientGone) {
		return c.end(ctx, g, "its app client no longer exists", signInEnded)
	}
	u, ok := errors.AsType[*broker.UpstreamError](err)
	if ok && u.Code == string(broker.InvalidGrant) {
		return c.end(ctx, g, "Cognito no longer refreshes it", signInEnded)
	}
	err = fmt.Errorf("refresh grant %s: %w", g.ID, err)
	if ok {
		return broker.CognitoUnavailable(err)
	}
	return unavailable("the app client could not be read", err)
}
