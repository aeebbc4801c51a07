package configuration

import (
	"cmp"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/branding"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

// Parse reads a document and checks all of it for a deployment. An error is a
// *strict.Error with every fault. Names are matched exactly; unknown and repeated
// names are faults.
func Parse(body []byte, d broker.Deployment) (*Configuration, error) {
	var f strict.Faults
	o, ok := decode(body, &f)
	if !ok {
		return nil, f.Err()
	}
	c := (&checker{Faults: &f, deployment: d}).configuration(o)
	if err := f.Err(); err != nil {
		return nil, err
	}
	c.Digest = Digest(body)
	return c, nil
}

// checker checks a document. Its methods take the path of a value and the value,
// add its faults, and return the usable part.
type checker struct {
	*strict.Faults
	deployment broker.Deployment
	// The scopes that the document declares; nil if they are not known, because
	// one of them has no name.
	declared   []string
	isDeclared map[string]bool
}

func (d *checker) configuration(o Document) *Configuration {
	if o.Version == 0 && !d.Within("version") {
		d.Add("version", "required, and must be %d", SchemaVersion)
	}
	scopes := d.scopes("scopes", o.Scopes)
	quota := cmp.Or(o.ResourceServerQuota, 25)
	d.resourceServers("scopes", quota)
	d.bindings(o)
	c := &Configuration{
		Scopes:               scopes,
		Resources:            d.resources("protected_resources", o.ProtectedResources),
		ResourceBinding:      o.ResourceBinding,
		IntrospectionClients: d.introspectionClients("protected_resources", o.ProtectedResources),
		Policy:               policy.Check(o.Document, d.deployment.Mode, d.declared, d.Faults),
		GrantTypesSupported:  d.grantTypes("grant_types_supported", o.GrantTypesSupported),
		Branding:             d.branding("branding", o.Branding),
		SupportContact:       d.supportContact("support_contact", o.SupportContact),
		Tokens:               d.tokens("lifetimes", o.Lifetimes),
		IdentityProviders:    d.identityProviders("identity_providers", o.IdentityProviders),
		AppClientQuota:       cmp.Or(o.AppClientQuota, 1000),
		ResourceServerQuota:  quota,
		ForwardResource:      o.ForwardResource,
		mode:                 d.deployment.Mode,
		loginVersion:         d.deployment.LoginVersion,
	}
	c.Tokens.Rotation = o.RefreshTokenRotation == nil || *o.RefreshTokenRotation
	c.ScopesSupported = d.scopesSupported("scopes_supported", o.ScopesSupported, c.Policy)
	return c
}

// bindings checks the members that only one of the modes has.
func (d *checker) bindings(o Document) {
	brokered := d.deployment.Mode == broker.ModeBrokered
	switch {
	case o.ResourceBinding && !brokered:
		d.Add("resource_binding", "not supported in direct mode, where clients use Cognito's authorize endpoint without the broker")
	case o.ResourceBinding && d.deployment.LoginVersion == 1:
		d.Add("resource_binding", "needs managed login, and the domain of the user pool has the classic sign-in pages")
	}
	if o.ForwardResource && brokered {
		d.Add("forward_resource", "only for direct mode; in brokered mode use resource_binding")
	}
	if !o.ResourceBinding && brokered && !d.At("resource_binding") {
		d.noSharedScopes("protected_resources", o.ProtectedResources)
	}
}

func (d *checker) tokens(path string, o DocumentLifetimes) Tokens {
	t := Tokens{
		AccessToken:  cmp.Or(time.Duration(o.AccessToken), time.Hour),
		IDToken:      cmp.Or(time.Duration(o.IDToken), time.Hour),
		RefreshToken: cmp.Or(time.Duration(o.RefreshToken), 30*24*time.Hour),
	}
	if least := max(t.AccessToken, t.IDToken); t.RefreshToken < least && !d.Within(path) {
		d.Add(path+".refresh_token", "%s is less than the lifetime of the access or ID token, %s", strict.Lifetime(t.RefreshToken), strict.Lifetime(least))
	}
	return t
}

func (d *checker) identityProviders(path string, names []string) []string {
	if names == nil {
		return []string{"COGNITO"}
	}
	if len(names) == 0 {
		d.Add(path, "must not be empty; leave it out for COGNITO")
	}
	return policy.PoolNames(path, names, policy.MaxProvider, d.Faults)
}

func (d *checker) grantTypes(path string, names []string) []string {
	if names == nil {
		return dcr.DefaultGrantTypes()
	}
	if len(names) == 0 {
		d.Add(path, "must not be empty; leave it out for the default")
	}
	d.OneOf(d.Elements(path, names), dcr.GrantTypes()...)
	return names
}

// scopesSupported checks the published scopes: a client requests them, and
// Cognito refuses a scope that the app client does not have.
func (d *checker) scopesSupported(path string, published []string, p *policy.Policy) []string {
	// With a fault there, what the profiles grant is not known.
	unknown := d.Within("profiles") || d.Within("scopes") || d.Within("open_registration")
	if unknown && published == nil {
		return nil
	}
	var granted []string
	if !unknown {
		granted = p.ScopesSupported()
	}
	if published == nil {
		// openid is a request for an ID token, and in brokered mode the broker
		// issues none.
		return slices.DeleteFunc(granted, func(s string) bool {
			return s == broker.ScopeOpenID && d.deployment.Mode == broker.ModeBrokered
		})
	}
	grants := make(map[string]bool, len(granted))
	for _, s := range granted {
		grants[s] = true
	}
	for _, e := range d.Elements(path, published) {
		switch {
		case d.undeclared(e.Value):
			d.Add(e.Path, "%s", policy.UnknownScope{Scope: e.Value, Declared: d.declared})
		case !grants[e.Value] && !unknown:
			d.Add(e.Path, "%s is published, but the profiles do not grant it to every client that may request it; leave it out", strict.Quote(e.Value))
		}
	}
	return published
}

func (d *checker) supportContact(path string, s *string) string {
	if s == nil {
		return ""
	}
	if _, err := branding.ParseContact(*s); err != nil {
		d.Add(path, "%v", err)
	}
	return *s
}
