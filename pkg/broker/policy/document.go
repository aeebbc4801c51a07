package policy

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// maxLimit is the highest value of a limit: no user pool can have more app
// clients.
const maxLimit = 10_000

// Parse reads a document and checks all of it for a deployment of this mode that
// offers these scopes. An error is a *ParseError with every fault. Member names
// are matched exactly; unknown and repeated names are faults.
func Parse(body []byte, mode broker.Mode, scopes []string) (*Policy, error) {
	d := &reader{scopes: slices.Clone(scopes)}
	d.checkDeployment(mode)
	p := d.policy(body)
	if len(d.faults) > 0 {
		return nil, &ParseError{Faults: d.faults}
	}
	return p, nil
}

// reader reads a document and checks it. Its methods take the path of a value
// and the value, add its faults, and return the usable part.
type reader struct {
	faults
	scopes []string  // of the deployment
	rules  modeRules // of the deployment's mode
}

func (d *reader) policy(body []byte) *Policy {
	tree, ok := d.tree(body)
	if !ok {
		return nil
	}
	o, ok := d.object("", tree, "version", "open_registration", "profiles", "token_issuers", "statement_issuers")
	if !ok {
		return nil
	}
	if v, ok := o["version"]; !ok {
		d.add("version", "required, and must be 1")
	} else if v != json.Number("1") {
		d.add("version", "must be 1")
	}
	p := &Policy{profiles: make(map[string]*Profile), scopes: d.scopes}
	if v := o["open_registration"]; v != nil { // null means off, like an absent member
		if p.open, _ = v.(string); p.open == "" {
			d.add("open_registration", "must be the name of a profile; leave it out to switch open registration off")
		}
	}
	if has(o, "statement_issuers") {
		d.statementIssuers("statement_issuers", o["statement_issuers"], p)
	}
	d.profiles(o, p)
	if has(o, "token_issuers") {
		d.tokenIssuers("token_issuers", o["token_issuers"], p)
	}
	return p
}

// profiles reads the profiles of the document o into p.
func (d *reader) profiles(o map[string]any, p *Policy) {
	v, ok := o["profiles"]
	if !ok {
		d.add("profiles", "required, with at least one profile")
		return
	}
	profiles, ok := v.(map[string]any)
	if !ok || len(profiles) == 0 {
		d.add("profiles", "must be an object with at least one profile")
		return
	}
	if _, ok := profiles[p.open]; !ok && p.open != "" {
		d.add("open_registration", "there is no profile %s", quote(p.open))
	}
	for _, name := range slices.Sorted(maps.Keys(profiles)) {
		p.profiles[name] = d.profile(name, profiles[name], name == p.open, has(o, "statement_issuers"))
	}
}

// checkDeployment checks the parts of a policy that are not in the document, and
// sets the rules of the mode.
func (d *reader) checkDeployment(mode broker.Mode) {
	var ok bool
	if d.rules, ok = rulesOf[cmp.Or(mode, broker.ModeDirect)]; !ok {
		d.add("", "the deployment's mode %s is neither direct nor brokered", quote(string(mode)))
	}
	for i, s := range d.scopes {
		switch {
		case !validScope(s):
			d.add("", "the deployment's scope %s has characters that a scope cannot have, or is too long", quote(s))
		case s == "offline_access":
			d.add("", "the deployment's scope offline_access does not exist in Cognito, which issues refresh tokens without it")
		case slices.Contains(d.scopes[:i], s):
			d.add("", "the deployment's scope %s is listed twice", quote(s))
		}
	}
}

