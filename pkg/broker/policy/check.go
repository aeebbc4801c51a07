package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

// New checks a document for a mode and returns its policy. scopes are those that
// the deployment offers. The zero value of mode stands for direct. An error is a
// *strict.Error with every fault.
func New(document Document, mode broker.Mode, scopes []string) (*Policy, error) {
	var f strict.Faults
	p := Check(document, mode, scopes, &f)
	if err := f.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

// Check is New for a document that is a part of another one. It adds its faults
// to f, which has those of decoding. The policy is only usable if f has no fault
// afterwards.
func Check(document Document, mode broker.Mode, scopes []string, f *strict.Faults) *Policy {
	d := &checker{Faults: f, scopes: slices.Clone(scopes), offered: set(scopes)}
	// A profile must name the scope that lets a client change a user's account.
	d.implied = slices.DeleteFunc(slices.Clone(d.scopes), func(s string) bool { return s == scopeAdmin })
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
	scopes  []string // that the deployment offers
	offered map[string]bool
	implied []string  // scopes of a profile that names none
	rules   modeRules // of the deployment's mode
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
	p.limits = Limits(o.Limits)
	d.lifetimes(o.Lifetimes, p)
	d.brokered(path, o, p)
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
	items := d.choices(d.nonEmpty(path, names), dcr.GrantTypes()...)
	grants := values(items)
	for _, item := range items {
		t, ok := dcr.GrantTypeOf(item.value)
		if open && t.OwnName {
			d.Add(item.path, "not allowed on the profile of open registration: a stranger must not get tokens of its own")
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
	items := d.choices(d.nonEmpty(path, names), dcr.AuthNone, dcr.AuthSecretBasic, dcr.AuthSecretPost)
	for _, item := range items {
		if open && item.value != dcr.AuthNone {
			d.Add(item.path, "the profile of open registration must have none alone, since every client could get a secret there")
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
	for _, item := range d.list(path+".https", o.HTTPS) {
		p, err := parseHTTPSPattern(item.value)
		if err != nil {
			d.Add(item.path, "%v", err)
			continue
		}
		r.https = append(r.https, p)
	}
	for _, item := range d.list(path+".private_use_schemes", o.PrivateUseSchemes) {
		scheme, err := parseScheme(item.value)
		if err != nil {
			d.Add(item.path, "%v", err)
			continue
		}
		r.schemes = append(r.schemes, scheme)
	}
	return r
}

// presets adds the rules of known clients to r. noLoopback is true if the
// document switches loopback off.
func (d *checker) presets(path string, names []string, noLoopback bool, r *redirectRules) {
	for _, item := range d.choices(d.list(path, names), Presets()...) {
		known := presets[item.value]
		if known.loopback && noLoopback {
			d.Add(item.path, "%s registers loopback redirect URIs, which loopback: false excludes; remove one of the two", item.value)
		}
		r.loopback = r.loopback || known.loopback
		r.presets = append(r.presets, item.value)
		r.presetPrivateUse = append(r.presetPrivateUse, known.privateUse...)
		for _, text := range known.https {
			p, err := parseHTTPSPattern(text)
			if err != nil {
				d.Add(item.path, "%v", err) // a test parses every preset
			}
			r.presetHTTPS = append(r.presetHTTPS, p)
		}
	}
}

// item is one string of a list.
type item struct{ path, value string }

func values(items []item) []string {
	var list []string
	for _, i := range items {
		list = append(list, i.value)
	}
	return list
}

// list returns the strings of a list that had no fault when they were decoded.
func (d *checker) list(path string, list []string) []item {
	var items []item
	for i, s := range list {
		if at := strict.Index(path, i); !d.At(at) {
			items = append(items, item{at, s})
		}
	}
	return items
}

// nonEmpty is list for an array with at least one string.
func (d *checker) nonEmpty(path string, list []string) []item {
	if list != nil && len(list) == 0 {
		d.Add(path, "must not be empty; leave it out for the default")
	}
	return d.list(path, list)
}

// choices returns those of items that are in allowed, and reports the others.
func (d *checker) choices(items []item, allowed ...string) []item {
	return slices.DeleteFunc(items, func(i item) bool {
		if slices.Contains(allowed, i.value) {
			return false
		}
		d.Add(i.path, "%s is not one of %s", strict.Quote(i.value), strings.Join(allowed, ", "))
		return true
	})
}

func set(list []string) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, s := range list {
		m[s] = true
	}
	return m
}
