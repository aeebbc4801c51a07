package operator

import (
	"slices"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// concerned is a client with its findings, and its profile before and after the
// change. before is nil if it is not known, after if the profile is gone.
type concerned struct {
	generation    string
	before, after *policy.Profile
	keys          []key
}

// withdrawn returns those scopes of a grant that the change withdraws, and that
// no finding of the client is about, because the client has given them up.
func (c concerned) withdrawn(g *broker.Grant) []string {
	if c.after == nil || g.User.Sub == "" {
		return nil
	}
	return slices.DeleteFunc(c.after.Withholds(g.Scopes), func(scope string) bool {
		known := func(k key) bool { return k.rule == RuleNoScope || k == newKey(EffectCutOff, RuleScope, scope) }
		return c.before != nil && len(c.before.Withholds([]string{scope})) > 0 || slices.ContainsFunc(c.keys, known)
	})
}

// grant adds a grant to the findings that it concerns.
func (c *comparison) grant(g *broker.Grant) {
	if !g.EndedAt.IsZero() {
		return
	}
	if client, ok := c.clients[g.ClientID]; ok && client.generation == g.Generation {
		for _, scope := range client.withdrawn(g) {
			k := newKey(EffectCutOff, RuleScope, scope)
			c.finding(k).Clients++
			client.keys = append(client.keys, k)
			c.clients[g.ClientID] = client
		}
		for _, k := range client.keys {
			if !k.holds(g) {
				continue
			}
			f := c.finding(k)
			f.Grants++
			if k.ends(g, client.after) {
				f.Ends++
			}
		}
	}
	for k := range c.found {
		if k.rule == RuleResource && broker.SameResource(g.Resource, k.subject) || k.rule == RuleIdentityProvider && slices.Contains(g.User.IdentityProviders, k.subject) {
			c.holder(k, g)
		}
	}
	if d, ok := c.dropped[g.AppClient]; ok && slices.ContainsFunc(g.Scopes, func(s string) bool { return slices.Contains(d.scopes, s) }) {
		c.holder(d.key, g)
	}
}

// holds reports whether the finding concerns a grant of its clients.
func (k key) holds(g *broker.Grant) bool {
	switch k.rule {
	case RuleNewScope:
		return false
	case RuleScope:
		return slices.Contains(g.Scopes, k.subject) && (k.resource == "" || broker.SameResource(g.Resource, k.resource))
	}
	return true
}

// ends reports whether the finding ends a grant of its clients. profile is that of
// the client after the change, or nil. A grant without a user ends only with the
// registration.
func (k key) ends(g *broker.Grant, profile *policy.Profile) bool {
	switch {
	case k.rule == RuleLifetime:
		return true
	case k.rule == RuleUsers:
		return g.User.Sub != "" && !profile.Users().AllowProviders(g.User.IdentityProviders)
	case k.effect != EffectCutOff || g.User.Sub == "":
		return false
	}
	switch k.rule {
	case RuleProfile:
		return true
	case RuleNoScope:
		return len(profile.Withholds(g.Scopes)) > 0
	case RuleScope: // a scope that a resource has lost stays with the grants
		return slices.Contains(profile.Withholds(g.Scopes), k.subject)
	}
	return false
}

// holder adds a grant and its client to a finding.
func (c *comparison) holder(k key, g *broker.Grant) {
	if c.holders[k] == nil {
		c.holders[k] = make(map[string]bool)
	}
	c.holders[k][g.ClientID] = true
	f := c.finding(k)
	f.Grants++
	f.Clients = len(c.holders[k])
}
