package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

// Check checks a document that is a part of another one, for a mode, and returns
// its policy. scopes are the scopes that the other part declares, nil if it has
// faults so that they are not known. The zero value of mode stands for direct.
// Check adds its faults to f, which has those of decoding. The policy is only
// usable if f has no fault afterwards.
func Check(document Document, mode broker.Mode, scopes []string, f *strict.Faults) *Policy {
	d := &checker{Faults: f, scopes: slices.Clone(scopes), declared: set(scopes)}
	// A profile must name the scope that lets a client change a user's account.
	d.implied = slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return s == scopeAdmin })
	d.impliedSet = set(d.implied)
	var ok bool
	if d.rules, ok = rulesOf[cmp.Or(mode, broker.ModeDirect)]; !ok {
		d.Add("", "the deployment's mode %s is neither direct nor brokered", strict.Quote(string(mode)))
	}
	return d.policy(document)
}

// checker checks a document. Its methods take the path of a value and the value,
// add its faults, and return the usable part.
type checker struct {
	*strict.Faults
	scopes     []string // that are declared; nil if they are not known
	declared   map[string]bool
	implied    []string // scopes of a profile that names none
	impliedSet map[string]bool
	rules      modeRules // of the deployment's mode
}

func (d *checker) policy(o Document) *Policy {
	p := &Policy{open: o.OpenRegistration, profiles: make(map[string]*Profile), scopes: d.scopes}
	d.statementIssuers("statement_issuers", o.StatementIssuers, p)
	if o.Profiles == nil && !d.Within("profiles") {
		d.Add("profiles", "required, with at least one profile")
	}
	if _, ok := o.Profiles[p.open]; !ok && p.open != "" && o.Profiles != nil {
		d.Add("open_registration", "there is no profile %s", strict.Quote(p.open))
	}
	statements := o.StatementIssuers != nil || d.Within("statement_issuers")
	for _, name := range sortedNames(o.Profiles) {
		p.profiles[name] = d.profile(name, o.Profiles[name], name == p.open, statements)
	}
	d.tokenIssuers("token_issuers", o.TokenIssuers, p)
	return p
}

// profile checks one profile. open is true for the profile of open registration;
// statements is true if the document has statement_issuers.
func (d *checker) profile(name string, o DocumentProfile, open, statements bool) *Profile {
	path := strict.Member("profiles", name)
	p := &Profile{name: name, open: open}
	if d.At(path) {
		return p
	}
	if !isName(name) {
		d.Add(path, "a profile's name must have 1 to 32 of the characters a-z, 0-9 and '-'")
	}
	p.softwareStatements = cmp.Or(o.SoftwareStatements, IgnoreStatements)
	if p.softwareStatements != IgnoreStatements && !statements {
		d.Add(path+".software_statements", "%s needs statement_issuers, without which no statement is trusted", p.softwareStatements)
	}
	grants, methods, redirects := path+".grant_types", path+".token_endpoint_auth_methods", path+".redirect_uris"
	p.grants = d.grantTypes(grants, o.GrantTypes, open)
	p.methods = d.authMethods(methods, o.AuthMethods, open)
	// Parts that contradict each other are only a fault if each part is valid.
	if !d.Within(grants) && !d.Within(methods) && dcr.InOwnName(p.grants) &&
		!slices.Contains(p.methods, dcr.AuthSecretBasic) && !slices.Contains(p.methods, dcr.AuthSecretPost) {
		d.Add(methods, "grant type client_credentials needs client_secret_basic or client_secret_post")
	}
	if o.RedirectURIs != nil {
		p.redirects = d.redirectURIs(redirects, *o.RedirectURIs, open)
	}
	if !d.Within(redirects) && p.redirects.empty() && dcr.UseRedirects(p.grants) {
		d.Add(redirects, "must allow something, since the grant type authorization_code needs a redirect URI")
	}
	p.allowed, p.defaults = d.profileScopes(path+".scopes", o.Scopes, open)
	p.declared, p.openIDIsOurs = d.declared, d.rules.addsOpenID
	p.limits = Limits(o.Limits)
	d.lifetimes(o.Lifetimes, p)
	d.brokered(path, o, p)
	if open {
		p.known = p.knownBodies()
	}
	return p
}

