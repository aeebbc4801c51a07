package token

import (
	"context"
	"crypto/subtle"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// code is the grant type authorization_code (RFC 6749 §4.1.3, RFC 7636 §4.5).
//
// Only a request that is correct in every other respect uses up the code or
// ends the grant. So an attacker who has seen the code, but does not have the
// verifier, cannot spoil the code for the client.
type code struct {
	*call
	token credential.Token
}

const usedCode = "the code has been used before; authorize again"

var errUsedCode = invalidGrant(usedCode)

var errInvalidCode = invalidGrant("the code is not valid, or no longer valid; authorize again")

func (*code) invalid() error { return errInvalidCode }

func (c *code) presented() (credential.Token, error) {
	if err := c.CheckCode(); err != nil {
		return credential.Token{}, err
	}
	c.token = credential.Presented(c.Code)
	return c.token, nil
}

func (c *code) check(ctx context.Context, g *broker.Grant, stored *broker.SealedTokens) error {
	switch {
	case stored == nil && g.CodeUsed:
		return errUsedCode // the hash of the code went with the tokens, so any code of the grant gets this answer
	case stored == nil || !stored.Code.Hash.Matches(c.token):
		return errInvalidCode
	}
	if err := c.checkClient(ctx, g); err != nil {
		return err
	}
	// RFC 6749 §4.1.3: redirect_uri must be identical to the one of the
	// authorization request.
	if stored.Code.RedirectURI != c.RedirectURI {
		return invalidGrant("redirect_uri is not the one of the authorization request")
	}
	// RFC 7636 §4.6: the server transforms the verifier and compares it with the
	// code_challenge of the authorization request. The method is always S256.
	if subtle.ConstantTimeCompare([]byte(broker.PKCEChallenge(c.Verifier)), []byte(stored.Code.Challenge)) != 1 {
		return invalidGrant("code_verifier does not match the code_challenge of the authorization request")
	}
	if err := c.checkResource(g); err != nil {
		return err
	}
	return c.recheck(ctx, g, stored)
}

// recheck returns an error unless the code of g can be used now. A code must
// not be used more than once; after a second use the server should revoke the
// tokens that were issued for it (RFC 6749 §4.1.2).
func (c *code) recheck(ctx context.Context, g *broker.Grant, stored *broker.SealedTokens) error {
	now := c.Now()
	switch {
	case g.CodeUsed:
		return c.end(ctx, g, "its code was used twice", usedCode)
	case !g.EndedAt.IsZero(), !now.Before(stored.Code.ExpiresAt), !now.Before(g.ExpiresAt):
		return errInvalidCode
	}
	return nil
}

// usable reports whether at least half of the lifetime of the access token from
// the sign-in is left. The user may have spent a long time on the consent page.
func (c *code) usable(t broker.Tokens) bool {
	return t.ExpiresAt.Sub(c.Now()) >= t.ExpiresAt.Sub(t.IssuedAt)/2
}

// commit stores the hash of next even if the client gets no refresh token. If
// the reply to the write is lost, a read that finds the hash shows that the
// write was applied.
func (*code) commit(g *broker.Grant, next credential.Token) {
	g.CodeUsed = true
	g.Live = []credential.Hash{next.Hash()}
}
