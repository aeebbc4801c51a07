package policy

import (
	"slices"
	"strings"
	"unicode"

	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

// algorithms are the allowed signature algorithms of a JWT, the most common
// ones first. None of them is symmetric: a key that verifies must not be able
// to sign.
var algorithms = []string{"RS256", "ES256", "RS384", "RS512", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"}

// Algorithms returns the signature algorithms that an issuer's JWTs may use.
func Algorithms() []string { return slices.Clone(algorithms) }

// defaultAlgorithms are the algorithms of an entry without algorithms.
var defaultAlgorithms = algorithms[:2]

// tokenIssuers checks token_issuers. The profiles of p must be set.
func (d *checker) tokenIssuers(path string, entries []DocumentTokenIssuer, p *Policy) {
	seen := make(map[string]bool)
	first := make(map[string]*TokenRule) // by issuer
	for i, o := range entries {
		path := strict.Index(path, i)
		if d.At(path) {
			continue
		}
		r := &TokenRule{name: o.Name, profile: o.Profile, maxUses: o.MaxUses}
		r.trustedIssuer = d.trustedIssuer(path, o.Issuer, o.Audience, o.Claims, o.Algorithms)
		switch {
		case d.At(path + ".name"):
		case !isName(r.name):
			d.Want(path+".name", r.name, "1 to 32 of the characters a-z, 0-9 and '-'")
		case seen[r.name]:
			d.Add(path+".name", "%s is the name of another entry", strict.Quote(r.name))
		}
		seen[r.name] = true
		if o.Audience == nil && !d.At(path+".audience") {
			d.Add(path+".audience", "required: a token for another service must not be accepted here")
		}
		if o.Claims == nil && !d.At(path+".claims") {
			d.Add(path+".claims", "required: without it every holder of a token of this issuer could register")
		}
		if !d.At(path+".profile") && (r.profile == "" || p.profiles[r.profile] == nil && len(p.profiles) > 0) {
			d.Want(path+".profile", r.profile, "the name of a profile")
		}
		other := first[r.URL]
		if other != nil && !slices.Equal(other.Algorithms, r.Algorithms) {
			d.Add(path+".algorithms", "must be those of the entry %s, which has the same issuer", strict.Quote(other.name))
		}
		if other == nil && r.URL != "" {
			first[r.URL] = r
		}
		p.tokens = append(p.tokens, r)
	}
}

// statementIssuers checks statement_issuers.
func (d *checker) statementIssuers(path string, entries []DocumentStatementIssuer, p *Policy) {
	seen := make(map[string]bool)
	for i, o := range entries {
		path := strict.Index(path, i)
		if d.At(path) {
			continue
		}
		s := d.trustedIssuer(path, o.Issuer, o.Audience, o.Claims, o.Algorithms)
		if o.JWKSURI != nil {
			s.KeySet = d.url(path+".jwks_uri", *o.JWKSURI, true)
		}
		if seen[s.URL] && s.URL != "" {
			d.Add(path+".issuer", "%s is listed twice", strict.Quote(s.URL))
		}
		seen[s.URL] = true
		p.statements = append(p.statements, s)
	}
}

// trustedIssuer checks the members that entries of both kinds share.
func (d *checker) trustedIssuer(path, issuer string, audience Strings, claims map[string]Strings, names []string) trustedIssuer {
	t := trustedIssuer{Issuer: Issuer{Algorithms: slices.Clone(defaultAlgorithms)}, audiences: audience}
	t.URL = d.url(path+".issuer", issuer, false)
	if names != nil {
		t.Algorithms = values(d.OneOf(d.nonEmpty(path+".algorithms", names), algorithms...))
	}
	t.claims = d.requirements(path+".claims", claims)
	return t
}

// url checks the URL of an issuer or of its keys. The scheme is https, or http
// on loopback.
func (d *checker) url(path, s string, query bool) string {
	if d.At(path) {
		return ""
	}
	if IsURL(s) && (query || !strings.Contains(s, "?")) {
		return s
	}
	if query {
		d.Want(path, s, "an https URL without fragment and user; http on loopback only")
	} else {
		d.Want(path, s, "an https URL without query, fragment and user, as in the iss of the issuer's tokens; http on loopback only")
	}
	return ""
}

// standardClaims are claims that the broker always checks.
var standardClaims = []string{"aud", "exp", "iat", "iss", "jti", "nbf"}

func (d *checker) requirements(path string, claims map[string]Strings) requirements {
	if claims == nil {
		return nil
	}
	r := make(requirements)
	for _, name := range sortedNames(claims) {
		path := strict.Member(path, name)
		switch {
		case slices.Contains(standardClaims, name):
			d.Add(path, "cannot be required here; it is checked anyway")
		case name == "" || len(name) > 128 || strings.ContainsFunc(name, unicode.IsControl):
			d.Add(path, "cannot be the name of a claim")
		}
		r[name] = claims[name]
	}
	return r
}
