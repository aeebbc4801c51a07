// Package policy is a value: the rules for registrations. It takes a profile
// and client metadata, and returns client metadata or a refusal.
//
// A policy is the part of a configuration document about registrations
// ([Document], reference in docs/configuration.md), checked ([Check]). It has
// named profiles. A profile has the redirect URIs, grant types, token endpoint
// authentication methods and scopes that a registration may have, and limits on
// the number of registrations. Open registration names a profile or is off; an
// initial access token names one.
//
// The package is used after dcr.Decode and dcr.Validate, which apply the RFCs
// without configuration, and before anything that has an effect. It is pure: no
// clock, no network, no state. A Policy never changes and may be used
// concurrently.
//
// The package leaves out counting: [Limits] has the numbers, and the use cases
// enforce them with a store.
//
// The package is longer than 1,500 lines because each rule has its values, its
// syntax in the document and its decision, which change together.
package policy

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Policy is a document that passed all checks.
type Policy struct {
	open     string // the name of the profile for open registration, "" if that is off
	profiles map[string]*Profile
	scopes   []string // of the deployment

	tokens     []*TokenRule // in the document's order
	statements []trustedIssuer
}

// Open returns the profile of open registration, and false if open registration
// is off.
func (p *Policy) Open() (*Profile, bool) { return p.Profile(p.open) }

// Profile returns the profile with this name, and false if there is none.
func (p *Policy) Profile(name string) (*Profile, bool) {
	profile, ok := p.profiles[name]
	return profile, ok
}

// Profiles returns the names of all profiles in alphabetical order.
func (p *Policy) Profiles() []string { return slices.Sorted(maps.Keys(p.profiles)) }

