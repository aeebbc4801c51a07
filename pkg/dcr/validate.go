package dcr

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on metadata, in characters unless a comment names another unit.
const (
	maxText      = 2048
	maxSoftware  = 255 // software_id, software_version
	maxContacts  = 10  // items
	maxLocalized = 50  // members with a language tag
	maxTag       = 64
)

// Validate applies the rules of RFC 7591 §2 and §2.1 that need no policy, and
// returns the metadata to register:
//
//   - grant_types: absent means authorization_code. Unsupported ones are
//     dropped. authorization_code adds refresh_token; client_credentials must
//     be alone.
//   - response_types: code for the code grant, otherwise none.
//   - redirect_uris: required for the code grant, each parsed by
//     ParseRedirectURI, duplicates removed; dropped for client_credentials.
//   - token_endpoint_auth_method: unchanged, because policy chooses it. See
//     CheckAuthMethod.
//   - scope: duplicates removed, offline_access dropped, which Amazon Cognito
//     does not have.
//   - application_type: dropped if it is neither web nor native.
//
// The argument is not modified, and the result shares no memory with it.
// Validate returns its own result unchanged. Errors are *Error with code
// InvalidRedirectURI or InvalidClientMetadata.
func Validate(metadata ClientMetadata) (ParsedMetadata, error) {
	m := ParsedMetadata{ClientMetadata: metadata.Clone()}
	for _, step := range []func(*ParsedMetadata) error{
		validateText, validateGrants, validateRedirectURIs, validateScope, validateLinks, validateKeys, validateLocalized,
	} {
		if err := step(&m); err != nil {
			return ParsedMetadata{}, err
		}
	}
	if m.ApplicationType != ApplicationWeb && m.ApplicationType != ApplicationNative {
		m.ApplicationType = ""
	}
	return m, nil
}

// CheckAuthMethod checks the method that policy chose against the grant types.
// Only a confidential client may use client_credentials (RFC 6749 §4.4). An
// absent method means client_secret_basic (RFC 7591 §2).
func CheckAuthMethod(m ClientMetadata) error {
	switch m.TokenEndpointAuthMethod {
	case "", AuthSecretBasic, AuthSecretPost:
		return nil
	case AuthNone:
		if InOwnName(m.GrantTypes) {
			return Errorf(InvalidClientMetadata, "token_endpoint_auth_method: client_credentials needs client_secret_basic or client_secret_post, not none")
		}
		return nil
	}
	return Errorf(InvalidClientMetadata, "token_endpoint_auth_method: %s is not supported; supported are none, client_secret_basic and client_secret_post",
		Quote(m.TokenEndpointAuthMethod))
}

func validateText(m *ParsedMetadata) error {
	for _, f := range m.stringFields() {
		limit := maxText
		if f.name == "software_id" || f.name == "software_version" {
			limit = maxSoftware
		}
		if err := checkString(f.name, *f.value, limit); err != nil {
			return err
		}
	}
	if len(m.Contacts) > maxContacts {
		return Errorf(InvalidClientMetadata, "contacts: at most %d are allowed", maxContacts)
	}
	for _, c := range m.Contacts {
		if err := checkString("contacts", c, maxText); err != nil {
			return err
		}
	}
	return nil
}

// checkString checks the length and refuses control characters. It allows every
// script, and the characters that set the direction of text or join it: the
// page that shows the text isolates them.
func checkString(name, s string, limit int) error {
	if !utf8.ValidString(s) {
		return Errorf(InvalidClientMetadata, "%s: not UTF-8", name)
	}
	if utf8.RuneCountInString(s) > limit {
		return Errorf(InvalidClientMetadata, "%s: longer than %d characters", name, limit)
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return Errorf(InvalidClientMetadata, "%s: control characters are not allowed", name)
	}
	return nil
}

