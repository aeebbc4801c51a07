package policy

import (
	"slices"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Issuer is somebody whose signed JWTs are believed.
type Issuer struct {
	// URL is the iss of its JWTs, compared exactly.
	URL string
	// KeySet is the URL of its keys (RFC 7517 section 5). If it is empty, the issuer's discovery document names it.
	KeySet string
	// Algorithms are those that its JWTs may be signed with, at least one, all of them asymmetric (RFC 7518 section 3.1).
	Algorithms []string
}

// Claims are the claims of a JWT (RFC 7519 section 4), as encoding/json decodes them: string, float64, bool, nil,
// []any and map[string]any.
type Claims map[string]any

// requirements are what the claims of a JWT must be: each of them one of these values.
type requirements map[string][]string

// met reports whether each claim is a string that is required, or a list that has one.
func (r requirements) met(c Claims) bool {
	for name, wanted := range r {
		if !says(c[name], wanted) {
			return false
		}
	}
	return true
}

func says(claim any, wanted []string) bool {
	switch v := claim.(type) {
	case string:
		return slices.Contains(wanted, v)
	case []any:
		return slices.ContainsFunc(v, func(e any) bool {
			s, ok := e.(string)
			return ok && slices.Contains(wanted, s)
		})
	}
	return false
}

// trusted is what entries of token_issuers and statement_issuers have in common.
type trusted struct {
	Issuer
	audiences []string
	claims    requirements
}

// TokenRule is an entry of token_issuers: which JWTs of an issuer are initial access tokens, and what for.
type TokenRule struct {
	trusted
	name    string
	profile string
	maxUses int
}

// Name returns the name of the entry.
func (r *TokenRule) Name() string { return r.name }

// Profile returns the name of the profile that registrations get.
func (r *TokenRule) Profile() string { return r.profile }

// MaxUses returns how many registrations one JWT is good for; 0 is any number while it is valid.
func (r *TokenRule) MaxUses() int { return r.maxUses }

// TokenIssuers returns the issuers of token_issuers, each once.
func (p *Policy) TokenIssuers() []Issuer {
	var issuers []Issuer
	for _, r := range p.tokens {
		if !slices.ContainsFunc(issuers, func(i Issuer) bool { return i.URL == r.URL }) {
			issuers = append(issuers, r.Issuer.clone())
		}
	}
	return issuers
}

// TokenRule returns the first entry of token_issuers that admits a JWT of this issuer with these claims. An error is a
// *dcr.Error: InvalidToken if the JWT is for another audience (RFC 7519 section 4.1.3), InsufficientScope if it is for
// this server and no entry has what its other claims say.
func (p *Policy) TokenRule(issuer string, c Claims) (*TokenRule, error) {
	meant := false
	for _, r := range p.tokens {
		if r.URL != issuer || !says(c["aud"], r.audiences) {
			continue
		}
		if r.claims.met(c) {
			return r, nil
		}
		meant = true
	}
	if meant {
		return nil, dcr.Errorf(dcr.InsufficientScope, "the token is valid, and the policy lets nobody register with what it claims")
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

// ApproveStatement decides about a software statement of this issuer with these claims. An error is a *dcr.Error with
// code UnapprovedSoftwareStatement.
func (p *Policy) ApproveStatement(issuer string, c Claims) error {
	i := slices.IndexFunc(p.statements, func(s trusted) bool { return s.URL == issuer })
	if i < 0 {
		return dcr.Errorf(dcr.UnapprovedSoftwareStatement, "software_statement: its issuer is not trusted here")
	}
	s := p.statements[i]
	// Whoever is not among those whom a JWT is for must not take it (RFC 7519 section 4.1.3). It keeps ID tokens of
	// the same issuer out.
	if c["aud"] != nil && !says(c["aud"], s.audiences) || c["aud"] == nil && len(s.audiences) > 0 {
		return dcr.Errorf(dcr.UnapprovedSoftwareStatement, "software_statement: it is for another audience")
	}
	if !s.claims.met(c) {
		return dcr.Errorf(dcr.UnapprovedSoftwareStatement, "software_statement: the policy does not approve of what it claims")
	}
	return nil
}

// SoftwareStatements says what becomes of the software statement of a registration (RFC 7591 section 2.3).
func (p *Profile) SoftwareStatements() SoftwareStatements { return p.softwareStatements }

// SoftwareStatements is what becomes of a software statement.
type SoftwareStatements string

const (
	// IgnoreStatements is as if there were none.
	IgnoreStatements SoftwareStatements = "ignore"
	// AcceptStatements is that one has to be good, and then counts for more than the plain members.
	AcceptStatements SoftwareStatements = "accept"
	// RequireStatements is the same, and that there has to be one.
	RequireStatements SoftwareStatements = "require"
)

func (i Issuer) clone() Issuer {
	i.Algorithms = slices.Clone(i.Algorithms)
	return i
}
