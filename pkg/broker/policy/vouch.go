package policy

import (
	"slices"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// DefaultScopes returns the scopes that a request gets which names none.
func (p *Profile) DefaultScopes() []string { return slices.Clone(p.defaults) }

// Vouches reports whether a redirect URI is known to be harmless, and not merely allowed: it is one that a preset
// lists, or leads back to the user's own machine by the loopback rule. To any other one of an open registration, which
// anybody can make, people must not be sent without having been asked (RFC 9700 section 4.11.2).
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