// validateGrants sets grant_types and response_types. A grant type with redirects
// requires the response type code; the others have no response type (RFC 7591
// §2.1).
func validateGrants(m *ParsedMetadata) error {
	if len(m.GrantTypes) == 0 {
		m.GrantTypes = DefaultGrantTypes()
	}
	var alone []GrantType
	for _, t := range grantTypes {
		switch {
		case !slices.Contains(m.GrantTypes, t.Name):
		case t.With == "":
			alone = append(alone, t)
		case !slices.Contains(m.GrantTypes, t.With):
			return Errorf(InvalidClientMetadata, "grant_types: %s is allowed together with %s only", t.Name, t.With)
		}
	}
	switch {
	case len(alone) == 0:
		return Errorf(InvalidClientMetadata, "grant_types: none of them is supported; supported are authorization_code with refresh_token, or client_credentials")
	case len(alone) > 1:
		return Errorf(InvalidClientMetadata, "grant_types: %s cannot be combined with %s; register two clients", alone[1].Name, alone[0].Name)
	case alone[0].Redirects && len(m.ResponseTypes) > 0 && !slices.Contains(m.ResponseTypes, ResponseTypeCode):
		return Errorf(InvalidClientMetadata, "response_types: must have code, the only one that is supported")
	}
	m.GrantTypes, m.ResponseTypes = alone[0].Together(), alone[0].ResponseTypes()
	return nil
}

// validateRedirectURIs checks the redirect URIs. A client of a flow with
// redirects must register them (RFC 7591 §2). The grant types must be validated
// before.
func validateRedirectURIs(m *ParsedMetadata) error {
	if !UseRedirects(m.GrantTypes) {
		m.RedirectURIs = nil
		return nil
	}
	if len(m.RedirectURIs) == 0 {
		return Errorf(InvalidRedirectURI, "redirect_uris: required, with at least one redirect URI, for the grant type authorization_code")
	}
	uris := m.RedirectURIs[:0]
	seen := make(map[string]bool)
	for i, raw := range m.RedirectURIs {
		if seen[raw] {
			continue
		}
		seen[raw] = true
		if len(seen) > MaxRedirectURIs {
			return Errorf(InvalidRedirectURI, "redirect_uris: at most %d are allowed", MaxRedirectURIs)
		}
		u, err := ParseRedirectURI(raw)
		if err != nil {
			return redirectError(i, err)
		}
		uris = append(uris, raw)
		m.Redirects = append(m.Redirects, u)
	}
	m.RedirectURIs = uris
	return nil
}

// validateScope accepts values of printable ASCII without double quote and
// backslash, separated by one space each (RFC 6749 §3.3). It also accepts more
// than one space.
func validateScope(m *ParsedMetadata) error {
	var scopes []string
	for s := range strings.SplitSeq(m.Scope, " ") {
		for _, r := range s {
			if r <= ' ' || r > '~' || r == '"' || r == '\\' {
				return Errorf(InvalidClientMetadata, "scope: values may have printable ASCII characters other than double quote and backslash, with spaces between them")
			}
		}
		// Amazon Cognito issues refresh tokens without offline_access and
		// refuses a request with this scope.
		if s == "" || s == "offline_access" || slices.Contains(scopes, s) {
			continue
		}
		scopes = append(scopes, s)
	}
	m.Scope = strings.Join(scopes, " ")
	return nil
}

func validateLinks(m *ParsedMetadata) error {
	for _, f := range m.stringFields() {
		switch f.name {
		case "client_uri", "logo_uri", "tos_uri", "policy_uri", "jwks_uri":
			if err := checkLink(f.name, *f.value); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkLink checks the form of a link to a page or document and does not open
// it.
func checkLink(name, s string) error {
	if s == "" {
		return nil
	}
	for _, r := range s {
		if r == ' ' || r == '\\' || !unicode.IsPrint(r) {
			return Errorf(InvalidClientMetadata, "%s: white space, backslashes and invisible characters are not allowed", name)
		}
	}
	u, err := url.Parse(s)
	https := err == nil && u.Scheme == "https"
	if err != nil || !https && u.Scheme != "http" || u.Hostname() == "" {
		return Errorf(InvalidClientMetadata, "%s: must be an absolute http or https URL with a host", name)
	}
	if strings.HasSuffix(u.Host, ":") || u.Port() != "" && !validPort(u.Port()) {
		return Errorf(InvalidClientMetadata, "%s: the port must be a number from 1 to 65535", name)
	}
	if u.User != nil {
		return Errorf(InvalidClientMetadata, "%s: user information (user@host) is not allowed", name)
	}
	if name == "jwks_uri" && !https {
		return Errorf(InvalidClientMetadata, "jwks_uri: must be an https URL")
	}
	return nil
}
