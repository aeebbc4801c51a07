package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/grants"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Response is a successful answer of a token endpoint (RFC 6749 §5.1). It prints
// as "[redacted]".
type Response struct {
	credential.Redacted
	// AccessToken is Cognito's access token, unchanged. REQUIRED.
	AccessToken string `json:"access_token"`
	// TokenType is "Bearer"; in direct mode it is what Cognito sent. REQUIRED.
	TokenType string `json:"token_type"`
	// ExpiresIn is the remaining lifetime in seconds. RECOMMENDED; absent if it
	// is less than one second or not known.
	ExpiresIn int64 `json:"expires_in,omitzero"`
	// RefreshToken is the token for the next request. OPTIONAL.
	RefreshToken string `json:"refresh_token,omitempty"`
	// IDToken is Cognito's ID token (OpenID Connect Core 1.0 §3.1.3.3). OPTIONAL;
	// brokered mode does not set it.
	IDToken string `json:"id_token,omitempty"`
	// Scope has the scopes of the access token, separated by spaces. REQUIRED if
	// it differs from the requested one, otherwise OPTIONAL.
	Scope string `json:"scope,omitempty"`
}

// Token answers a token request (RFC 6749 §3.2).
func (i *Issuer) Token(ctx context.Context, r Request) (*Response, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	c, err := i.authenticate(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := r.CheckGrantType(c.reg); err != nil {
		return nil, err
	}
	telemetry.SetAttr(ctx, telemetry.GrantType, r.GrantType)
	switch r.GrantType {
	case dcr.GrantAuthorizationCode:
		return c.exchange(ctx, &code{call: c})
	case dcr.GrantRefreshToken:
		return c.exchange(ctx, &refresh{call: c})
	case dcr.GrantClientCredentials:
		return clientCredentials{c}.issue(ctx)
	}
	return nil, fmt.Errorf("token: no implementation of the grant type %s", r.GrantType)
}

// exchanger is a grant type that exchanges a code or refresh token of the broker
// for an access token.
type exchanger interface {
	// presented returns the code or refresh token of the request.
	presented() (credential.Token, error)
	// invalid returns the refusal of a token that is not valid.
	invalid() error
	// check returns an error unless the token belongs to g and the request may
	// have an access token of g. stored are the tokens of g, nil if they are gone.
	// check changes g in one case: it ends g if the token shows that it was
	// stolen.
	check(ctx context.Context, g *broker.Grant, stored *broker.SealedTokens) error
	// recheck repeats the checks whose result may differ after another request
	// has changed g.
	recheck(ctx context.Context, g *broker.Grant, stored *broker.SealedTokens) error
	// usable reports whether the client can have the access token in t,
	// Cognito's stored tokens. If not, Issuer fetches a new one.
	usable(t broker.Tokens) bool
	// commit records the use of the token in g, which is then stored. next is
	// the refresh token that the client gets for the token.
	commit(g *broker.Grant, next credential.Token)
}

// exchange runs the exchange of a code or refresh token.
func (c *call) exchange(ctx context.Context, x exchanger) (*Response, error) {
	tok, err := x.presented()
	if err != nil {
		return nil, err
	}
	id, err := credential.GrantID(tok)
	if err != nil {
		return nil, x.invalid()
	}
	g, err := c.grant(ctx, id, x)
	if err != nil {
		return nil, err
	}
	stored, err := c.Store.Tokens(ctx, g.TokensID) // nil if they are gone
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		return nil, unavailable("the grant could not be read", err)
	}
	if err := x.check(ctx, g, stored); err != nil {
		return nil, err
	}
	// Cognito may retire its refresh token when it answers. So everything that needs
	// no answer is judged first.
	profile, err := c.judgeGrant(ctx, g)
	if err != nil {
		return nil, err
	}
	wait := c.Clients.RecordUse(ctx, c.Log, c.reg)
	defer wait()
	if stored == nil {
		return nil, c.end(ctx, g, tokensGone, signInEnded)
	}
	t, err := grants.Open(c.ring, g.ID, stored)
	if err != nil {
		return nil, unavailable("the grant could not be read", err)
	}
	// Only Cognito's answer says who the user is now.
	if !x.usable(t) || profile.Users().Restricted() {
		if t, err = c.renew(ctx, g, stored, t); err != nil {
			return nil, err
		}
		if err := c.judgeUser(ctx, g, t.User); err != nil {
			return nil, err
		}
	}
	next := credential.NewRefreshToken(g.ID, c.ring)
	if err := c.commit(ctx, x, g, stored, next); err != nil {
		return nil, err
	}
	c.auditIssued(ctx, g, g.Scopes, t.ExpiresAt)
	a := &Response{AccessToken: t.AccessToken, TokenType: "Bearer", ExpiresIn: c.seconds(t.ExpiresAt), Scope: broker.PublicScopes(g.Scopes)}
	if MayRefresh(c.reg) && profile.AllowsGrantType(dcr.GrantRefreshToken) {
		a.RefreshToken = next.Reveal()
	}
	return a, nil
}

