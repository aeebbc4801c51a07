package usecase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

const (
	// maxSubject is the longest sub that OpenID Connect allows (Core §2).
	maxSubject = 255
	// usesOutlive is how much longer the uses of a JWT are remembered than it is
	// valid: clock skew, and the clocks of all who count.
	usesOutlive = 10 * time.Minute
	// retryKeys is when to come back if the keys of an issuer cannot be fetched.
	retryKeys = 10 * time.Second
)

// vouchJWT decides which profile the bearer of another's token registers under.
func (s *Service) vouchJWT(ctx context.Context, pol *policy.Policy, token string) (*policy.Profile, voucher, error) {
	issuers := pol.TokenIssuers()
	if len(issuers) == 0 {
		return nil, voucher{}, errUnknownToken()
	}
	j, err := s.verify(ctx, issuers, token, dcr.InvalidToken, dcr.InvalidToken, "the initial access token")
	if err != nil {
		return nil, voucher{}, err
	}
	switch {
	case j.ExpiresAt.IsZero():
		return nil, voucher{}, dcr.Errorf(dcr.InvalidToken, "the initial access token: it has no exp")
	case j.Subject == "" || len(j.Subject) > maxSubject:
		return nil, voucher{}, dcr.Errorf(dcr.InvalidToken, "the initial access token: it has no sub, or one of more than %d bytes", maxSubject)
	}
	rule, err := pol.TokenRule(j.Issuer, j.Claims)
	if err != nil {
		return nil, voucher{}, err
	}
	profile, ok := pol.Profile(rule.Profile())
	if !ok {
		return nil, voucher{}, fmt.Errorf("token issuer %s: the policy has no profile %q", rule.Name(), rule.Profile())
	}
	v := voucher{id: jwtPrefix + rule.Name() + "/" + j.Subject}
	if rule.MaxUses() > 0 {
		v.use, v.maxUses, v.expires = jwtPrefix+j.ID, rule.MaxUses(), j.ExpiresAt.Add(usesOutlive)
	}
	return profile, v, nil
}

// asked returns what a client asks for, validated, and the software statement
// that counts, if one does. plain is what it says of itself, or invalid if that
// is refused, which a statement may yet mend.
func (s *Service) asked(ctx context.Context, pol *policy.Policy, profile *policy.Profile, req *dcr.Request, plain dcr.ClientMetadata, invalid error) (dcr.ClientMetadata, *statement, error) {
	switch use := profile.SoftwareStatements(); {
	case use == policy.IgnoreStatements:
		return plain, nil, invalid
	case req.SoftwareStatement == "" && use == policy.RequireStatements:
		return dcr.ClientMetadata{}, nil, dcr.Errorf(dcr.InvalidSoftwareStatement, "software_statement: required here")
	case req.SoftwareStatement == "":
		return plain, nil, invalid
	}
	j, err := s.verify(ctx, pol.StatementIssuers(), req.SoftwareStatement, dcr.InvalidSoftwareStatement, dcr.UnapprovedSoftwareStatement, "software_statement")
	if err != nil {
		return dcr.ClientMetadata{}, nil, err
	}
	if err := pol.ApproveStatement(j.Issuer, j.Claims); err != nil {
		return dcr.ClientMetadata{}, nil, err
	}
	says, err := dcr.ClientMetadata{}.WithStatement(j.Claims)
	if err != nil {
		return dcr.ClientMetadata{}, nil, err
	}
	m, err := req.Metadata.WithStatement(j.Claims)
	if err != nil {
		return dcr.ClientMetadata{}, nil, err
	}
	if m, err = dcr.Validate(m); err != nil {
		return dcr.ClientMetadata{}, nil, err
	}
	m.SoftwareStatement = req.SoftwareStatement
	return m, &statement{issuer: j.Issuer, says: says}, nil
}

// A statement is a software statement that counts.
type statement struct {
	issuer string
	says   dcr.ClientMetadata
}

// verify verifies a JWT. bad and unknown are what the client is told if it is not
// good, and if its issuer is not trusted, and what names it.
func (s *Service) verify(ctx context.Context, issuers []policy.Issuer, token string, bad, unknown dcr.Code, what string) (*policy.JWT, error) {
	if s.jwts == nil {
		return nil, errors.New("the policy names issuers, and there is no JWTVerifier")
	}
	j, err := s.jwts.Verify(ctx, issuers, token)
	if e, ok := errors.AsType[*policy.NotVerifiedError](err); ok {
		return nil, refusal(dcr.Errorf(bad, "%s: %s", what, e.Reason), err)
	}
	if errors.Is(err, policy.ErrUnknownIssuer) {
		return nil, refusal(dcr.Errorf(unknown, "%s: its issuer is not trusted here", what), err)
	}
	if err != nil {
		e := dcr.Errorf(dcr.Unavailable, "the issuer of %s cannot be asked for its keys", what)
		e.RetryAfter = retryKeys
		return nil, refusal(e, err)
	}
	return j, nil
}

// refusal returns e with its cause for the log.
func refusal(e *dcr.Error, cause error) error {
	return &broker.Refusal{Code: e.Code, Description: e.Description, RetryAfter: e.RetryAfter, Cause: cause}
}
