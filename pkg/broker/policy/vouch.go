package policy

import (
	"slices"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// DefaultScopes returns the scopes for a request without scope.
func (p *Profile) DefaultScopes() []string { return slices.Clone(p.defaults) }

// Forwards reports whether the server of an https redirect URI may hand a
// response on to a program on the user's device, or to a URL that the
// authorization request names. The author of such a request chooses the program
// that gets the code, so the URI has to be treated like one of a program on the
// device (RFC 8252 §8.6), although it has the host of a website.
//
// A host that is known to forward forwards under every rule. For other hosts the
// rules that allow the URI decide; a preset whose server is not known to keep
// responses counts as forwarding. A URI that only any_https allows may be
// another notation of a URI in a rule, so there the host decides, and so it does
// for a host of a preset that only a wildcard covers.
func (p *Profile) Forwards(u dcr.RedirectURI) bool {
	if u.Kind != dcr.HTTPS {
		return false
	}
	handling, known := handlingOfHost(u.Host)
	if handling == forwarded {
		return true
	}
	rules, listed := p.redirects.patterns(), false
	for _, pattern := range rules {
		if !pattern.match(u) {
			continue
		}
		if pattern.forwards {
			return true
		}
		// A wildcard does not show that the operator knows this host.
		listed = listed || !known || !pattern.anyLabel
	}
	sameHost := func(pattern httpsPattern) bool { return pattern.forwards && pattern.matchHost(u) }
	return !listed && (known && handling != kept || slices.ContainsFunc(rules, sameHost))
}

// Remembers reports whether a user's consent to a request with this redirect URI
// is stored, so that the user does not see the page again. Any program on the
// user's device can pose as a client with a loopback, private-use or forwarding
// redirect URI (RFC 8252 §8.6), so such a request always needs the user. So does
// a URI that the profile does not allow any more.
func (p *Profile) Remembers(u dcr.RedirectURI) bool {
	return p.consent == ConsentRemember && !u.OnDevice() && p.redirects.allow(u) && !p.Forwards(u)
}

// Vouches reports whether a redirect URI is known to be harmless, and not only
// allowed: a preset lists it and it does not forward, or it is a loopback URI,
// which leads back to the user's own machine, and the loopback rule allows it.
// The broker must not redirect a user to any other URI of an open registration
// without the user's consent, because anyone can register (RFC 9700 §4.11.2).
func (p *Profile) Vouches(u dcr.RedirectURI) bool {
	if u.Kind == dcr.Loopback {
		return p.redirects.loopback
	}
	return slices.ContainsFunc(p.redirects.presets, func(preset presetRules) bool { return preset.allow(u) }) && !p.Forwards(u)
}
