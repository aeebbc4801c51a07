package policy

import (
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// CheckApproval sets the state of r, a registration under this profile whose
// metadata were those of before. Under manual approval, r is active only with the
// metadata that an operator has approved, and pending with any other. A
// registration that became active while the profile needed no approval counts as
// approved with the metadata that it had.
func (p *Profile) CheckApproval(before, r *broker.Registration) {
	if r.State != broker.RegistrationActive && r.State != broker.RegistrationPending {
		return
	}
	digest := broker.MetadataDigest(r.Metadata)
	if p.approval != ApprovalManual {
		if r.Approved != digest {
			r.Approved = ""
		}
		return
	}
	approved := before.Approved
	if approved == "" && before.State == broker.RegistrationActive {
		approved = broker.MetadataDigest(before.Metadata)
	}
	r.State = broker.RegistrationPending
	if digest == approved {
		r.State = broker.RegistrationActive
	}
}

// RepeatedScope returns the scope of the open registration r when its client
// registers again and the profile has this scope. It is that of the profile,
// which may have changed. But r stays as an operator has approved it if the
// profile only lost scopes: without them the client has nothing that is not
// approved, and they are refused wherever the profile does not allow them.
func (p *Profile) RepeatedScope(r *broker.Registration, scope string) string {
	if p.approval != ApprovalManual || r.State != broker.RegistrationActive {
		return scope
	}
	registered := strings.Fields(r.Metadata.Scope)
	for _, s := range strings.Fields(scope) {
		if !slices.Contains(registered, s) {
			return scope
		}
	}
	return r.Metadata.Scope
}
