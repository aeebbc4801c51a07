package devstack

import "github.com/dcr-broker/dcr-broker/pkg/broker/policy"

// tokenProfile returns the profile of the initial access tokens: trusted, as in
// the example, or else the first in alphabetical order. The profile of open
// registration comes last, because a token allows nothing more there. The
// result is "" if every profile requires a software statement, which nobody
// signs here.
func tokenProfile(p *policy.Policy) string {
	last := ""
	for _, name := range append([]string{"trusted"}, p.Profiles()...) {
		profile, ok := p.Profile(name)
		switch {
		case !ok || profile.SoftwareStatements() == policy.RequireStatements:
		case profile.Open():
			last = name
		default:
			return name
		}
	}
	return last
}