// grant returns the grant with that id.
func (c *call) grant(ctx context.Context, id string, x exchanger) (*broker.Grant, error) {
	g, err := c.Store.Grant(ctx, id)
	if errors.Is(err, broker.ErrNotFound) {
		return nil, x.invalid()
	}
	if err != nil {
		return nil, unavailable("the grant could not be read", err)
	}
	return g, nil
}

// checkClient returns an error unless g belongs to the registration of the
// request. A code or refresh token is valid only for the client that it was
// issued to (RFC 6749 §5.2). A registration has another generation after it was
// deleted and made again, or disabled and enabled, and former grants are then
// not valid.
func (c *call) checkClient(ctx context.Context, g *broker.Grant) error {
	if g.ClientID != c.reg.ClientID {
		return invalidGrant("this was issued to another client")
	}
	if g.Generation != c.reg.Generation {
		return c.end(ctx, g, "its registration has ended", "the registration that this was issued for has ended; authorize again")
	}
	return nil
}

// checkResource checks the resource parameter. A token request can name only a
// resource of the grant (RFC 8707 §2.2), and a grant of this broker has one.
func (c *call) checkResource(g *broker.Grant) error {
	resource, err := c.OneResource()
	if err == nil && resource != "" && !broker.SameResource(resource, g.Resource) {
		return broker.Refuse(broker.InvalidTarget, "resource is not the one of the authorization request")
	}
	return err
}

// commit stores g with its token used and next issued. If another request changes
// g at the same time, commit checks g again.
func (c *call) commit(ctx context.Context, x exchanger, g *broker.Grant, stored *broker.SealedTokens, next credential.Token) error {
	hash := next.Hash()
	applied := func(got *broker.Grant) bool { return slices.Contains(got.Live, hash) }
	err := broker.ErrConflict
	for range grants.Attempts {
		changed := g.Clone()
		x.commit(changed, next)
		if err = grants.Replace(ctx, c.Store, changed, applied); err == nil {
			return nil
		}
		if !errors.Is(err, broker.ErrConflict) {
			break
		}
		if g, err = c.grant(ctx, g.ID, x); err != nil {
			return err
		}
		if err := x.recheck(ctx, g, stored); err != nil {
			return err
		}
		err = broker.ErrConflict
	}
	if errors.Is(err, broker.ErrNotFound) {
		return x.invalid()
	}
	return unavailable("the grant could not be stored", err)
}

// auditIssued writes an audit event about an access token of g.
func (c *call) auditIssued(ctx context.Context, g *broker.Grant, scopes []string, expires time.Time) {
	c.audit(ctx, telemetry.TokenIssued, g, slog.String("grant_type", c.GrantType),
		slog.String("scope", strings.Join(scopes, " ")), slog.Time("expires_at", broker.Seconds(expires)))
}

// seconds returns the seconds until then, at least 0.
func (i *Issuer) seconds(then time.Time) int64 {
	return max(0, int64(then.Sub(i.Now())/time.Second))
}

// MayRefresh reports whether the client is registered for refresh tokens.
func MayRefresh(reg *broker.Registration) bool {
	return slices.Contains(reg.Metadata.GrantTypes, dcr.GrantRefreshToken)
}
