package policy

import (
	"slices"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// AllowsGrantType reports whether a registration may have a grant type.
func (p *Profile) AllowsGrantType(name string) bool { return slices.Contains(p.grants, name) }

// Withholds returns those of scopes that the profile does not allow. openid is
// never among them: each sign-in at Cognito has it.
func (p *Profile) Withholds(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool {
		return s == broker.ScopeOpenID || slices.Contains(p.allowed, s)
	})
}

// Restricted reports whether there is a user who is not admitted.
func (u Users) Restricted() bool { return u.Groups != nil || u.IdentityProviders != nil }
