package policy

import (
	"slices"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Issuer is an issuer of signed JWTs that the policy trusts.
type Issuer struct {
	// URL is the iss of its JWTs, compared exactly.
	URL string
	// KeySet is the URL of its keys (RFC 7517 §5). If it is empty, the issuer's
	// discovery document has the URL.
	KeySet string
	// Algorithms are the signature algorithms that its JWTs may use: at least
	// one, all asymmetric (RFC 7518 §3.1).
	Algorithms []string
}

// Claims are the claims of a JWT (RFC 7519 §4), as encoding/json decodes them:
// string, float64, bool, nil, []any and map[string]any.
type Claims map[string]any

// requirements are the required claims of a JWT: the allowed values by the name
// of the claim.
type requirements map[string][]string

// satisfiedBy reports whether each required claim is one of its allowed values,
// or a list that has one of them.
func (r requirements) satisfiedBy(c Claims) bool {
	for name, values := range r {
		if !matches(c[name], values) {
			return false
		}
	}
	return true
}

func matches(claim any, values []string) bool {
	switch v := claim.(type) {
	case string:
		return slices.Contains(values, v)
	case []any:
		return slices.ContainsFunc(v, func(e any) bool {
			s, ok := e.(string)
			return ok && slices.Contains(values, s)
		})
	}
	return false
}

// trustedIssuer has the members that entries of token_issuers and
// statement_issuers share.
type trustedIssuer struct {
	Issuer
	audiences []string
	claims    requirements
}

// TokenRule is an entry of token_issuers: it accepts certain JWTs of an issuer
// as initial access tokens of a profile.
type TokenRule struct {
	trustedIssuer
	name    string
	profile string
	maxUses int
}

// Name returns the name of the entry.
func (r *TokenRule) Name() string { return r.name }

// Profile returns the name of the profile that registrations get.
func (r *TokenRule) Profile() string { return r.profile }

// MaxUses returns the number of registrations that one JWT allows; 0 means any
// number while it is valid.
func (r *TokenRule) MaxUses() int { return r.maxUses }

// TokenIssuers returns the issuers of token_issuers without duplicates.
func (p *Policy) TokenIssuers() []Issuer {
	var issuers []Issuer
	for _, r := range p.tokens {
		if !slices.ContainsFunc(issuers, func(i Issuer) bool { return i.URL == r.URL }) {
			issuers = append(issuers, r.Issuer.clone())
		}
	}
	return issuers
}

// TokenRule returns the first entry of token_issuers that admits a JWT of this
// issuer with these claims. An error is a *dcr.Error: InvalidToken if the JWT
// is for another audience (RFC 7519 §4.1.3), InsufficientScope if it is for
// this server but no entry admits its other claims.
func (p *Policy) TokenRule(issuer string, c Claims) (*TokenRule, error) {
	audienceMatched := false
	for _, r := range p.tokens {
		if r.URL != issuer || !matches(c["aud"], r.audiences) {
			continue
		}
		if r.claims.satisfiedBy(c) {
			return r, nil
		}
		audienceMatched = true
	}
	if audienceMatched {
		return nil, dcr.Errorf(dcr.InsufficientScope, "the token is valid, and the policy does not allow a registration with its claims")
	}
	return nil, dcr.Errorf(dcr.InvalidToken, "the token is for another audience")
}

// StatementIssuers returns the issuers of statement_issuers.
func (p *Policy) StatementIssuers() []Issuer {
	var issuers []Issuer
	for _, s := range p.statements {
		issuers = append(issuers, s.Issuer.clone())
	}
	return issuers
}

// ApproveStatement decides about a software statement of this issuer with these
// claims. An error is a *dcr.Error with code UnapprovedSoftwareStatement.
func (p *Policy) ApproveStatement(issuer string, c Claims) error {
	i := slices.IndexFunc(p.statements, func(s trustedIssuer) bool { return s.URL == issuer })
	if i < 0 {
		return dcr.Errorf(dcr.UnapprovedSoftwareStatement, "software_statement: its issuer is not trusted here")
	}
	s := p.statements[i]
	// RFC 7519 §4.1.3: a server that is not in the audience must reject the
	// JWT. This also refuses ID tokens of the same issuer.
	if c["aud"] != nil && !matches(c["aud"], s.audiences) || c["aud"] == nil && len(s.audiences) > 0 {
		return dcr.Errorf(dcr.UnapprovedSoftwareStatement, "software_statement: it is for another audience")
	}
	if !s.claims.satisfiedBy(c) {
		return dcr.Errorf(dcr.UnapprovedSoftwareStatement, "software_statement: the policy does not approve its claims")
	}
	return nil
}

// SoftwareStatements returns how the profile treats the software statement of a
// registration (RFC 7591 §2.3).
func (p *Profile) SoftwareStatements() SoftwareStatements { return p.softwareStatements }

// SoftwareStatements is the treatment of software statements.
type SoftwareStatements string

const (
	// IgnoreStatements ignores a statement.
	IgnoreStatements SoftwareStatements = "ignore"
	// AcceptStatements refuses an invalid statement; a valid one takes
	// precedence over the plain members.
	AcceptStatements SoftwareStatements = "accept"
	// RequireStatements is AcceptStatements, and a registration must have a
	// statement.
	RequireStatements SoftwareStatements = "require"
)

func (i Issuer) clone() Issuer {
	i.Algorithms = slices.Clone(i.Algorithms)
	return i
}
