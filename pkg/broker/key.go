package broker

import (
	"slices"

	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// AppClientKey is the key of the app client for r under its profile as it is
// now, in brokered mode. It changes when the profile's app_client does; a grant
// keeps the app client that it was given through.
func AppClientKey(r *Registration, p *policy.Profile) string {
	if machine(r.Metadata) || p.AppClient() == policy.DedicatedAppClient {
		return DedicatedAppClientKey(r.ClientID, r.Generation)
	}
	return SharedAppClientKey(p.Name())
}

// machine reports whether a client gets tokens in its own name.
func machine(m dcr.ClientMetadata) bool {
	return slices.Contains(m.GrantTypes, dcr.GrantClientCredentials)
}
