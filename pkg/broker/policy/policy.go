// Package policy decides what a registration gets: profile and client metadata in, client metadata or a refusal out.
//
// A policy is one JSON document ([Parse], reference in docs/policy.md) that holds named profiles. A profile says which
// redirect URIs, grant types, token endpoint authentication methods and scopes a registration may have, and how many
// registrations there may be. Open registration names a profile or is off; an initial access token names one.
//
// The package comes after dcr.Decode and dcr.Validate, which know the RFCs and no configuration, and before anything
// that has an effect. It is pure: no clock, no network, no state. A Policy never changes and may be used concurrently.
//
// What is left out on purpose: counting. [Limits] are numbers here; whoever has a store keeps to them.
package policy

import (
	_ "embed"
	"maps"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

//go:embed default.json
var defaultDocument []byte

// Default returns the document that is used when no other is configured. Its profile "open" lets the clients of all
// presets and loopback clients register openly. Its profile "trusted" is for initial access tokens.
func Default() []byte { return slices.Clone(defaultDocument) }

// Policy is a document that passed all checks.
type Policy struct {
	open     string // the name of the profile for open registration, "" if that is off
	profiles map[string]*Profile
	scopes   []string // of the deployment

	tokens     []*TokenRule // in the document's order
	statements []trusted
}

// Open returns the profile of open registration, and false if open registration is off.
func (p *Policy) Open() (*Profile, bool) { return p.Profile(p.open) }

// Profile returns the profile with that name, and false if there is none.
func (p *Policy) Profile(name string) (*Profile, bool) {
	profile, ok := p.profiles[name]
	return profile, ok
}

// Profiles returns the names of all profiles in alphabetical order.
func (p *Policy) Profiles() []string { return slices.Sorted(maps.Keys(p.profiles)) }

// ScopesSupported returns what authorization server metadata may list as scopes_supported, in the deployment's order.
// With open registration that is what every openly registered client has: there are clients that ask for all that is
// listed, and Cognito refuses who asks for one too many. Without, it is what any profile allows.
// aws.cognito.signin.user.admin is never listed, since nobody should ask for it unless they know what it is.
func (p *Policy) ScopesSupported() []string {
	var supported []string
	for _, scope := range p.scopes {
		if scope != scopeAdmin && p.advertises(scope) {
			supported = append(supported, scope)
		}
	}
	return supported
}

func (p *Policy) advertises(scope string) bool {
	if open, ok := p.Open(); ok {
		return slices.Contains(open.allowed, scope)
	}
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
	grants    []string
	methods   []string
	allowed   []string // scopes
	defaults  []string // scopes for a registration that names none
	limits    Limits

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

// Open reports whether this is the profile of open registration. It stays so for a registration that comes with an
// initial access token which names it.
func (p *Profile) Open() bool { return p.open }

// Scopes returns the scopes that a registration may get.
func (p *Profile) Scopes() []string { return slices.Clone(p.allowed) }

// Limits returns how many registrations the profile lets in.
func (p *Profile) Limits() Limits { return p.limits }

// AppClient says whose app client users are signed in through, in brokered mode. Clients with the grant type
// client_credentials have a dedicated one whatever it says.
func (p *Profile) AppClient() AppClient { return p.appClient }

// AppClient is whose app client users are signed in through.
type AppClient string

const (
	// SharedAppClient is one for all registrations of the profile.
	SharedAppClient AppClient = "shared"
	// DedicatedAppClient is one for each registration that is used.
	DedicatedAppClient AppClient = "dedicated"
)

// Consent says whether a user is asked each time, in brokered mode.
func (p *Profile) Consent() Consent { return p.consent }

// Consent is how often a user is asked.
type Consent string

const (
	// ConsentAlways is at each authorization.
	ConsentAlways Consent = "always"
	// ConsentRemember is once for a while, where the redirect URI is https.
	ConsentRemember Consent = "remember"
)

// Users says who may consent, in brokered mode.
func (p *Profile) Users() Users {
	return Users{slices.Clone(p.users.Groups), slices.Clone(p.users.IdentityProviders)}
}

// Users says who may consent. Nil is anybody; where both are set, a user has to satisfy both.
type Users struct {
	// Groups are groups of the user pool of which a user must be in one.
	Groups []string
	// IdentityProviders are those of which one must have vouched for the user; COGNITO is the pool itself.
	IdentityProviders []string
}

// Allow reports whether a user may consent who is in these groups and for whom this identity provider vouched.
func (u Users) Allow(groups []string, identityProvider string) bool {
	inGroup := func(g string) bool { return slices.Contains(u.Groups, g) }
	return (u.Groups == nil || slices.ContainsFunc(groups, inGroup)) &&
		(u.IdentityProviders == nil || slices.Contains(u.IdentityProviders, identityProvider))
}

// Lifetimes says how long registrations live.
func (p *Profile) Lifetimes() Lifetimes { return p.lifetimes }

// Lifetimes says how long registrations live. 0 is for ever.
type Lifetimes struct {
	// Unconfirmed is for a registration that nobody has used.
	Unconfirmed time.Duration
	// Inactive counts from the last use, or from the registration if there was none.
	Inactive time.Duration
	// Absolute counts from the registration, used or not.
	Absolute time.Duration
}

// Approval says whether an operator has to approve a registration before it can be used, in brokered mode.
func (p *Profile) Approval() Approval { return p.approval }

// Approval is what a registration waits for.
type Approval string

const (
	// ApprovalNone is nothing.
	ApprovalNone Approval = "none"
	// ApprovalManual is an operator.
	ApprovalManual Approval = "manual"
)

// Limits says how many registrations a profile lets in. 0 is unlimited.
type Limits struct {
	// AppClients is how many Cognito app clients of the profile's registrations may exist at the same time.
	AppClients int
	// CreationsPerHour is how many registrations may be made in an hour for each RedirectHost, so that one noisy
	// host does not lock out the others.
	CreationsPerHour int
	// CreationsPerHourPerToken is how many may be made in an hour with one initial access token, or by one subject of a
	// token issuer.
	CreationsPerHourPerToken int
}

// RedirectHost returns what hourly creations are counted by: the host of the first redirect URI in lower case without
// port if it is https, "loopback" if it is a loopback URI, its scheme with a colon ("cursor:") if it is a private-use
// URI, and "-" if there is none, as with client_credentials. m is metadata that Apply returned: the first redirect URI
// that a client sent may be one that was refused.
func RedirectHost(m dcr.ClientMetadata) string {
	if len(m.RedirectURIs) == 0 {
		return "-"
	}
	u, err := dcr.ParseRedirectURI(m.RedirectURIs[0])
	if err != nil {
		return "-"
	}
	switch u.Kind {
	case dcr.Loopback:
		return "loopback"
	case dcr.PrivateUse:
		return u.Scheme + ":"
	}
	return u.Host
}
