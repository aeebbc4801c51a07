package dcr

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// The values of token_endpoint_auth_method that Amazon Cognito's token endpoint
// accepts.
const (
	AuthNone        = "none"
	AuthSecretBasic = "client_secret_basic"
	AuthSecretPost  = "client_secret_post"
)

// ResponseTypeCode is the only response type that Validate accepts.
const ResponseTypeCode = "code"

// The values of application_type (OpenID Connect Dynamic Client Registration
// 1.0 §2).
const (
	ApplicationWeb    = "web"
	ApplicationNative = "native"
)

// ClientMetadata is the metadata of a client (RFC 7591 §2): as the client sent
// it, or after validation and policy, as it is registered. All members are
// OPTIONAL unless their comment says otherwise. The zero value of a field means
// that the member is absent.
//
// Its JSON form is canonical: equal metadata gives equal bytes, members in
// alphabetical order, no nulls and no empty strings. redirect_uris is always
// there, as an empty array if the client has none; response_types is an empty
// array if no grant type uses redirects.
type ClientMetadata struct {
	// RedirectURIs are the addresses to which the authorization server may send
	// a user back. REQUIRED for a client of a flow with redirects.
	RedirectURIs []string
	// TokenEndpointAuthMethod is how the client authenticates at the token
	// endpoint. OPTIONAL; the RFC's default is client_secret_basic.
	TokenEndpointAuthMethod string
	// GrantTypes are the grant types that the client uses at the token endpoint.
	// OPTIONAL; the default is authorization_code.
	GrantTypes []string
	// ResponseTypes are the response types that the client uses at the
	// authorization endpoint; they must fit the grant types (§2.1). OPTIONAL;
	// the default is code.
	ResponseTypes []string
	// ClientName is the name that users see. OPTIONAL, sending it is
	// RECOMMENDED.
	ClientName string
	// ClientURI is a web page about the client. OPTIONAL, sending it is
	// RECOMMENDED.
	ClientURI string
	// LogoURI is an image for the client. OPTIONAL.
	LogoURI string
	// Scope has the values that the client may request, separated by spaces (RFC
	// 6749 §3.3). OPTIONAL; the server chooses a default.
	Scope string
	// Contacts are ways to reach the people in charge of the client, usually
	// mail addresses. OPTIONAL.
	Contacts []string
	// TOSURI is a page with the client's terms of service. OPTIONAL.
	TOSURI string
	// PolicyURI is a page about how the client uses personal data. OPTIONAL.
	PolicyURI string
	// JWKSURI is where the client publishes its keys. OPTIONAL, and not allowed
	// beside JWKS.
	JWKSURI string
	// JWKS are the client's keys themselves, a JSON object (RFC 7517 §5).
	// OPTIONAL, and not allowed beside JWKSURI.
	JWKS json.RawMessage
	// SoftwareID names the software, the same in all of its installations and
	// versions. OPTIONAL.
	SoftwareID string
	// SoftwareVersion is the version of the software that SoftwareID names.
	// OPTIONAL.
	SoftwareVersion string
	// ApplicationType is web or native. OPTIONAL, from OpenID Connect Dynamic
	// Client Registration 1.0 §2; its default, web, is not filled in.
	ApplicationType string

	// SoftwareStatement is a signed JWT with client metadata as its claims
	// (§2.3). OPTIONAL in a request. In a response it is REQUIRED, unmodified,
	// if the registration used one (§3.2.1). Decode leaves it empty: the
	// statement that it read is in the Request and is not verified yet.
	SoftwareStatement string

	// Localized holds the human-readable members in other languages by their
	// whole member name, as in "client_name#ja-Jpan-JP" (§2.2). OPTIONAL.
	Localized map[string]string
}

// Public reports whether the client is a public client (RFC 6749 §2.1): it has no
// secret.
func (m ClientMetadata) Public() bool { return m.TokenEndpointAuthMethod == AuthNone }

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

// ParsedMetadata is client metadata with its redirect URIs parsed, so that
// later steps do not have to parse them again.
type ParsedMetadata struct {
	ClientMetadata
	// Redirects are RedirectURIs, parsed, in the same order.
	Redirects []RedirectURI
}

// Parse parses the redirect URIs of m and applies no other rule. A URI that
// ParseRedirectURI does not accept has only its Raw form. It is for metadata
// that did not come from a client; see Validate.
func Parse(m ClientMetadata) ParsedMetadata {
	p := ParsedMetadata{ClientMetadata: m.Clone()}
	for _, raw := range m.RedirectURIs {
		u, err := ParseRedirectURI(raw)
		if err != nil {
			u = RedirectURI{Raw: raw}
		}
		p.Redirects = append(p.Redirects, u)
	}
	return p
}

// Clone returns a copy that shares no memory with m.
func (m ParsedMetadata) Clone() ParsedMetadata {
	return ParsedMetadata{m.ClientMetadata.Clone(), slices.Clone(m.Redirects)}
}

// MarshalJSON returns the canonical form.
func (m ClientMetadata) MarshalJSON() ([]byte, error) {
	return json.Marshal(m.members())
}

// UnmarshalJSON reads the output of MarshalJSON. It is as strict as Decode,
// except that it has no limit on the size. Errors are of type *Error. After an
// error m is unchanged.
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
	// An absent response_types means "code" (RFC 7591 §2). A client without the
	// code grant does not use the authorization endpoint, so it gets an empty
	// list.
	if len(m.ResponseTypes) == 0 && len(m.GrantTypes) > 0 && !UseRedirects(m.GrantTypes) {
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

// localizable reports whether name is a human-readable member with a language
// tag (RFC 7591 §2.2), and returns its two parts.
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
