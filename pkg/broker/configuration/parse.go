package configuration

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
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
	c := (&checker{&f, d}).configuration(o)
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
}

func (d *checker) configuration(o Document) *Configuration {
	if o.Version == 0 && !d.Within("version") {
		d.Add("version", "required, and must be %d", SchemaVersion)
	}
	c := &Configuration{
		Scopes:              d.scopes("scopes", o.Scopes),
		ResourceBinding:     o.ResourceBinding,
		ForwardResource:     o.ForwardResource,
		AppClientQuota:      cmp.Or(o.AppClientQuota, 1000),
		ResourceServerQuota: cmp.Or(o.ResourceServerQuota, 25),
		Branding:            d.branding("branding", o.Branding),
		SupportContact:      d.supportContact("support_contact", o.SupportContact),
		Tokens:              d.tokens("lifetimes", o.Lifetimes),
		mode:                d.deployment.Mode,
	}
	names := c.ScopeNames()
	d.resourceServers("scopes", names, c.ResourceServerQuota)
	d.resources("protected_resources", o.ProtectedResources, names, c)
	d.bindings(o)
	c.Policy = policy.Check(o.Document, d.deployment.Mode, names, d.Faults)
	c.Tokens.Rotation = o.RefreshTokenRotation == nil || *o.RefreshTokenRotation
	c.IdentityProviders = d.identityProviders("identity_providers", o.IdentityProviders)
	c.GrantTypesSupported = d.grantTypes("grant_types_supported", o.GrantTypesSupported)
	c.ScopesSupported = d.scopesSupported("scopes_supported", o.ScopesSupported, names, c.Policy)
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
	for i, name := range names {
		if at := strict.Index(path, i); !d.At(at) {
			d.text(at, name, 32)
		}
	}
	return names
}

func (d *checker) grantTypes(path string, names []string) []string {
	if names == nil {
		return dcr.DefaultGrantTypes()
	}
	if len(names) == 0 {
		d.Add(path, "must not be empty; leave it out for the default")
	}
	d.choices(path, names, dcr.GrantTypes())
	return names
}

// scopesSupported checks the published scopes: a client requests them, and
// Cognito refuses a scope that the app client does not have.
func (d *checker) scopesSupported(path string, published, offered []string, p *policy.Policy) []string {
	granted := p.ScopesSupported()
	if published == nil {
		// openid is a request for an ID token, and in brokered mode the broker
		// issues none.
		return slices.DeleteFunc(granted, func(s string) bool {
			return s == broker.ScopeOpenID && d.deployment.Mode == broker.ModeBrokered
		})
	}
	known, grants := setOf(offered), setOf(granted)
	for i, s := range published {
		at := strict.Index(path, i)
		switch {
		case d.At(at):
		case !known[s]:
			d.Add(at, "%s", policy.UnknownScope{Scope: s, Offered: offered})
		case !grants[s] && !d.Within("profiles") && !d.Within("scopes") && !d.Within("open_registration"):
			d.Add(at, "%s is published, but the profiles do not grant it to every client that may request it; leave it out", strict.Quote(s))
		}
	}
	return published
}

// supportContact checks a URL for users.
func (d *checker) supportContact(path string, s *string) string {
	if s == nil {
		return ""
	}
	u, err := url.Parse(*s)
	switch {
	case err != nil || !isURLText(*s):
	case strings.HasPrefix(*s, "https://") && u.Host != "" && u.User == nil:
		return *s
	case strings.HasPrefix(*s, "mailto:") && isAddress(u.Opaque):
		return *s
	}
	d.Add(path, "must be a mailto or https URL, as in mailto:help@example.com")
	return ""
}
