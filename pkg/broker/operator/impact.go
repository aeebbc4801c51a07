package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// Effect is what a change of the configuration does to clients that are
// registered.
type Effect string

const (
	// EffectCutOff means that something ends that clients could do.
	EffectCutOff Effect = "cut_off"
	// EffectStays means that clients keep what the new configuration does not
	// allow to new ones.
	EffectStays Effect = "stays"
	// EffectRegisterAgain means that clients get something new only when they
	// register again.
	EffectRegisterAgain Effect = "register_again"
	// EffectUnknown means that the records do not show which clients are concerned.
	EffectUnknown Effect = "unknown"
)

// Rule is the part of the configuration that makes the difference.
type Rule string

// The rules. The comment says what Finding.Subject is, and what happens.
const (
	// RuleProfile: a profile that is gone. In brokered mode its clients get no
	// tokens and cannot send users to sign in. Initial access tokens that name it are
	// refused.
	RuleProfile Rule = "profile"
	// RuleNoScope: the profile of clients none of whose scopes are left.
	RuleNoScope Rule = "no_scope"
	// RuleScope: a scope that clients do not get any more; if the finding has a
	// Resource, only for that resource.
	RuleScope Rule = "scope"
	// RuleNewScope: a scope that a profile allows now. Clients that are registered
	// without it do not get it.
	RuleNewScope Rule = "new_scope"
	// RuleAppClient: a profile whose app clients are dedicated now. Clients that
	// registered openly get none.
	RuleAppClient Rule = "app_client"
	// RuleAppClientScopes: a profile whose shared app client would have more scopes
	// than Cognito allows. It loses those that only older grants have.
	RuleAppClientScopes Rule = "app_client_scopes"
	// RuleLifetime: the profile of clients whose lifetime has ended. The janitor
	// removes them.
	RuleLifetime Rule = "lifetime"
	// RuleResource: a protected resource that is gone.
	RuleResource Rule = "resource"
	// RuleResourceParameter: the number of protected resources. With more than
	// one, clients must name theirs.
	RuleResourceParameter Rule = "resource_parameter"
	// RuleResourceBinding: "false", because new access tokens are not bound to
	// their resource any more.
	RuleResourceBinding Rule = "resource_binding"
	// RuleIntrospection: an introspection client that is gone or has another
	// secret.
	RuleIntrospection Rule = "introspection_client"
	// RuleOpenRegistration: the profile that open registration had.
	RuleOpenRegistration Rule = "open_registration"
	// RuleRedirectURIs, RuleGrantTypes and RuleAuthMethods: a profile that no
	// longer allows what clients have. In brokered mode they get no tokens with a
	// grant type that it does not allow.
	RuleRedirectURIs Rule = "redirect_uris"
	RuleGrantTypes   Rule = "grant_types"
	RuleAuthMethods  Rule = "token_endpoint_auth_methods"
	// RuleUsers: a profile that admits other users. The records do not show who is in
	// which group, so each of the grants may end. Ends counts those of accounts whose
	// identity providers, as they were at the sign-in, are not all admitted.
	RuleUsers Rule = "users"
	// RuleIdentityProvider: an identity provider that is gone from the sign-in
	// page.
	RuleIdentityProvider Rule = "identity_provider"
)

// A Finding is a group of clients and grants that a change concerns.
type Finding struct {
	Effect  Effect `json:"effect"`
	Rule    Rule   `json:"rule"`
	Subject string `json:"subject"`
	// Resource is the protected resource to which the finding is limited, or empty.
	Resource string `json:"resource,omitzero"`
	// Clients are active or pending. Grants are theirs that have not ended.
	Clients int `json:"clients"`
	Grants  int `json:"grants"`
	// Ends is how many of these grants the rule ends, at their next request for a
	// token or by the janitor.
	Ends int `json:"ends,omitzero"`
	// Tokens are initial access tokens that are valid.
	Tokens int `json:"initial_access_tokens,omitzero"`
}

// Impact is what a change of the configuration does to clients that are
// registered.
type Impact struct {
	// Registrations and Grants are how many were read.
	Registrations int `json:"registrations"`
	Grants        int `json:"grants"`
	// Findings are sorted by effect, rule and subject. None means that the change
	// concerns only clients that register later.
	Findings []Finding `json:"findings"`
}

// ImpactStore is the part of broker.Store and broker.GrantStore that
// ImpactOf reads.
type ImpactStore interface {
	ListAllRegistrations(ctx context.Context) iter.Seq2[*broker.Registration, error]
	ListGrants(ctx context.Context) iter.Seq2[*broker.Grant, error]
	ListInitialAccessTokens(ctx context.Context) iter.Seq2[*credential.InitialAccessToken, error]
	AppClient(ctx context.Context, key string) (*broker.AppClient, error)
}

// ImpactOf compares what registered clients can do under two configurations. It
// reads the whole table twice. before is nil if it is not known; then every
// client could do what it is registered for. progress is called after each
// record.
func ImpactOf(ctx context.Context, store ImpactStore, before, after *configuration.Configuration, mode broker.Mode, now time.Time, progress func(*Impact)) (Impact, error) {
	c := &comparison{before: before, after: after, mode: mode, now: now, found: make(map[key]*Finding), clients: make(map[string]concerned), holders: make(map[key]map[string]bool), dropped: make(map[string]droppedScopes)}
	c.deployment()
	if err := c.sharedAppClients(ctx, store); err != nil {
		return c.impact, err
	}
	for r, err := range store.ListAllRegistrations(ctx) {
		if err != nil {
			return c.impact, fmt.Errorf("list registrations: %w", err)
		}
		c.impact.Registrations++
		c.registration(r)
		progress(&c.impact)
	}
	for g, err := range store.ListGrants(ctx) {
		if err != nil {
			return c.impact, fmt.Errorf("list grants: %w", err)
		}
		c.impact.Grants++
		c.grant(g)
		progress(&c.impact)
	}
	for t, err := range store.ListInitialAccessTokens(ctx) {
		if err != nil {
			return c.impact, fmt.Errorf("list initial access tokens: %w", err)
		}
		if _, ok := after.Policy.Profile(t.Profile); !ok && c.hadProfile(t.Profile) && t.State(now) == "valid" {
			c.finding(newKey(EffectCutOff, RuleProfile, t.Profile)).Tokens++
		}
	}
	c.impact.Findings = c.sorted()
	return c.impact, nil
}

