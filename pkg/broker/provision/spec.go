package provision

import (
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// sharedSpec returns the app client that all registrations of a profile share.
func sharedSpec(p *policy.Profile) broker.BrokeredAppClient {
	return broker.BrokeredAppClient{Name: p.Name(), Scopes: broker.WithOpenID(p.Scopes()), IdentityProviders: p.Users().IdentityProviders}
}

// dedicatedSpec returns an app client that serves only r. It has the registered
// scopes that the profile still allows.
func dedicatedSpec(r *broker.Registration, p *policy.Profile) broker.BrokeredAppClient {
	allowed := p.Scopes()
	spec := broker.BrokeredAppClient{
		Name:              r.Metadata.ClientName,
		Scopes:            slices.DeleteFunc(strings.Fields(r.Metadata.Scope), func(s string) bool { return !slices.Contains(allowed, s) }),
		IdentityProviders: p.Users().IdentityProviders,
		ClientCredentials: dcr.InOwnName(r.Metadata.GrantTypes),
	}
	if !spec.ClientCredentials && len(spec.Scopes) > 0 {
		spec.Scopes = broker.WithOpenID(spec.Scopes)
	}
	return spec
}

// lacks reports whether a lacks a scope of spec.
func lacks(a *broker.AppClient, spec broker.BrokeredAppClient) bool {
	return slices.ContainsFunc(spec.Scopes, func(scope string) bool { return !slices.Contains(a.Scopes, scope) })
}

// extended returns spec with the additional scopes of a. It removes no scope,
// because existing grants may have it, unless there are more scopes than
// Cognito allows.
func extended(spec broker.BrokeredAppClient, a *broker.AppClient) broker.BrokeredAppClient {
	all := slices.Clone(a.Scopes)
	for _, scope := range spec.Scopes {
		if !slices.Contains(a.Scopes, scope) {
			all = append(all, scope)
		}
	}
	if len(all) <= policy.MaxScopes {
		spec.Scopes = all
	}
	return spec
}