// ScopesSupported returns the value for scopes_supported in authorization
// server metadata, in the deployment's order. With open registration it has the
// scopes of every openly registered client: some clients request all listed
// scopes, and Cognito refuses a request with a scope that the client does not
// have. Without open registration it has the scopes that any profile allows. It
// never has aws.cognito.signin.user.admin, because a client should not request
// this scope by accident.
func (p *Policy) ScopesSupported() []string {
	advertised := make(map[string]bool)
	for _, profile := range p.profiles {
		if p.open != "" && !profile.open {
			continue
		}
		for _, scope := range profile.allowed {
			advertised[scope] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(p.scopes), func(s string) bool { return s == scopeAdmin || !advertised[s] })
}

// Allows reports whether any profile allows a scope.
func (p *Policy) Allows(scope string) bool {
	for _, profile := range p.profiles {
		if slices.Contains(profile.allowed, scope) {
			return true
		}
	}
	return false
}

// Profile is a named set of rules for registrations.
type Profile struct {
	name      string
	open      bool
	redirects redirectRules
	known     map[string]string // of the profile of open registration: knownBodies
	grants    []string
	methods   []string
	allowed   []string        // scopes
	defaults  []string        // scopes for a registration without scopes
	declared  map[string]bool // scopes of the deployment
	// openIDIsOurs is whether only the broker uses the scope openid.
	openIDIsOurs bool
	limits       Limits

	softwareStatements SoftwareStatements

	lifetimes Lifetimes

	// Of brokered mode; zero values in direct mode.
	appClient AppClient
	consent   Consent
	users     Users
	approval  Approval
}

// Name returns the name of the profile.
func (p *Profile) Name() string { return p.name }

// Open reports whether this is the profile of open registration. It is also
// true for a registration with an initial access token of this profile.
func (p *Profile) Open() bool { return p.open }

// Scopes returns the scopes that a registration may get.
func (p *Profile) Scopes() []string { return slices.Clone(p.allowed) }

// Limits returns the profile's limits on registrations.
func (p *Profile) Limits() Limits { return p.limits }

// AppClient returns the kind of app client through which users sign in, in
// brokered mode. Clients with the grant type client_credentials always have a
// dedicated one.
func (p *Profile) AppClient() AppClient { return p.appClient }

// AppClient is the kind of app client through which users sign in.
type AppClient string

const (
	// SharedAppClient is one app client for all registrations of the profile.
	SharedAppClient AppClient = "shared"
	// DedicatedAppClient is one app client for each registration that is used.
	DedicatedAppClient AppClient = "dedicated"
)

// Consent returns how often a user has to consent, in brokered mode.
func (p *Profile) Consent() Consent { return p.consent }

// Consent is how often a user has to consent.
type Consent string

const (
	// ConsentAlways requires a consent at each authorization.
	ConsentAlways Consent = "always"
	// ConsentRemember stores a consent for some time if the redirect URI is
	// https.
	ConsentRemember Consent = "remember"
)

// Users returns the users who may consent, in brokered mode.
func (p *Profile) Users() Users {
	return Users{slices.Clone(p.users.Groups), slices.Clone(p.users.IdentityProviders)}
}

// Users are the users who may consent. Both rules are about the account, and not
// about this sign-in. A nil list allows every user; if both are set, a user has to
// satisfy both.
type Users struct {
	// Groups are groups of the user pool; a user must be in one of them. A name has
	// 1 to 128 characters and no spaces.
	Groups []string `json:"groups,omitzero"`
	// IdentityProviders are identity providers of the user pool; the user's account
	// must have no other way to sign in. COGNITO is the pool itself. The app clients
	// of the profile offer exactly these. A name has 1 to 32 characters and no
	// spaces.
	IdentityProviders []string `json:"identity_providers,omitzero"`
}

// Allow reports whether a user may consent who is in these groups, and whose
// account signs in with these identity providers.
func (u Users) Allow(groups, identityProviders []string) bool {
	inGroup := func(g string) bool { return slices.Contains(u.Groups, g) }
	return (u.Groups == nil || slices.ContainsFunc(groups, inGroup)) && u.AllowProviders(identityProviders)
}

// AllowProviders reports whether an account that signs in with these identity
// providers may be used. Another way to sign in may have weaker rules, such as a
// password that the user has kept after leaving the organization.
func (u Users) AllowProviders(identityProviders []string) bool {
	other := func(name string) bool { return !slices.Contains(u.IdentityProviders, name) }
	return u.IdentityProviders == nil || len(identityProviders) > 0 && !slices.ContainsFunc(identityProviders, other)
}

// Lifetimes returns how long registrations live.
func (p *Profile) Lifetimes() Lifetimes { return p.lifetimes }

// Lifetimes are the lifetimes of registrations. 0 means no end.
type Lifetimes struct {
	// Unconfirmed is the lifetime of a registration that no user has used.
	Unconfirmed time.Duration
	// Inactive counts from the last use, or from the registration if it was
	// never used.
	Inactive time.Duration
	// Absolute counts from the registration, used or not.
	Absolute time.Duration
}

// Approval returns whether an operator has to approve a registration before its
// first use, in brokered mode.
func (p *Profile) Approval() Approval { return p.approval }

// Approval is the approval that a registration needs.
type Approval string

const (
	// ApprovalNone means that a registration needs no approval.
	ApprovalNone Approval = "none"
	// ApprovalManual means that an operator has to approve it.
	ApprovalManual Approval = "manual"
)

// Limits are the limits on the registrations of a profile. 0 means no limit.
type Limits struct {
	// AppClients is the maximum number of Cognito app clients that the profile's
	// registrations may have at the same time.
	AppClients int
	// CreationsPerHour is the maximum number of registrations in an hour for
	// each RedirectRule, so that one busy rule does not block the others.
	CreationsPerHour int
	// CreationsPerHourPerToken is the maximum number of registrations in an hour
	// with one initial access token, or by one subject of a token issuer.
	CreationsPerHourPerToken int
}

// RedirectRule returns the name of the rule that allows the first redirect URI of
// m, by which the registrations of an hour are counted: the name of a preset, a
// pattern of https, a scheme with a colon ("com.example.app:"), any_https,
// any_private_use or loopback. It is "-" for no URI, as with client_credentials.
// The number of rules is bounded by the document: a host is not a rule, because
// under a pattern with a wildcard a client can invent hosts. m is metadata that
// Apply returned: Apply may drop the first redirect URI that a client sends.
func (p *Profile) RedirectRule(m dcr.ParsedMetadata) string {
	if len(m.Redirects) == 0 {
		return "-"
	}
	return cmp.Or(p.redirects.rule(m.Redirects[0]), "-")
}
