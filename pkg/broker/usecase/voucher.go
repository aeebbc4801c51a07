package usecase

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// A voucher is what stands behind a registration. The zero value is nobody,
// which is open registration.
type voucher struct {
	// id is what the registration remembers, and what hourly creations are
	// counted by.
	id string
	// use is what a use is taken from: the id of an initial access token of
	// ours, or the key of a budget, which begins with jwtPrefix. Empty if nothing
	// is counted.
	use string
	// maxUses and expires are those of the budget.
	maxUses int
	expires time.Time
}

// jwtPrefix is what tells the JWTs of others from our own tokens, whose ids
// have no slash.
const jwtPrefix = "jwt/"

// vouch decides which profile the bearer of tok registers under.
func (s *Service) vouch(ctx context.Context, pol *policy.Policy, tok credential.Token) (*policy.Profile, voucher, error) {
	if tok.IsZero() {
		profile, ok := pol.Open()
		if !ok {
			return nil, voucher{}, dcr.Errorf(dcr.TokenRequired, "registration needs an initial access token")
		}
		return profile, voucher{}, nil
	}
	if secret := tok.Reveal(); !strings.HasPrefix(secret, credential.InitialAccessTokenPrefix) && strings.Count(secret, ".") == 2 {
		return s.vouchJWT(ctx, pol, secret)
	}
	rec, err := s.initialAccessToken(ctx, tok)
	if err != nil {
		return nil, voucher{}, err
	}
	if state := rec.State(s.now()); state != "valid" {
		return nil, voucher{}, dcr.Errorf(dcr.InvalidToken, "the initial access token is %s", state)
	}
	profile, ok := pol.Profile(rec.Profile)
	if !ok {
		return nil, voucher{}, dcr.Errorf(dcr.InsufficientScope, "the profile of the initial access token is not in the policy any more")
	}
	return profile, voucher{id: rec.ID, use: rec.ID}, nil
}

// initialAccessToken returns the record of tok. It takes the same time and
// gives the same answer whether there is no such token or another secret
// belongs to its id.
func (s *Service) initialAccessToken(ctx context.Context, tok credential.Token) (*credential.InitialAccessToken, error) {
	id, err := credential.InitialAccessTokenID(tok)
	if err != nil {
		return nil, errUnknownToken()
	}
	rec, err := s.store.InitialAccessToken(ctx, id)
	if errors.Is(err, broker.ErrNotFound) {
		rec = &credential.InitialAccessToken{}
	} else if err != nil {
		return nil, unavailable(err)
	}
	if !rec.Hash.Matches(tok) {
		return nil, errUnknownToken()
	}
	return rec, nil
}

func errUnknownToken() error {
	return dcr.Errorf(dcr.InvalidToken, "the initial access token is not valid")
}

// takeUse takes a use of what vouches for a, if its uses are counted.
func (s *Service) takeUse(ctx context.Context, a *broker.AppClient, v voucher) error {
	if v.use == "" {
		return nil
	}
	var err error
	if strings.HasPrefix(v.use, jwtPrefix) {
		err = s.store.TakeBudget(ctx, broker.Budget{Key: v.use, Limit: v.maxUses, ExpiresAt: v.expires}, a.Key)
	} else {
		err = s.store.UseInitialAccessToken(ctx, v.use, a.Key)
	}
	if errors.Is(err, broker.ErrExhausted) || errors.Is(err, broker.ErrNotFound) {
		return dcr.Errorf(dcr.InvalidToken, "the initial access token has been spent or revoked")
	}
	if err != nil {
		return unavailable(fmt.Errorf("use of initial access token: %w", err))
	}
	return nil
}

// giveBackUse gives back what takeUse may have taken for a.
func (s *Service) giveBackUse(ctx context.Context, a *broker.AppClient) error {
	var err error
	switch {
	case a.InitialAccessToken == "":
		return nil
	case strings.HasPrefix(a.InitialAccessToken, jwtPrefix):
		err = s.store.ReturnBudget(ctx, a.InitialAccessToken, a.Key)
	default:
		err = s.store.ReturnInitialAccessToken(ctx, a.InitialAccessToken, a.Key)
	}
	if err != nil {
		return fmt.Errorf("give back use of initial access token %s: %w", a.InitialAccessToken, err)
	}
	return nil
}

// actor is who registers a client.
func (v voucher) actor() telemetry.Actor {
	if v.id == "" {
		return telemetry.Actor{Kind: "anonymous"}
	}
	if rest, ok := strings.CutPrefix(v.id, jwtPrefix); ok {
		return telemetry.Actor{Kind: "token_issuer", ID: rest}
	}
	return telemetry.Actor{Kind: "initial_access_token", ID: v.id}
}
