package dcr

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// The grant types that can be registered. Everything else is dropped by Validate.
const (
	GrantAuthorizationCode = "authorization_code"
	GrantRefreshToken      = "refresh_token"
	GrantClientCredentials = "client_credentials"
)

// The values of token_endpoint_auth_method that Amazon Cognito's token endpoint knows.
const (
	AuthNone        = "none"
	AuthSecretBasic = "client_secret_basic"
	AuthSecretPost  = "client_secret_post"
)

// ResponseTypeCode is the one response type there is.
const ResponseTypeCode = "code"

// The values of application_type (OpenID Connect Dynamic Client Registration 1.0 section 2).
const (
	ApplicationWeb    = "web"
	ApplicationNative = "native"
)

// ClientMetadata is what a client says about itself (RFC 7591 section 2) and, after validation and policy, what is
// registered. The zero value of a field means that the member is absent.
//
// Its JSON form is canonical: equal metadata gives equal bytes, members in alphabetical order, no nulls and no empty
// strings. redirect_uris is always there, if need be as an empty array.
type ClientMetadata struct {
	RedirectURIs            []string
	TokenEndpointAuthMethod string
	GrantTypes              []string
	ResponseTypes           []string
	ClientName              string
	ClientURI               string
	LogoURI                 string
	Scope                   string // space-separated, RFC 6749 section 3.3
	Contacts                []string
	TOSURI                  string
	PolicyURI               string
	JWKSURI                 string
	JWKS                    json.RawMessage // a JSON object, RFC 7517 section 5
	SoftwareID              string
	SoftwareVersion         string
	ApplicationType         string // OpenID Connect Dynamic Client Registration 1.0 section 2

	// SoftwareStatement is the software statement that was used in the registration, unmodified (RFC 7591 section
	// 3.2.1). Decode leaves it empty: what it read is in the Request, and not verified yet.
	SoftwareStatement string

	// Localized holds the human-readable members in other languages under their whole member name, as in
	// "client_name#ja-Jpan-JP" (RFC 7591 section 2.2).
	Localized map[string]string
}

// Clone returns a copy that shares no memory with m.
func (m ClientMetadata) Clone() ClientMetadata {
	m.RedirectURIs = slices.Clone(m.RedirectURIs)
	m.GrantTypes = slices.Clone(m.GrantTypes)
	m.ResponseTypes = slices.Clone(m.ResponseTypes)
	m.Contacts = slices.Clone(m.Contacts)
	m.JWKS = bytes.Clone(m.JWKS)
	m.Localized = maps.Clone(m.Localized)
	return m
}

// MarshalJSON returns the canonical form.
func (m ClientMetadata) MarshalJSON() ([]byte, error) {
	return json.Marshal(m.members())
}

// UnmarshalJSON reads what MarshalJSON wrote. It is as strict as Decode, except that it has no limit on the size.
// Errors are of type *Error. On an error m is not changed.
func (m *ClientMetadata) UnmarshalJSON(b []byte) error {
	o, err := parseObject(b)
	if err != nil {
		return err
	}
	decoded, err := metadataOf(o)
	if err != nil {
		return err
	}
	if decoded.SoftwareStatement, err = softwareStatementOf(o); err != nil {
		return err
	}
	*m = decoded
	return nil
}

// members returns m as a JSON object.
func (m ClientMetadata) members() map[string]any {
	o := make(map[string]any, 20)
	for _, f := range m.stringFields() {
		putString(o, f.name, *f.value)
	}
	for _, f := range m.listFields() {
		if len(*f.value) > 0 {
			o[f.name] = *f.value
		}
	}
	if len(m.RedirectURIs) == 0 {
		o["redirect_uris"] = []string{}
	}
	// An absent response_types means "code" (RFC 7591 section 2), which would be wrong for a client that never
	// sees the authorization endpoint.
	if len(m.ResponseTypes) == 0 && len(m.GrantTypes) > 0 && !slices.Contains(m.GrantTypes, GrantAuthorizationCode) {
		o["response_types"] = []string{}
	}
	if len(m.JWKS) > 0 {
		o["jwks"] = m.JWKS
	}
	putString(o, "software_statement", m.SoftwareStatement)
	for name, value := range m.Localized {
		putString(o, name, value)
	}
	return o
}

type stringField struct {
	name  string
	value *string
}

// stringFields lists the members whose value is one string.
func (m *ClientMetadata) stringFields() []stringField {
	return []stringField{
		{"token_endpoint_auth_method", &m.TokenEndpointAuthMethod},
		{"client_name", &m.ClientName},
		{"client_uri", &m.ClientURI},
		{"logo_uri", &m.LogoURI},
		{"scope", &m.Scope},
		{"tos_uri", &m.TOSURI},
		{"policy_uri", &m.PolicyURI},
		{"jwks_uri", &m.JWKSURI},
		{"software_id", &m.SoftwareID},
		{"software_version", &m.SoftwareVersion},
		{"application_type", &m.ApplicationType},
	}
}

type listField struct {
	name  string
	value *[]string
}

// listFields lists the members whose value is an array of strings.
func (m *ClientMetadata) listFields() []listField {
	return []listField{
		{"redirect_uris", &m.RedirectURIs},
		{"grant_types", &m.GrantTypes},
		{"response_types", &m.ResponseTypes},
		{"contacts", &m.Contacts},
	}
}

// localizable reports whether name is a human-readable member with a language tag (RFC 7591 section 2.2), and returns
// its two parts.
func localizable(name string) (base, tag string, ok bool) {
	base, tag, ok = strings.Cut(name, "#")
	if !ok {
		return "", "", false
	}
	switch base {
	case "client_name", "client_uri", "logo_uri", "tos_uri", "policy_uri":
		return base, tag, true
	}
	return "", "", false
}

func putString(o map[string]any, name, value string) {
	if value != "" {
		o[name] = value
	}
}
