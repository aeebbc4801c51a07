package policy

import (
	"slices"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// AppClientKey returns the key of the app client for r under its current
// profile, in brokered mode. It changes when the profile's app_client changes;
// a grant keeps the app client that it was made with.
func AppClientKey(r *broker.Registration, p *Profile) string {
	if IsClientCredentials(r.Metadata) || p.AppClient() == DedicatedAppClient {
		return broker.DedicatedAppClientKey(r.ClientID, r.Generation)
	}
	return broker.SharedAppClientKey(p.Name())
}

// IsClientCredentials reports whether a client gets tokens in its own name.
func IsClientCredentials(m dcr.ClientMetadata) bool {
	return slices.Contains(m.GrantTypes, dcr.GrantClientCredentials)
}
