package registration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

const (
	// maxSubject is the maximum length of a sub (OpenID Connect Core §2).
	maxSubject = 255
	// usesOutlive is how long the uses of a JWT are stored after it has expired:
	// it covers clock skew between all processes that count.
	usesOutlive = 10 * time.Minute
)

// vouching is the voucher of a request, and the profile under which the request
// registers because of it.
type vouching struct {
	// policy is the one that has the profile.
	policy  *policy.Policy
	profile *policy.Profile
	voucher broker.Voucher
	use     Use
}

// vouch returns the voucher for the request of the bearer of tok.
func (g *Registrar) vouch(ctx context.Context, pol *policy.Policy, tok credential.Token) (vouching, error) {
	if tok.IsZero() {
		profile, ok := pol.Open()
		if !ok {
			return vouching{}, dcr.Errorf(dcr.TokenRequired, "registration needs an initial access token")
		}
		return vouching{policy: pol, profile: profile}, nil
	}
	if secret := tok.Reveal(); !strings.HasPrefix(secret, credential.InitialAccessTokenPrefix) && strings.Count(secret, ".") == 2 {
		return g.vouchJWT(ctx, pol, secret)
	}
	rec, err := g.initialAccessToken(ctx, tok)
	if err != nil {
		return vouching{}, err
	}
	if state := rec.State(g.now()); state != "valid" {
		return vouching{}, dcr.Errorf(dcr.InvalidToken, "the initial access token is %s", state)
	}
	pol, profile, err := policy.Find(ctx, g.policy, pol, rec.Profile)
	if err != nil {
		return vouching{}, Unavailable(fmt.Errorf("policy: %w", err))
	}
	if profile == nil {
		return vouching{}, dcr.Errorf(dcr.InsufficientScope, "the profile of the initial access token is not in the policy any more")
	}
	return vouching{policy: pol, profile: profile, voucher: broker.Voucher(rec.ID), use: Use{Use: broker.Use{Token: rec.ID}}}, nil
}

// initialAccessToken returns the record of tok. If no token has its id, it
// takes the same time and returns the same error as for a wrong secret.
func (g *Registrar) initialAccessToken(ctx context.Context, tok credential.Token) (*credential.InitialAccessToken, error) {
	id, err := credential.InitialAccessTokenID(tok)
	if err != nil {
		return nil, unknownToken()
	}
	rec, err := g.store.InitialAccessToken(ctx, id)
	if errors.Is(err, broker.ErrNotFound) {
		rec = &credential.InitialAccessToken{}
	} else if err != nil {
		return nil, Unavailable(err)
	}
	if !rec.Hash.Matches(tok) {
		return nil, unknownToken()
	}
	return rec, nil
}

func unknownToken() error {
	return dcr.Errorf(dcr.InvalidToken, "the initial access token is not valid")
}

// vouchJWT is vouch for a JWT of a token issuer.
func (g *Registrar) vouchJWT(ctx context.Context, pol *policy.Policy, token string) (vouching, error) {
	issuers := pol.TokenIssuers()
	if len(issuers) == 0 {
		return vouching{}, unknownToken()
	}
	j, err := g.verify(ctx, issuers, token, vouchingJWT)
	if err != nil {
		return vouching{}, err
	}
	switch {
	case j.ExpiresAt.IsZero():
		return vouching{}, dcr.Errorf(dcr.InvalidToken, "the initial access token: it has no exp")
	case j.Subject == "" || len(j.Subject) > maxSubject:
		return vouching{}, dcr.Errorf(dcr.InvalidToken, "the initial access token: it has no sub, or one of more than %d bytes", maxSubject)
	}
	rule, err := pol.TokenRule(j.Issuer, j.Claims)
	if err != nil {
		return vouching{}, err
	}
	profile, ok := pol.Profile(rule.Profile())
	if !ok {
		return vouching{}, fmt.Errorf("token issuer %s: the policy has no profile %q", rule.Name(), rule.Profile())
	}
	v := vouching{policy: pol, profile: profile, voucher: broker.JWTVoucher(rule.Name(), j.Subject)}
	if rule.MaxUses() > 0 {
		v.use = Use{broker.JWTUse(j.ID), rule.MaxUses(), j.ExpiresAt.Add(usesOutlive)}
	}
	return v, nil
}
