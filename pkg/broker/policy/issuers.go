package policy

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// maxTokenUses is the highest value of max_uses (ADR 3).
const maxTokenUses = 1000

// algorithms are the allowed signature algorithms of a JWT, the most common
// ones first. None of them is symmetric: a key that verifies must not be able
// to sign.
var algorithms = []string{"RS256", "ES256", "RS384", "RS512", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"}

// defaultAlgorithms are the algorithms of an entry without algorithms.
var defaultAlgorithms = algorithms[:2]

// tokenIssuers reads token_issuers. The profiles of p must be set.
func (d *reader) tokenIssuers(path string, v any, p *Policy) {
	seen := make(map[string]bool)
	for i, e := range d.elements(path, v) {
		path := index(path, i)
		o, ok := d.object(path, e, "name", "issuer", "audience", "claims", "profile", "max_uses", "algorithms")
		if !ok {
			continue
		}
		r := &TokenRule{trustedIssuer: d.trustedIssuer(path, o)}
		if r.name, _ = o["name"].(string); len(r.name) > 32 || !allIn(r.name, lower+digits+"-") {
			d.add(path+".name", "required, 1 to 32 of the characters a-z, 0-9 and '-'")
		} else if seen[r.name] {
			d.add(path+".name", "%s is the name of another entry", quote(r.name))
		}
		seen[r.name] = true
		if !has(o, "audience") {
			d.add(path+".audience", "required: a token for another service must not be accepted here")
		}
		if !has(o, "claims") {
			d.add(path+".claims", "required: without it every holder of a token of this issuer could register")
		}
		if r.profile, ok = o["profile"].(string); !ok || p.profiles[r.profile] == nil && len(p.profiles) > 0 {
			d.add(path+".profile", "required, the name of a profile")
		}
		r.maxUses = d.maxUses(path+".max_uses", o["max_uses"], has(o, "max_uses"))
		if other := slices.IndexFunc(p.tokens, func(t *TokenRule) bool { return t.URL == r.URL && r.URL != "" }); other >= 0 &&
			!slices.Equal(p.tokens[other].Algorithms, r.Algorithms) {
			d.add(path+".algorithms", "must be those of the entry %s, which has the same issuer", quote(p.tokens[other].name))
		}
		p.tokens = append(p.tokens, r)
	}
}

// statementIssuers reads statement_issuers.
func (d *reader) statementIssuers(path string, v any, p *Policy) {
	for i, e := range d.elements(path, v) {
		path := index(path, i)
		o, ok := d.object(path, e, "issuer", "jwks_uri", "audience", "claims", "algorithms")
		if !ok {
			continue
		}
		s := d.trustedIssuer(path, o)
		if has(o, "jwks_uri") {
			s.KeySet = d.url(path+".jwks_uri", o["jwks_uri"], true)
		}
		if slices.ContainsFunc(p.statements, func(t trustedIssuer) bool { return t.URL == s.URL && s.URL != "" }) {
			d.add(path+".issuer", "%s is listed twice", quote(s.URL))
		}
		p.statements = append(p.statements, s)
	}
}

// elements reads an array with at least one element.
func (d *reader) elements(path string, v any) []any {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		d.add(path, "must be an array of objects, and not empty; leave it out to trust no issuer")
	}
	return list
}

// trustedIssuer reads the members that entries of both kinds share.
func (d *reader) trustedIssuer(path string, o map[string]any) trustedIssuer {
	t := trustedIssuer{Issuer: Issuer{Algorithms: slices.Clone(defaultAlgorithms)}}
	t.URL = d.url(path+".issuer", o["issuer"], false)
	if has(o, "algorithms") {
		t.Algorithms = values(d.choices(d.nonEmpty(path+".algorithms", o["algorithms"]), algorithms...))
	}
	if has(o, "audience") {
		t.audiences = d.oneOrMore(path+".audience", o["audience"])
	}
	if has(o, "claims") {
		t.claims = d.requirements(path+".claims", o["claims"])
	}
	return t
}

// url reads the URL of an issuer or of its keys. The scheme is https, or http
// on loopback.
func (d *reader) url(path string, v any, query bool) string {
	s, _ := v.(string)
	u, err := url.Parse(s)
	fault := s == "" || err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || strings.HasSuffix(s, "#") ||
		!query && strings.Contains(s, "?") || u.Scheme != "https" && (u.Scheme != "http" || !dcr.IsLoopback(u.Hostname())) ||
		strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
	if !fault {
		return s
	}
	if query {
		d.add(path, "must be an https URL without fragment and user; http on loopback only")
	} else {
		d.add(path, "must be an https URL without query, fragment and user, as in the iss of the issuer's tokens; http on loopback only")
	}
	return ""
}

// oneOrMore reads a string or an array of strings.
func (d *reader) oneOrMore(path string, v any) []string {
	s, ok := v.(string)
	if !ok {
		return values(d.nonEmptyList(path, v))
	}
	if s == "" {
		d.add(path, "must not be empty")
	}
	return []string{s}
}

// nonEmptyList is nonEmpty for a member without a default.
func (d *reader) nonEmptyList(path string, v any) []item {
	if elements, ok := v.([]any); ok && len(elements) == 0 {
		d.add(path, "must not be empty")
	}
	return d.list(path, v)
}

// standardClaims are claims that the broker always checks.
var standardClaims = []string{"aud", "exp", "iat", "iss", "jti", "nbf"}

func (d *reader) requirements(path string, v any) requirements {
	o, ok := v.(map[string]any)
	if !ok || len(o) == 0 {
		d.add(path, "must be an object with at least one claim, each with a string or an array of strings")
		return nil
	}
	r := make(requirements)
	for _, name := range slices.Sorted(maps.Keys(o)) {
		path := member(path, name)
		switch {
		case slices.Contains(standardClaims, name):
			d.add(path, "cannot be required here; it is checked anyway")
		case name == "" || len(name) > 128 || strings.ContainsFunc(name, unicode.IsControl):
			d.add(path, "cannot be the name of a claim")
		}
		r[name] = d.oneOrMore(path, o[name])
	}
	return r
}

func (d *reader) maxUses(path string, v any, sent bool) int {
	if !sent {
		return 0
	}
	literal, ok := v.(json.Number)
	n, err := strconv.Atoi(literal.String())
	if !ok || err != nil || n < 1 || n > maxTokenUses {
		d.add(path, "must be an integer from 1 to %d; leave it out for any number of uses while the token is valid", maxTokenUses)
	}
	return n
}

// statementsOf reads a profile's treatment of software statements.
func (d *reader) statementsOf(path string, v any, sent, issuers bool) SoftwareStatements {
	if !sent {
		return IgnoreStatements
	}
	s := SoftwareStatements(d.choice(path, v, string(IgnoreStatements), string(AcceptStatements), string(RequireStatements)))
	if s != IgnoreStatements && s != "" && !issuers {
		d.add(path, "%s needs statement_issuers, without which no statement is trusted", s)
	}
	return s
}