// profile reads one profile. open is true for the profile of open registration;
// statements is true if the document has statement_issuers.
func (d *reader) profile(name string, v any, open, statements bool) *Profile {
	path := member("profiles", name)
	if len(name) > 32 || !allIn(name, lower+digits+"-") {
		d.add(path, "a profile's name must have 1 to 32 of the characters a-z, 0-9 and '-'")
	}
	p := &Profile{name: name, open: open}
	o, ok := d.object(path, v, "redirect_uris", "grant_types", "token_endpoint_auth_methods", "scopes", "limits",
		"software_statements", "app_client", "approval", "consent", "users", "lifetimes")
	if !ok {
		return p
	}
	p.softwareStatements = d.statementsOf(path+".software_statements", o["software_statements"], has(o, "software_statements"), statements)
	before := len(d.faults)
	p.grants = d.grantTypes(path+".grant_types", o["grant_types"], has(o, "grant_types"), open)
	p.methods = d.authMethods(path+".token_endpoint_auth_methods", o["token_endpoint_auth_methods"], has(o, "token_endpoint_auth_methods"), open)
	// Parts that contradict each other are only a fault if each part is valid.
	if len(d.faults) == before && dcr.InOwnName(p.grants) &&
		!slices.Contains(p.methods, dcr.AuthSecretBasic) && !slices.Contains(p.methods, dcr.AuthSecretPost) {
		d.add(path+".token_endpoint_auth_methods", "grant type client_credentials needs client_secret_basic or client_secret_post")
	}
	before = len(d.faults)
	if has(o, "redirect_uris") {
		p.redirects = d.redirectURIs(path+".redirect_uris", o["redirect_uris"], open)
	}
	if len(d.faults) == before && p.redirects.empty() && dcr.UseRedirects(p.grants) {
		d.add(path+".redirect_uris", "must allow something, since the grant type authorization_code needs a redirect URI")
	}
	p.allowed, p.defaults = d.profileScopes(path+".scopes", o["scopes"], has(o, "scopes"), open)
	if has(o, "limits") {
		p.limits = d.limits(path+".limits", o["limits"])
	}
	d.lifetimes(path+".lifetimes", o["lifetimes"], has(o, "lifetimes"), p)
	d.brokered(path, o, p)
	return p
}

func (d *reader) grantTypes(path string, v any, sent, open bool) []string {
	if !sent {
		return dcr.DefaultGrantTypes()
	}
	items := d.choices(d.nonEmpty(path, v), dcr.GrantTypes()...)
	grants := values(items)
	for _, item := range items {
		t, ok := dcr.GrantTypeOf(item.value)
		if open && t.OwnName {
			d.add(item.path, "not allowed on the profile of open registration: a stranger must not get tokens of its own")
		}
		if ok && t.With != "" && !slices.Contains(grants, t.With) {
			d.add(path, "%s is possible together with %s only", t.Name, t.With)
		}
	}
	return grants
}

func (d *reader) authMethods(path string, v any, sent, open bool) []string {
	if !sent {
		return []string{dcr.AuthNone}
	}
	items := d.choices(d.nonEmpty(path, v), dcr.AuthNone, dcr.AuthSecretBasic, dcr.AuthSecretPost)
	for _, item := range items {
		if open && item.value != dcr.AuthNone {
			d.add(item.path, "the profile of open registration must have none alone, since every client could get a secret there")
		}
	}
	return values(items)
}

func (d *reader) redirectURIs(path string, v any, open bool) redirectRules {
	var r redirectRules
	o, ok := d.object(path, v, "presets", "loopback", "https", "any_https", "private_use_schemes", "any_private_use")
	if !ok {
		return r
	}
	r.loopback = d.boolean(path+".loopback", o["loopback"], has(o, "loopback"))
	r.anyHTTPS = d.boolean(path+".any_https", o["any_https"], has(o, "any_https"))
	r.anyPrivateUse = d.boolean(path+".any_private_use", o["any_private_use"], has(o, "any_private_use"))
	if open && r.anyHTTPS {
		d.add(path+".any_https", "not allowed on the profile of open registration; list hosts in https")
	}
	if open && r.anyPrivateUse {
		d.add(path+".any_private_use", "not allowed on the profile of open registration; list schemes in private_use_schemes")
	}
	if has(o, "presets") {
		d.presets(path+".presets", o["presets"], has(o, "loopback") && !r.loopback, &r)
	}
	if has(o, "https") {
		for _, item := range d.list(path+".https", o["https"]) {
			p, err := parseHTTPSPattern(item.value)
			if err != nil {
				d.add(item.path, "%v", err)
				continue
			}
			r.https = append(r.https, p)
		}
	}
	if has(o, "private_use_schemes") {
		for _, item := range d.list(path+".private_use_schemes", o["private_use_schemes"]) {
			scheme, err := parseScheme(item.value)
			if err != nil {
				d.add(item.path, "%v", err)
				continue
			}
			r.schemes = append(r.schemes, scheme)
		}
	}
	return r
}

