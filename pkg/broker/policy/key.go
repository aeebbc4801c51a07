package policy

import (
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// AppClientKey returns the key of the app client for r under its current
// profile, in brokered mode. It changes when the profile's app_client changes;
// a grant keeps the app client with which it was issued.
func AppClientKey(r *broker.Registration, p *Profile) string {
	if dcr.InOwnName(r.Metadata.GrantTypes) || p.AppClient() == DedicatedAppClient {
		return broker.DedicatedAppClientKey(r.ClientID, r.Generation)
	}
	return broker.SharedAppClientKey(p.Name())
}
