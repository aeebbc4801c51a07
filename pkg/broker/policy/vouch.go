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
	switch u.Kind {
	case dcr.Loopback:
		return p.redirects.loopback
	case dcr.HTTPS:
		return slices.ContainsFunc(p.redirects.presetHTTPS, func(pattern httpsPattern) bool { return pattern.match(u) })
	case dcr.PrivateUse:
		return slices.Contains(p.redirects.presetPrivateUse, u.Scheme+u.Raw[len(u.Scheme):])
	}
	return false
}
