package configuration

import (
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// SchemaVersion is the value of a document's member version that this program
// reads and writes. It grows when older programs would misread a document.
const SchemaVersion = 1

// MaxSize is the maximum size of a document, in bytes.
const MaxSize = 128 << 10

// Configuration is a document that passed all checks for a deployment. It never
// changes and may be used concurrently.
type Configuration struct {
	// Version is the number of the stored version, 0 for a document that is not
	// stored.
	Version int
	// Digest identifies the document; see Digest.
	Digest string

	// Scopes are the scopes that the deployment offers, in the document's order.
	Scopes []Scope
	// Resources are the protected resources that clients may request access to.
	Resources []broker.Resource
	// ResourceBinding is whether the user pool binds access tokens to the
	// requested resource (RFC 8707).
	ResourceBinding bool
	// IntrospectionClients are the protected resources that may introspect tokens
	// (RFC 7662).
	IntrospectionClients []IntrospectionClient
	// Policy has the rules for registrations.
	Policy *policy.Policy
	// ScopesSupported and GrantTypesSupported are what the authorization server
	// metadata publishes (RFC 8414 §2).
	ScopesSupported     []string
	GrantTypesSupported []string
	Branding            Branding
	// SupportContact is a mailto or https URL for users, or empty.
	SupportContact string
	Tokens         Tokens
	// IdentityProviders are the identity providers on the sign-in page, unless the
	// profile of the client has a list of its own.
	IdentityProviders []string
	// AppClientQuota is the maximum number of app clients in the user pool.
	AppClientQuota int
	// ResourceServerQuota is the maximum number of resource servers in the user
	// pool.
	ResourceServerQuota int
	// ForwardResource is whether /token of direct mode forwards the resource
	// parameter to Cognito.
	ForwardResource bool

	// Of the deployment for which the document was checked.
	mode         broker.Mode
	loginVersion int // 0 if it is not known
}

// Scope is a scope that the deployment offers.
type Scope struct {
	Name string
	// Description is its text on the consent page; it may be empty.
	Description string
}

// IntrospectionClient is a protected resource that may introspect tokens.
type IntrospectionClient struct {
	ID string
	// SecretSHA256 is the SHA-256 of its secret, in hexadecimal.
	SecretSHA256 string
	// Resource is the URL of the protected resource.
	Resource string
}

// Branding is the operator's name and design of the pages.
type Branding struct {
	// Name is the operator's name; it is the issuer's host if the document has
	// none.
	Name string
	// Accent is a colour as #rrggbb, or empty.
	Accent string
	// Logo is a PNG or SVG image, or nil.
	Logo []byte
}

// Tokens are the settings of the tokens that Cognito issues to app clients.
type Tokens struct {
	AccessToken, IDToken, RefreshToken time.Duration // lifetimes
	// Rotation is whether each refresh returns a new refresh token.
	Rotation bool
}

// AllIdentityProviders returns the identity providers that the user pool must
// have: those on the sign-in page, and those of the profiles.
func (c *Configuration) AllIdentityProviders() []string {
	all := slices.Clone(c.IdentityProviders)
	for _, name := range c.Policy.Profiles() {
		profile, _ := c.Policy.Profile(name)
		all = append(all, profile.Users().IdentityProviders...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// ScopeNames returns the names of the scopes.
func (c *Configuration) ScopeNames() []string {
	names := make([]string, len(c.Scopes))
	for i, s := range c.Scopes {
		names[i] = s.Name
	}
	return names
}

// Grants reports whether a client of this deployment could get a scope: a
// protected resource or a profile has it. openid is for the broker itself.
func (c *Configuration) Grants(scope string) bool {
	return scope != broker.ScopeOpenID && (c.Policy.Allows(scope) ||
		slices.ContainsFunc(c.Resources, func(r broker.Resource) bool { return slices.Contains(r.Scopes, scope) }))
}

// ScopeDescriptions returns the descriptions by scope, without empty ones.
func (c *Configuration) ScopeDescriptions() map[string]string {
	m := make(map[string]string)
	for _, s := range c.Scopes {
		if s.Description != "" {
			m[s.Name] = s.Description
		}
	}
	return m
}
