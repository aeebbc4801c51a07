package token

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Revocation is a revocation request (RFC 7009 §2.1). There is no
// token_type_hint: RFC 7009 §2.1 lets a server ignore it. It prints as
// "[redacted]".
type Revocation struct {
	credential.Redacted
	// Client authenticates the client. REQUIRED, as in a Request.
	Client clients.Credentials
	// Token is a refresh token or an access token. REQUIRED.
	Token string
}

// Revoke ends the grant that a refresh token, used or not, or an access token
// was issued for. The token must have been issued to the client of the request
// (RFC 7009 §2.1). A token that is not valid is no error (RFC 7009 §2.2). After
// an error with the code dcr.Unavailable the grant may have ended; the client
// repeats the request to complete the missing steps.
func (i *Issuer) Revoke(ctx context.Context, r Revocation) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	c, err := i.authenticate(ctx, Request{Client: r.Client})
	if err != nil {
		return err
	}
	if r.Token == "" {
		return broker.Refuse(dcr.InvalidRequest, "token is required")
	}
	g, err := c.revocable(ctx, r.Token)
	if errors.Is(err, broker.ErrNotFound) || errors.Is(err, ErrInvalidAccessToken) {
		return nil
	}
	if err != nil {
		return unavailable("the token could not be looked up", err)
	}
	if g.ClientID != c.reg.ClientID {
		return invalidGrant("this was issued to another client")
	}
	if isClientCredentials(g) {
		// The client would lose access permanently, while the token stays valid
		// until it expires.
		return broker.Refuse(broker.UnsupportedTokenType, "an access token of client_credentials cannot be revoked, it expires")
	}
	before := g.EndedAt
	if err := c.Ender.EndGrant(ctx, c.ring, g); err != nil {
		return unavailable("the token could not be revoked", err)
	}
	if before.IsZero() {
		c.audit(ctx, telemetry.GrantEnded, g, slog.String("reason", "revoked by the client"))
	}
	return nil
}

// revocable returns the grant that the token was issued for,
// broker.ErrNotFound or ErrInvalidAccessToken.
func (c *call) revocable(ctx context.Context, token string) (*broker.Grant, error) {
	if strings.HasPrefix(token, credential.RefreshTokenPrefix) {
		tok := credential.Presented(token)
		id, err := credential.GrantID(tok)
		if err != nil {
			return nil, broker.ErrNotFound
		}
		g, err := c.Store.Grant(ctx, id)
		if err == nil && g.Verdict(tok, c.ring, c.Now()) == broker.VerdictForeign {
			return nil, broker.ErrNotFound
		}
		return g, err
	}
	claims, err := c.AccessTokens.Verify(ctx, token)
	if err != nil {
		return nil, err
	}
	return c.grantOf(ctx, c.ring, claims)
}
