package policy

import "slices"

// What a profile allows, for who explains it to people.

// GrantTypes returns the grant types that a registration may have.
func (p *Profile) GrantTypes() []string { return slices.Clone(p.grants) }

// AuthMethods returns the token endpoint authentication methods that a
// registration may have.
func (p *Profile) AuthMethods() []string { return slices.Clone(p.methods) }

// RedirectURIs says which redirect URIs a registration may have, with a semicolon
// between rules.
func (p *Profile) RedirectURIs() string { return p.redirects.summary() }
