package policy

import (
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Apply returns the metadata with which a client that sends m is registered
// under this profile. m is the result of dcr.Validate; it is not modified, and
// the result shares no memory with it. Apply returns its own result unchanged.
//
//   - grant_types: those that the profile does not allow are dropped;
//     authorization_code adds refresh_token if the profile allows it.
//   - redirect_uris: those that the profile does not allow are dropped. A
//     client registers all of its redirect URIs in one request, and should not
//     be refused because of one that it can do without.
//   - token_endpoint_auth_method: always none on the profile of open
//     registration (RFC 7591 §3.2.1: a server may replace requested values). On
//     another profile, absent means client_secret_basic (§2) or, if the profile
//     does not allow it, the profile's first method that suits the grant type.
//   - scope: always all scopes of the profile on the profile of open
//     registration, because clients register the scopes of the first challenge
//     and ask for more later. On another profile, the requested scopes that the
//     profile allows; absent means its default. openid is added if email, phone
//     or profile need it. client_credentials gets custom scopes only, because
//     of Cognito.
//
// An error is a *dcr.Error. Code InvalidRedirectURI: no redirect URI is left.
// If nothing is left of another member, or a method is not allowed:
// InvalidClientMetadata on the profile of open registration, InsufficientScope
// on another one, where a token of a third profile may help.
// InvalidClientMetadata also for a method that no profile can allow.
func (p *Profile) Apply(m dcr.ParsedMetadata) (dcr.ParsedMetadata, error) {
	m = m.Clone()
	for _, decide := range []func(*dcr.ParsedMetadata) error{
		p.decideGrantTypes, p.decideRedirectURIs, p.decideAuthMethod, p.decideScope,
	} {
		if err := decide(&m); err != nil {
			return dcr.ParsedMetadata{}, err
		}
	}
	return m, nil
}

// refuse returns the error for metadata that this profile does not allow but
// another profile may allow.
func (p *Profile) refuse(format string, args ...any) error {
	if p.open {
		return dcr.Errorf(dcr.InvalidClientMetadata, format, args...)
	}
	return dcr.Errorf(dcr.InsufficientScope, format, args...)
}

func (p *Profile) decideGrantTypes(m *dcr.ParsedMetadata) error {
	for _, name := range m.GrantTypes {
		t, ok := dcr.GrantTypeOf(name)
		if !ok || t.With != "" || !slices.Contains(p.grants, name) {
			continue
		}
		m.GrantTypes = slices.DeleteFunc(t.Together(), func(name string) bool { return !slices.Contains(p.grants, name) })
		m.ResponseTypes = t.ResponseTypes()
		return nil
	}
	return p.refuse("grant_types: none of those asked for is allowed here; allowed: %s", strings.Join(p.grants, ", "))
}

// decideRedirectURIs runs after decideGrantTypes. It filters the lists of m in
// place.
func (p *Profile) decideRedirectURIs(m *dcr.ParsedMetadata) error {
	if !dcr.UseRedirects(m.GrantTypes) {
		m.RedirectURIs, m.Redirects = nil, nil // without the code grant there are no redirects
		return nil
	}
	uris, allowed := m.RedirectURIs[:0], m.Redirects[:0]
	firstRefused := -1
	for i, u := range m.Redirects {
		if p.redirects.allow(u) {
			allowed, uris = append(allowed, u), append(uris, u.Raw)
		} else if firstRefused < 0 {
			firstRefused = i
		}
	}
	if len(allowed) == 0 && firstRefused < 0 {
		return dcr.Errorf(dcr.InvalidRedirectURI, "redirect_uris: required; allowed: %s", p.redirects.summary())
	}
	if len(allowed) == 0 {
		return dcr.Errorf(dcr.InvalidRedirectURI, "redirect_uris[%d]: %s is not allowed here; allowed: %s",
			firstRefused, dcr.Quote(m.Redirects[firstRefused].Raw), p.redirects.summary())
	}
	m.RedirectURIs, m.Redirects = uris, allowed
	return nil
}

// decideAuthMethod runs after decideGrantTypes.
func (p *Profile) decideAuthMethod(m *dcr.ParsedMetadata) error {
	if p.open {
		m.TokenEndpointAuthMethod = dcr.AuthNone
		return dcr.CheckAuthMethod(m.ClientMetadata)
	}
	if m.TokenEndpointAuthMethod == "" {
		m.TokenEndpointAuthMethod = p.defaultAuthMethod(m.GrantTypes)
	}
	if err := dcr.CheckAuthMethod(m.ClientMetadata); err != nil {
		return err
	}
	if !slices.Contains(p.methods, m.TokenEndpointAuthMethod) {
		return p.refuse("token_endpoint_auth_method: %s is not allowed here; allowed: %s",
			dcr.Quote(m.TokenEndpointAuthMethod), strings.Join(p.methods, ", "))
	}
	return nil
}

// defaultAuthMethod returns the method for a client that did not name one.
func (p *Profile) defaultAuthMethod(grants []string) string {
	if slices.Contains(p.methods, dcr.AuthSecretBasic) {
		return dcr.AuthSecretBasic
	}
	if dcr.InOwnName(grants) {
		return dcr.AuthSecretPost // Parse checked that a profile with this grant type has a method with a secret
	}
	return p.methods[0]
}

// decideScope runs after decideGrantTypes.
func (p *Profile) decideScope(m *dcr.ParsedMetadata) error {
	if p.open {
		m.Scope = strings.Join(p.allowed, " ")
		return nil
	}
	clientCredentials := dcr.InOwnName(m.GrantTypes)
	requested := strings.Fields(m.Scope)
	if len(requested) == 0 {
		requested = p.defaults
	}
	var granted []string
	for _, scope := range requested {
		if clientCredentials && aboutUser(scope) || !slices.Contains(p.allowed, scope) || slices.Contains(granted, scope) {
			continue
		}
		granted = append(granted, scope)
	}
	if slices.ContainsFunc(granted, needsOpenID) {
		granted = broker.WithOpenID(granted)
	}
	if len(granted) == 0 {
		return p.refuseScope(clientCredentials)
	}
	m.Scope = strings.Join(granted, " ")
	return nil
}

func (p *Profile) refuseScope(clientCredentials bool) error {
	if !clientCredentials {
		return p.refuse("scope: none of those asked for is allowed here; allowed: %s", strings.Join(p.allowed, " "))
	}
	custom := slices.DeleteFunc(slices.Clone(p.allowed), aboutUser)
	if len(custom) == 0 {
		return p.refuse("scope: client_credentials needs a scope of a resource server, and none is allowed here")
	}
	return p.refuse("scope: none is left for client_credentials; allowed: %s", strings.Join(custom, " "))
}
