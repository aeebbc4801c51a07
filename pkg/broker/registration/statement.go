package registration

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// retryKeys is the Retry-After if the keys of an issuer cannot be fetched.
const retryKeys = 10 * time.Second

// JWTs verifies JWTs from other issuers: initial access tokens and software
// statements. Implementations are safe for concurrent use.
type JWTs interface {
	// Verify returns the content of token if it is a valid JWT: its iss is the
	// URL of one of issuers, this issuer signed it with one of its algorithms,
	// and it has neither expired nor is from the future (with a minute for clock
	// skew). The caller has to check the audience (aud). Verify fetches nothing
	// that the token names.
	//
	// For a token that is not valid, the error is policy.ErrUnknownIssuer or a
	// *policy.NotVerifiedError, perhaps wrapped. After any other error the
	// caller does not know whether the token is valid.
	Verify(ctx context.Context, issuers []policy.Issuer, token string) (*policy.JWT, error)
}

// A Statement is an accepted software statement (RFC 7591 §2.3).
type Statement struct {
	Issuer string
	// Metadata has the claims of the statement that are client metadata.
	Metadata dcr.ParsedMetadata
}

// request is a request with the metadata that have been checked so far.
type request struct {
	*dcr.Request
	policy  *policy.Policy
	profile *policy.Profile
	// valid is the metadata of the request without its statement. invalid is the
	// error of this metadata; it counts unless the statement corrects the fault.
	valid   dcr.ParsedMetadata
	invalid error
}

// requestedMetadata returns the validated metadata that a client requests, and
// the accepted software statement, if any.
func (g *Registrar) requestedMetadata(ctx context.Context, req request) (dcr.ParsedMetadata, *Statement, error) {
	use := req.profile.SoftwareStatements()
	if use == policy.RequireStatements && req.SoftwareStatement == "" {
		return dcr.ParsedMetadata{}, nil, dcr.Errorf(dcr.InvalidSoftwareStatement, "software_statement: required here")
	}
	if use == policy.IgnoreStatements || req.SoftwareStatement == "" {
		return req.valid, nil, req.invalid
	}
	j, err := g.approvedStatement(ctx, req)
	if err != nil {
		return dcr.ParsedMetadata{}, nil, err
	}
	m, err := withStatement(req, j)
	if err != nil {
		return dcr.ParsedMetadata{}, nil, err
	}
	s, err := statementOf(j, m)
	if err != nil {
		return dcr.ParsedMetadata{}, nil, err
	}
	return m, s, nil
}

// approvedStatement verifies the statement of req. It returns an error if the
// policy does not approve its claims.
func (g *Registrar) approvedStatement(ctx context.Context, req request) (*policy.JWT, error) {
	j, err := g.verify(ctx, req.policy.StatementIssuers(), req.SoftwareStatement, statementJWT)
	if err != nil {
		return nil, err
	}
	if err := req.policy.ApproveStatement(j.Issuer, j.Claims); err != nil {
		return nil, err
	}
	return j, nil
}

// withStatement returns the metadata of req, validated, in which the claims of
// its statement take precedence.
func withStatement(req request, j *policy.JWT) (dcr.ParsedMetadata, error) {
	together, err := req.Metadata.WithStatement(j.Claims)
	if err != nil {
		return dcr.ParsedMetadata{}, err
	}
	m, err := dcr.Validate(together)
	if err != nil {
		return dcr.ParsedMetadata{}, err
	}
	m.SoftwareStatement = req.SoftwareStatement
	return m, nil
}

// statementOf returns the statement of a client that registers m.
func statementOf(j *policy.JWT, m dcr.ParsedMetadata) (*Statement, error) {
	stated, err := dcr.ClientMetadata{}.WithStatement(j.Claims)
	if err != nil {
		return nil, err
	}
	s := &Statement{Issuer: j.Issuer, Metadata: dcr.ParsedMetadata{ClientMetadata: stated}}
	if len(stated.RedirectURIs) > 0 {
		// The redirect URIs of a statement replace those of the request.
		s.Metadata.RedirectURIs, s.Metadata.Redirects = slices.Clone(m.RedirectURIs), slices.Clone(m.Redirects)
	}
	return s, nil
}

// purpose is the use of a JWT, with the codes for a JWT that is not accepted.
type purpose struct {
	// name is the name of the JWT in an error description.
	name string
	// invalid is the code for a JWT that is not verified, and untrusted the code
	// for a JWT of an unknown issuer.
	invalid, untrusted dcr.Code
}

var (
	vouchingJWT  = purpose{"the initial access token", dcr.InvalidToken, dcr.InvalidToken}
	statementJWT = purpose{"software_statement", dcr.InvalidSoftwareStatement, dcr.UnapprovedSoftwareStatement}
)

// verify verifies a JWT of one of issuers.
func (g *Registrar) verify(ctx context.Context, issuers []policy.Issuer, token string, p purpose) (*policy.JWT, error) {
	j, err := g.jwts.Verify(ctx, issuers, token)
	if e, ok := errors.AsType[*policy.NotVerifiedError](err); ok {
		return nil, refusal(dcr.Errorf(p.invalid, "%s: %s", p.name, e.Reason), err)
	}
	if errors.Is(err, policy.ErrUnknownIssuer) {
		return nil, refusal(dcr.Errorf(p.untrusted, "%s: its issuer is not trusted here", p.name), err)
	}
	if err != nil {
		return nil, broker.Unavailable("the keys of the issuer of "+p.name+" could not be fetched", retryKeys, err)
	}
	return j, nil
}

// refusal returns e with its cause for the log.
func refusal(e *dcr.Error, cause error) error {
	return &broker.Refusal{Code: e.Code, Description: e.Description, RetryAfter: e.RetryAfter, Cause: cause}
}
