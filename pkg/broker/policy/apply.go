package policy

import (
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Apply returns what a client that asks for m is registered with under this profile. m is the result of dcr.Validate;
// it is not modified, and the result shares no memory with it. Apply changes nothing about its own result.
//
//   - grant_types: those that the profile does not allow are dropped; authorization_code brings refresh_token if the
//     profile allows that.
//   - redirect_uris: those that the profile does not allow are dropped. A client with several registers all of them in
//     one request, and some would be refused altogether for one that they can do without.
//   - token_endpoint_auth_method: none on the profile of open registration, whatever was asked for (RFC 7591 section
//     3.2.1 lets a server substitute). Elsewhere, absent means client_secret_basic (section 2) or, where that is not
//     allowed, the first method of the profile that suits the grant type.
//   - scope: all scopes of the profile on the profile of open registration, whatever was asked for: clients register
//     what the first challenge named and ask for more later. Elsewhere those asked for that the profile allows, absent
//     means its default; openid is added where email, phone or profile need it; client_credentials gets custom scopes
//     only, as Cognito has it.
//
// An error is a *dcr.Error. Code InvalidRedirectURI: no redirect URI is left. If nothing is left of another member, or
// a method is not allowed: InvalidClientMetadata on the profile of open registration, InsufficientScope on another,
// where a token of another profile may help. InvalidClientMetadata also for a method that no profile could allow.
func (p *Profile) Apply(m dcr.ClientMetadata) (dcr.ClientMetadata, error) {
	m = m.Clone()
	for _, decide := range []func(*dcr.ClientMetadata) error{
		p.decideGrantTypes, p.decideRedirectURIs, p.decideAuthMethod, p.decideScope,
	} {
		if err := decide(&m); err != nil {
			return dcr.ClientMetadata{}, err
		}
	}
	return m, nil
}

// refuse returns the error for something that this profile does not allow and another might.
func (p *Profile) refuse(format string, args ...any) error {
	if p.open {
		return dcr.Errorf(dcr.InvalidClientMetadata, format, args...)
	}
	return dcr.Errorf(dcr.InsufficientScope, format, args...)
}

func (p *Profile) decideGrantTypes(m *dcr.ClientMetadata) error {
	granted := func(grant string) bool {
		return slices.Contains(m.GrantTypes, grant) && slices.Contains(p.grants, grant)
	}
	switch {
	case granted(dcr.GrantAuthorizationCode):
		m.GrantTypes = []string{dcr.GrantAuthorizationCode}
		if slices.Contains(p.grants, dcr.GrantRefreshToken) {
			m.GrantTypes = append(m.GrantTypes, dcr.GrantRefreshToken)
		}
		m.ResponseTypes = []string{dcr.ResponseTypeCode}
	case granted(dcr.GrantClientCredentials):
		m.GrantTypes, m.ResponseTypes = []string{dcr.GrantClientCredentials}, nil
	default:
		return p.refuse("grant_types: none of those asked for is allowed here; allowed: %s", strings.Join(p.grants, ", "))
	}
	return nil
}

// decideRedirectURIs runs after the grant types are settled.
func (p *Profile) decideRedirectURIs(m *dcr.ClientMetadata) error {
	if !slices.Contains(m.GrantTypes, dcr.GrantAuthorizationCode) {
		m.RedirectURIs = nil // nothing would ever redirect there
		return nil
	}
	var kept []string
	firstRefused := -1
	for i, raw := range m.RedirectURIs {
		u, err := dcr.ParseRedirectURI(raw)
		if err == nil && p.redirects.allow(u) {
			kept = append(kept, raw)
		} else if firstRefused < 0 {
			firstRefused = i
		}
	}
	if len(kept) == 0 && firstRefused < 0 {
		return dcr.Errorf(dcr.InvalidRedirectURI, "redirect_uris: required; allowed: %s", p.redirects.summary())
	}
	if len(kept) == 0 {
		return dcr.Errorf(dcr.InvalidRedirectURI, "redirect_uris[%d]: %s is not allowed here; allowed: %s",
			firstRefused, dcr.Quote(m.RedirectURIs[firstRefused]), p.redirects.summary())
	}
	m.RedirectURIs = kept
	return nil
}

// decideAuthMethod runs after the grant types are settled.
func (p *Profile) decideAuthMethod(m *dcr.ClientMetadata) error {
	if p.open {
		m.TokenEndpointAuthMethod = dcr.AuthNone
		return dcr.CheckAuthMethod(*m)
	}
	if m.TokenEndpointAuthMethod == "" {
		m.TokenEndpointAuthMethod = p.defaultAuthMethod(m.GrantTypes)
	}
	if err := dcr.CheckAuthMethod(*m); err != nil {
		return err
	}
	if !slices.Contains(p.methods, m.TokenEndpointAuthMethod) {
		return p.refuse("token_endpoint_auth_method: %s is not allowed here; allowed: %s",
			dcr.Quote(m.TokenEndpointAuthMethod), strings.Join(p.methods, ", "))
	}
	return nil
}

// defaultAuthMethod returns the method of a client that named none.
func (p *Profile) defaultAuthMethod(grants []string) string {
	if slices.Contains(p.methods, dcr.AuthSecretBasic) {
		return dcr.AuthSecretBasic
	}
	if slices.Contains(grants, dcr.GrantClientCredentials) {
		return dcr.AuthSecretPost // Parse sees to it that a profile with this grant type has a method with a secret
	}
	return p.methods[0]
}

// decideScope runs after the grant types are settled.
func (p *Profile) decideScope(m *dcr.ClientMetadata) error {
	if p.open {
		m.Scope = strings.Join(p.allowed, " ")
		return nil
	}
	machine := slices.Contains(m.GrantTypes, dcr.GrantClientCredentials)
	asked := strings.Fields(m.Scope)
	if len(asked) == 0 {
		asked = p.defaults
	}
	var granted []string
	for _, scope := range asked {
		if machine && aboutUser(scope) || !slices.Contains(p.allowed, scope) || slices.Contains(granted, scope) {
			continue
		}
		granted = append(granted, scope)
	}
	if slices.ContainsFunc(granted, needsOpenID) && !slices.Contains(granted, scopeOpenID) {
		granted = append([]string{scopeOpenID}, granted...)
	}
	if len(granted) == 0 {
		return p.refuseScope(machine)
	}
	m.Scope = strings.Join(granted, " ")
	return nil
}

func (p *Profile) refuseScope(machine bool) error {
	if !machine {
		return p.refuse("scope: none of those asked for is allowed here; allowed: %s", strings.Join(p.allowed, " "))
	}
	custom := slices.DeleteFunc(slices.Clone(p.allowed), aboutUser)
	if len(custom) == 0 {
		return p.refuse("scope: client_credentials needs a scope of a resource server, and none is allowed here")
	}
	return p.refuse("scope: none is left for client_credentials; allowed: %s", strings.Join(custom, " "))
}
