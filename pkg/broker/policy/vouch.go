package policy

import (
	"slices"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// DefaultScopes returns the scopes for a request without scope.
func (p *Profile) DefaultScopes() []string { return slices.Clone(p.defaults) }

// Vouches reports whether a redirect URI is known to be harmless, and not only
// allowed: a preset lists it, or it is a loopback URI, which leads back to the
// user's own machine, and the loopback rule allows it. The broker must not
// redirect a user to any other URI of an open registration without the user's
// consent, because anyone can register (RFC 9700 §4.11.2).
func (p *Profile) Vouches(u dcr.RedirectURI) bool {
	if u.Kind == dcr.Loopback {
		return p.redirects.loopback
	}
	return slices.ContainsFunc(p.redirects.presets, func(preset presetRules) bool { return preset.allow(u) })
}
