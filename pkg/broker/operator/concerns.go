package operator

import (
	"errors"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// concerns returns the findings that concern the client of r.
func (c *comparison) concerns(r *broker.Registration) []key {
	was, hadProfile := c.profileBefore(r.Profile)
	now, ok := c.after.Policy.Profile(r.Profile)
	switch {
	case !hadProfile:
		return nil // it was cut off before
	case !ok && c.mode == broker.ModeBrokered:
		return []key{newKey(EffectCutOff, RuleProfile, r.Profile)}
	case !ok:
		// Cognito still serves clients of direct mode. They only cannot update their
		// registrations.
		return []key{newKey(EffectStays, RuleProfile, r.Profile)}
	}
	keys := newScopes(r, was, now)
	if c.mode == broker.ModeBrokered {
		keys = append(keys, c.signIn(r, was, now)...)
	}
	if c.expires(r, was, now) {
		keys = append(keys, newKey(EffectCutOff, RuleLifetime, r.Profile))
	}
	if c.before != nil && !r.Vouched() {
		if k, changed := c.openRegistration(); changed {
			keys = append(keys, k)
		}
	}
	for _, rule := range lost(r, was, now) {
		effect := EffectStays
		if rule == RuleGrantTypes && c.mode == broker.ModeBrokered {
			effect = EffectCutOff
		}
		keys = append(keys, newKey(effect, rule, r.Profile))
	}
	return keys
}

// profileBefore returns the profile under the configuration before, nil if that
// is not known, and whether there was one.
func (c *comparison) profileBefore(name string) (*policy.Profile, bool) {
	if c.before == nil {
		return nil, true
	}
	return c.before.Policy.Profile(name)
}

// openRegistration returns the finding of clients that registered openly.
func (c *comparison) openRegistration() (key, bool) {
	was, had := c.before.Policy.Open()
	now, has := c.after.Policy.Open()
	switch {
	case had && !has:
		return newKey(EffectCutOff, RuleOpenRegistration, was.Name()), true
	case had && now.Name() != was.Name():
		return newKey(EffectStays, RuleOpenRegistration, was.Name()), true
	}
	return key{}, false
}

// newScopes returns the scopes that the profile allows now and that the client
// has not registered for. It can only get them with another registration.
func newScopes(r *broker.Registration, was, now *policy.Profile) []key {
	if was == nil {
		return nil
	}
	has := slices.Concat(was.Scopes(), strings.Fields(r.Metadata.Scope))
	var keys []key
	for _, scope := range now.Scopes() {
		if !slices.Contains(has, scope) && scope != broker.ScopeOpenID {
			keys = append(keys, newKey(EffectRegisterAgain, RuleNewScope, scope))
		}
	}
	return keys
}

// signIn returns what changes when the client sends a user to /authorize, or
// requests a token with client_credentials.
func (c *comparison) signIn(r *broker.Registration, was, now *policy.Profile) []key {
	own := dcr.InOwnName(r.Metadata.GrantTypes)
	before := strings.Fields(r.Metadata.Scope)
	if c.before != nil {
		before = scopesOf(r, was, c.before)
	}
	after := scopesOf(r, now, c.after)
	if len(before) > 0 && len(after) == 0 {
		return []key{newKey(EffectCutOff, RuleNoScope, r.Profile)}
	}
	var keys []key
	dedicated := !own && now.AppClient() == policy.DedicatedAppClient && !r.Vouched()
	if dedicated && (was == nil || was.AppClient() != policy.DedicatedAppClient) {
		keys = append(keys, newKey(EffectCutOff, RuleAppClient, r.Profile))
	}
	for _, scope := range before {
		switch {
		case scope == broker.ScopeOpenID: // each sign-in at Cognito has it
		case !slices.Contains(after, scope):
			keys = append(keys, newKey(EffectCutOff, RuleScope, scope))
		default:
			keys = append(keys, c.leftResources(scope)...)
		}
	}
	if was != nil && !own && !sameUsers(was.Users(), now.Users()) {
		keys = append(keys, newKey(EffectUnknown, RuleUsers, r.Profile))
	}
	return keys
}

// leftResources returns the resources that had a scope and have it no longer. A
// resource that is gone is a finding of its own.
func (c *comparison) leftResources(scope string) []key {
	if c.before == nil {
		return nil
	}
	var keys []key
	for _, was := range c.before.Resources {
		if !slices.Contains(was.Scopes, scope) {
			continue
		}
		for _, now := range c.after.Resources {
			if broker.SameResource(was.URL, now.URL) && !slices.Contains(now.Scopes, scope) {
				keys = append(keys, key{EffectCutOff, RuleScope, scope, was.URL})
			}
		}
	}
	return keys
}

// scopesOf returns the scopes that a client can get under a profile: those of
// its registration that the profile allows and a protected resource has.
func scopesOf(r *broker.Registration, p *policy.Profile, conf *configuration.Configuration) []string {
	own := dcr.InOwnName(r.Metadata.GrantTypes)
	allowed := p.Scopes()
	return slices.DeleteFunc(strings.Fields(r.Metadata.Scope), func(scope string) bool {
		if !slices.Contains(allowed, scope) {
			return true
		}
		// Without resource parameter, only a single resource limits the scopes of a
		// token of client_credentials.
		if len(conf.Resources) == 0 || own && len(conf.Resources) > 1 {
			return false
		}
		return !slices.ContainsFunc(conf.Resources, func(res broker.Resource) bool { return slices.Contains(res.Scopes, scope) })
	})
}

// sameUsers reports whether both admit the same users.
func sameUsers(a, b policy.Users) bool {
	return sameNames(a.Groups, b.Groups) && sameNames(a.IdentityProviders, b.IdentityProviders)
}

// sameNames reports whether two lists have the same names, in any order.
func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// expires reports whether the lifetime of r has ended under the profile now, and
// had not under the profile was. The janitor does not review a registration that
// no user has confirmed.
func (c *comparison) expires(r *broker.Registration, was, now *policy.Profile) bool {
	if !r.ExpiresAt.IsZero() {
		return false
	}
	ended := func(p *policy.Profile) bool {
		end := policy.EndOfLife(r, p)
		return !end.IsZero() && !end.After(c.now)
	}
	return ended(now) && !ended(was)
}

// lost returns the rules by which the client would not get what it has if it
// registered again, and would have before.
func lost(r *broker.Registration, was, now *policy.Profile) []Rule {
	before := refused(r, was)
	return slices.DeleteFunc(refused(r, now), func(rule Rule) bool { return slices.Contains(before, rule) })
}

// refused returns the rules by which the profile does not register the metadata
// of r as they are. p is nil if it is not known.
func refused(r *broker.Registration, p *policy.Profile) []Rule {
	if p == nil {
		return nil
	}
	var rules []Rule
	if slices.ContainsFunc(r.Metadata.GrantTypes, func(name string) bool { return !p.AllowsGrantType(name) }) {
		rules = append(rules, RuleGrantTypes)
	}
	valid, err := dcr.Validate(r.Metadata)
	if err != nil {
		return rules // metadata of an earlier build
	}
	m, err := p.Apply(valid)
	if e, ok := errors.AsType[*dcr.Error](err); ok {
		switch {
		case e.Code == dcr.InvalidRedirectURI:
			return append(rules, RuleRedirectURIs)
		case strings.HasPrefix(e.Description, "token_endpoint_auth_method"):
			return append(rules, RuleAuthMethods)
		}
		return rules // its scopes are a finding already
	}
	if len(m.RedirectURIs) < len(r.Metadata.RedirectURIs) {
		rules = append(rules, RuleRedirectURIs)
	}
	if err == nil && m.TokenEndpointAuthMethod != r.Metadata.TokenEndpointAuthMethod {
		rules = append(rules, RuleAuthMethods)
	}
	return rules
}