// isName reports whether s can be the name of a profile or of a token issuer.
func isName(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func (d *checker) grantTypes(path string, names []string, open bool) []string {
	if names == nil {
		return dcr.DefaultGrantTypes()
	}
	items := d.OneOf(d.nonEmpty(path, names), dcr.GrantTypes()...)
	grants := values(items)
	for _, item := range items {
		t, ok := dcr.GrantTypeOf(item.Value)
		if open && t.OwnName {
			d.Add(item.Path, "not allowed on the profile of open registration: a stranger must not get tokens without a user")
		}
		if ok && t.With != "" && !slices.Contains(grants, t.With) {
			d.Add(path, "%s is possible together with %s only", t.Name, t.With)
		}
	}
	return grants
}

func (d *checker) authMethods(path string, names []string, open bool) []string {
	if names == nil {
		return []string{dcr.AuthNone}
	}
	items := d.OneOf(d.nonEmpty(path, names), dcr.AuthNone, dcr.AuthSecretBasic, dcr.AuthSecretPost)
	for _, item := range items {
		if open && item.Value != dcr.AuthNone {
			d.Add(item.Path, "the profile of open registration can have no other method than none, since every client could get a secret there")
		}
	}
	return values(items)
}

func (d *checker) redirectURIs(path string, o DocumentRedirects, open bool) redirectRules {
	r := redirectRules{loopback: o.Loopback != nil && *o.Loopback, anyHTTPS: o.AnyHTTPS, anyPrivateUse: o.AnyPrivateUse}
	if open && r.anyHTTPS {
		d.Add(path+".any_https", "not allowed on the profile of open registration; list hosts in https")
	}
	if open && r.anyPrivateUse {
		d.Add(path+".any_private_use", "not allowed on the profile of open registration; list schemes in private_use_schemes")
	}
	d.presets(path+".presets", o.Presets, o.Loopback != nil && !*o.Loopback, &r)
	r.https = d.httpsPatterns(path+".https", o.HTTPS)
	for _, item := range d.Elements(path+".private_use_schemes", o.PrivateUseSchemes) {
		scheme, err := parseScheme(item.Value)
		if err != nil {
			d.Add(item.Path, "%v", err)
			continue
		}
		r.schemes = append(r.schemes, scheme)
	}
	return r
}

func (d *checker) httpsPatterns(path string, list []DocumentHTTPS) []httpsPattern {
	var patterns []httpsPattern
	for i, o := range list {
		at := strict.Index(path, i)
		if d.Within(at) {
			continue
		}
		if slices.ContainsFunc(list[:i], func(other DocumentHTTPS) bool { return other.Pattern == o.Pattern }) {
			d.Add(at, "%s is listed twice", strict.Quote(o.Pattern))
			continue
		}
		p, err := parseHTTPSPattern(o.Pattern)
		if err != nil {
			d.Add(at, "%v", err)
			continue
		}
		p.forwards = o.Forwards
		patterns = append(patterns, p)
	}
	return patterns
}

// presets adds the rules of known clients to r. noLoopback is true if the
// document switches loopback off.
func (d *checker) presets(path string, names []string, noLoopback bool, r *redirectRules) {
	for _, item := range d.OneOf(d.Elements(path, names), Presets()...) {
		known := presets[item.Value]
		if known.loopback && noLoopback {
			d.Add(item.Path, "%s registers loopback redirect URIs, which loopback: false excludes; remove one of the two", item.Value)
		}
		r.loopback = r.loopback || known.loopback
		rules := presetRules{name: item.Value, privateUse: known.privateUse}
		for _, h := range known.hosted {
			p, err := parseHTTPSPattern(h.pattern)
			if err != nil {
				d.Add(item.Path, "%v", err) // a test parses every preset
			}
			p.forwards = h.handling != kept
			rules.https = append(rules.https, p)
		}
		r.presets = append(r.presets, rules)
	}
}

func values(elements []strict.Element) []string {
	var list []string
	for _, e := range elements {
		list = append(list, e.Value)
	}
	return list
}

// nonEmpty returns the elements of an array that must have at least one.
func (d *checker) nonEmpty(path string, list []string) []strict.Element {
	if list != nil && len(list) == 0 {
		d.Add(path, "must not be empty; leave it out for the default")
	}
	return d.Elements(path, list)
}

func set(list []string) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, s := range list {
		m[s] = true
	}
	return m
}