// key names a finding.
type key struct {
	effect   Effect
	rule     Rule
	subject  string
	resource string
}

func newKey(e Effect, r Rule, subject string) key { return key{e, r, subject, ""} }

// comparison is one call of ImpactOf.
type comparison struct {
	before, after *configuration.Configuration
	mode          broker.Mode
	now           time.Time

	impact Impact
	found  map[key]*Finding
	// clients are the clients of findings.
	clients map[string]concerned
	// holders are the clients with grants that a finding concerns, for findings
	// that begin with grants.
	holders map[key]map[string]bool
	// dropped are the scopes that shared app clients lose, by their keys.
	dropped map[string]droppedScopes
}

// droppedScopes are the scopes that an app client loses.
type droppedScopes struct {
	key    key
	scopes []string
}

func (c *comparison) finding(k key) *Finding {
	f := c.found[k]
	if f == nil {
		f = &Finding{Effect: k.effect, Rule: k.rule, Subject: k.subject, Resource: k.resource}
		c.found[k] = f
	}
	return f
}

func (c *comparison) hadProfile(name string) bool {
	if c.before == nil {
		return true
	}
	_, ok := c.before.Policy.Profile(name)
	return ok
}

// deployment adds what concerns all clients.
func (c *comparison) deployment() {
	if c.before == nil || c.mode != broker.ModeBrokered {
		return
	}
	for _, r := range c.before.Resources {
		if !hasResource(c.after, r.URL) {
			c.finding(newKey(EffectCutOff, RuleResource, r.URL))
		}
	}
	if len(c.before.Resources) == 1 && len(c.after.Resources) > 1 {
		c.finding(newKey(EffectUnknown, RuleResourceParameter, fmt.Sprint(len(c.after.Resources))))
	}
	if c.before.ResourceBinding && !c.after.ResourceBinding {
		c.finding(newKey(EffectUnknown, RuleResourceBinding, "false"))
	}
	for _, i := range c.before.IntrospectionClients {
		same := func(o configuration.IntrospectionClient) bool {
			return o.ID == i.ID && o.SecretSHA256 == i.SecretSHA256
		}
		if !slices.ContainsFunc(c.after.IntrospectionClients, same) {
			c.finding(newKey(EffectCutOff, RuleIntrospection, i.ID))
		}
	}
	for _, name := range c.before.IdentityProviders {
		if !slices.Contains(c.after.IdentityProviders, name) {
			c.finding(newKey(EffectUnknown, RuleIdentityProvider, name))
		}
	}
}

// sharedAppClients finds the shared app clients that lose scopes, because they
// would have too many with those of their profile. See package provision.
func (c *comparison) sharedAppClients(ctx context.Context, store ImpactStore) error {
	if c.mode != broker.ModeBrokered {
		return nil
	}
	for _, name := range c.after.Policy.Profiles() {
		p, _ := c.after.Policy.Profile(name)
		if p.AppClient() != policy.SharedAppClient {
			continue
		}
		a, err := store.AppClient(ctx, broker.SharedAppClientKey(name))
		if errors.Is(err, broker.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read the app client of profile %s: %w", name, err)
		}
		scopes := broker.WithOpenID(p.Scopes())
		dropped := slices.DeleteFunc(slices.Clone(a.Scopes), func(s string) bool { return slices.Contains(scopes, s) })
		if len(dropped) > 0 && len(scopes)+len(dropped) > policy.MaxScopes {
			k := newKey(EffectUnknown, RuleAppClientScopes, name)
			c.finding(k)
			c.dropped[a.Key] = droppedScopes{k, dropped}
		}
	}
	return nil
}

func hasResource(c *configuration.Configuration, url string) bool {
	return slices.ContainsFunc(c.Resources, func(r broker.Resource) bool { return broker.SameResource(r.URL, url) })
}

// registration adds what concerns the client of r.
func (c *comparison) registration(r *broker.Registration) {
	if r.Mode != c.mode || r.State != broker.RegistrationActive && r.State != broker.RegistrationPending {
		return
	}
	keys := c.concerns(r)
	for _, k := range keys {
		c.finding(k).Clients++
	}
	was, hadProfile := c.profileBefore(r.Profile)
	now, _ := c.after.Policy.Profile(r.Profile)
	narrowed := hadProfile && now != nil && (was == nil || len(now.Withholds(was.Scopes())) > 0)
	if len(keys) > 0 || narrowed && c.mode == broker.ModeBrokered {
		c.clients[r.ClientID] = concerned{r.Generation, was, now, keys}
	}
}

func (c *comparison) sorted() []Finding {
	findings := []Finding{}
	for _, f := range slices.Collect(maps.Values(c.found)) {
		findings = append(findings, *f)
	}
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Effect, b.Effect), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Resource, b.Resource))
	})
	return findings
}
