package policy

import "slices"

// The rules of a profile, for programs that print them.

// GrantTypes returns the grant types that a registration may have.
func (p *Profile) GrantTypes() []string { return slices.Clone(p.grants) }

// AuthMethods returns the token endpoint authentication methods that a
// registration may have.
func (p *Profile) AuthMethods() []string { return slices.Clone(p.methods) }

// RedirectURIs returns the redirect URIs that a registration may have as text,
// with a semicolon between rules.
func (p *Profile) RedirectURIs() string { return p.redirects.summary() }