// presets adds the rules of known clients to r. noLoopback is true if the
// document switches loopback off.
func (d *reader) presets(path string, v any, noLoopback bool, r *redirectRules) {
	for _, item := range d.choices(d.list(path, v), Presets()...) {
		known := presets[item.value]
		if known.loopback && noLoopback {
			d.add(item.path, "%s registers loopback redirect URIs, which loopback: false excludes; remove one of the two", item.value)
		}
		r.loopback = r.loopback || known.loopback
		r.presets = append(r.presets, item.value)
		r.presetPrivateUse = append(r.presetPrivateUse, known.privateUse...)
		for _, text := range known.https {
			p, err := parseHTTPSPattern(text)
			if err != nil {
				d.add(item.path, "%v", err) // a test parses every preset
			}
			r.presetHTTPS = append(r.presetHTTPS, p)
		}
	}
}

func (d *reader) profileScopes(path string, v any, sent, open bool) (allowed, defaults []string) {
	o := map[string]any{}
	if sent {
		var ok bool
		if o, ok = d.object(path, v, "allowed", "default"); !ok {
			return nil, nil
		}
	}
	before := len(d.faults)
	if has(o, "allowed") {
		allowed = d.scopeList(path+".allowed", o["allowed"], d.scopes, open)
	} else {
		// A profile must name the scope that lets a client change a user's
		// account.
		allowed = slices.DeleteFunc(slices.Clone(d.scopes), func(s string) bool { return s == scopeAdmin })
		if len(allowed) == 0 {
			d.add(path+".allowed", "the deployment has no scopes that could be allowed")
		}
	}
	d.checkScopes(path+".allowed", allowed)
	if !has(o, "default") {
		return allowed, allowed
	}
	if open {
		d.add(path+".default", "not supported on the profile of open registration, which grants all of allowed")
		return allowed, nil
	}
	from := allowed
	if len(d.faults) > before {
		from = d.scopes // allowed has faults
	}
	defaults = d.scopeList(path+".default", o["default"], from, open)
	d.checkScopes(path+".default", defaults)
	return allowed, defaults
}

// scopeList reads a list of scopes; each must be in from.
func (d *reader) scopeList(path string, v any, from []string, open bool) []string {
	items := d.nonEmpty(path, v)
	for _, item := range items {
		switch {
		case open && item.value == scopeAdmin:
			d.add(item.path, "not allowed on the profile of open registration: it lets a client change the user's account")
		case d.rules.noAdmin && item.value == scopeAdmin:
			d.add(item.path, "not allowed in brokered mode: no app client of the broker has it")
		case !slices.Contains(from, item.value) && slices.Contains(d.scopes, item.value):
			d.add(item.path, "%s is not in allowed", quote(item.value))
		case !slices.Contains(from, item.value):
			d.add(item.path, "%s is not a scope of this deployment, which has: %s", quote(item.value), strings.Join(d.scopes, " "))
		}
	}
	return values(items)
}

// checkScopes applies Cognito's rules for the scopes of an app client.
func (d *reader) checkScopes(path string, scopes []string) {
	limit, besides := MaxScopes, ""
	if d.rules.addsOpenID && !slices.Contains(scopes, broker.ScopeOpenID) {
		limit, besides = MaxScopes-1, " besides openid, which the broker needs"
	}
	if len(scopes) > limit {
		d.add(path, "%d scopes, and an app client can have %d%s; list those that are needed", len(scopes), limit, besides)
	}
	if i := slices.IndexFunc(scopes, needsOpenID); i >= 0 && !slices.Contains(scopes, broker.ScopeOpenID) {
		d.add(path, "%s needs openid beside it", scopes[i])
	}
}

func (d *reader) limits(path string, v any) Limits {
	o, ok := d.object(path, v, "app_clients", "creations_per_hour", "creations_per_hour_per_token")
	if !ok {
		return Limits{}
	}
	number := func(name string) int {
		if !has(o, name) {
			return 0
		}
		// 0 is refused, because it could mean no app clients or no limit.
		literal, ok := o[name].(json.Number)
		n, err := strconv.Atoi(literal.String())
		if !ok || err != nil || n < 1 || n > maxLimit {
			d.add(path+"."+name, "must be an integer from 1 to %d; leave it out for no limit", maxLimit)
		}
		return n
	}
	return Limits{
		AppClients: number("app_clients"), CreationsPerHour: number("creations_per_hour"),
		CreationsPerHourPerToken: number("creations_per_hour_per_token"),
	}
}
