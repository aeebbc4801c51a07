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
//     profile allows. If none was requested that the deployment has, the
//     profile's default. openid is added if email, phone or profile need it, and
//     in brokered mode it does not count alone. client_credentials gets
//     custom scopes only, because of Cognito.
//
// An error is a *dcr.Error. Code InvalidRedirectURI: no redirect URI is left.
// If nothing is left of another member that was requested, or a method is not
// allowed: InvalidClientMetadata on the profile of open registration,
// InsufficientScope on another one, where a token of a third profile may help.
// InvalidClientMetadata also for a method that no profile can allow, and if there
// is no default scope for client_credentials.
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
	granted := p.registrable(requested, clientCredentials)
	if p.useless(granted) {
		known := func(s string) bool {
			return p.declared[s] && !p.useless([]string{s}) && !(clientCredentials && aboutUser(s))
		}
		if slices.ContainsFunc(requested, known) {
			return p.refuse("scope: none of those asked for is allowed here; allowed: %s", p.listed(clientCredentials))
		}
		granted = p.registrable(p.defaults, clientCredentials)
	}
	if len(granted) == 0 {
		return p.noDefault()
	}
	m.Scope = strings.Join(granted, " ")
	return nil
}

// registrable returns the scopes of list that a client can have under p, each
// once, with openid if another one needs it.
func (p *Profile) registrable(list []string, clientCredentials bool) []string {
	var scopes []string
	for _, s := range list {
		if clientCredentials && aboutUser(s) || !slices.Contains(p.allowed, s) || slices.Contains(scopes, s) {
			continue
		}
		scopes = append(scopes, s)
	}
	if slices.ContainsFunc(scopes, needsOpenID) {
		scopes = broker.WithOpenID(scopes)
	}
	return scopes
}

// useless reports whether a client with these scopes could do nothing. In brokered
// mode openid is for the broker itself.
func (p *Profile) useless(scopes []string) bool {
	return len(scopes) == 0 || p.openIDIsOurs && broker.PublicScopes(scopes) == ""
}

// listed returns the scopes that a client can ask for under p.
func (p *Profile) listed(clientCredentials bool) string {
	scopes := p.registrable(p.allowed, clientCredentials)
	if p.openIDIsOurs {
		return broker.PublicScopes(scopes)
	}
	return strings.Join(scopes, " ")
}

// noDefault is the error for a client with client_credentials if no scope of the
// profile's default is for such clients.
func (p *Profile) noDefault() error {
	if scopes := p.listed(true); scopes != "" {
		return dcr.Errorf(dcr.InvalidClientMetadata, "scope: there is no default for client_credentials here; ask for one of: %s", scopes)
	}
	return dcr.Errorf(dcr.InvalidClientMetadata, "scope: client_credentials needs a scope of a resource server, and none is allowed here")
}
