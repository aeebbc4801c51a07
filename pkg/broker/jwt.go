package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// A JWTVerifier verifies JWTs that others have signed: initial access tokens and
// software statements. Implementations are safe for concurrent use.
type JWTVerifier interface {
	// Verify returns what token says if it is a JWT whose iss is the URL of one
	// of issuers, that this one has signed, with one of its algorithms, and
	// that is in force: neither expired nor from the future, a minute of clock
	// skew aside. It says nothing about for whom the JWT is (aud), which is for
	// the caller to judge. Nothing that the token names is fetched.
	//
	// The error is ErrUnknownIssuer or a *NotVerifiedError, perhaps wrapped, if
	// it is not so. Any other error means that it could not be found out.
	Verify(ctx context.Context, issuers []policy.Issuer, token string) (*JWT, error)
}

// ErrUnknownIssuer means that a JWT is of none of the issuers.
var ErrUnknownIssuer = errors.New("of no issuer that is trusted here")

// NotVerifiedError says why a text is no JWT to be believed.
type NotVerifiedError struct {
	// Reason is for the one who sent it: what is wrong with "it".
	Reason string
	// Cause is for the log; it may be nil.
	Cause error
}

func (e *NotVerifiedError) Error() string {
	if e.Cause != nil {
		return e.Reason + ": " + e.Cause.Error()
	}
	return e.Reason
}

// Unwrap returns the cause.
func (e *NotVerifiedError) Unwrap() error { return e.Cause }

// JWT is what a verified JWT says.
type JWT struct {
	// Issuer is its iss.
	Issuer string
	// Subject is its sub, empty if it has none.
	Subject string
	// ID tells it from all other JWTs: it is a hash of issuer and jti, or of the
	// claims if there is no jti. It depends on nothing that anybody but the
	// issuer could change.
	ID string
	// ExpiresAt is its exp, zero if it has none.
	ExpiresAt time.Time
	Claims    policy.Claims
}

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
func (s *Service) verify(ctx context.Context, issuers []policy.Issuer, token string, bad, unknown dcr.Code, what string) (*JWT, error) {
	if s.jwts == nil {
		return nil, errors.New("the policy names issuers, and there is no JWTVerifier")
	}
	j, err := s.jwts.Verify(ctx, issuers, token)
	if e, ok := errors.AsType[*NotVerifiedError](err); ok {
		return nil, &refusal{*dcr.Errorf(bad, "%s: %s", what, e.Reason), err}
	}
	if errors.Is(err, ErrUnknownIssuer) {
		return nil, &refusal{*dcr.Errorf(unknown, "%s: its issuer is not trusted here", what), err}
	}
	if err != nil {
		e := dcr.Errorf(dcr.Unavailable, "the issuer of %s cannot be asked for its keys", what)
		e.RetryAfter = retryKeys
		return nil, &refusal{*e, err}
	}
	return j, nil
}
