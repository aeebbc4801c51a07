package discovery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// AuthorizationServerPath is where RFC 8414 section 3 looks for the metadata of an
// issuer without a path.
const AuthorizationServerPath = "/.well-known/oauth-authorization-server"

// Server is what the broker says about itself.
type Server struct {
	Issuer string // the broker's origin: scheme, host and port, no trailing slash
	// AuthorizationEndpoint is the broker's own. Empty means that clients go to
	// the user pool's.
	AuthorizationEndpoint string
	TokenEndpoint         string
	RegistrationEndpoint  string // empty: nobody can register
	RevocationEndpoint    string // empty: not offered
	IntrospectionEndpoint string // empty: not offered
	// Scopes are what a registered client may get. Clients ask for all that are
	// listed; offline_access is left out, because Cognito refuses it.
	Scopes               []string
	GrantTypes           []string
	AuthMethods          []string // at the token and the revocation endpoint
	ServiceDocumentation string   // empty: none

	// IssInResponse says that authorization responses carry iss (RFC 9207).
	// Cognito's do not, and clients reject a response that lacks a promised iss,
	// so it needs an AuthorizationEndpoint of our own.
	IssInResponse bool
	// ClientIDMetadataDocuments says that a client_id may be the URL of a
	// document (draft-ietf-oauth-client-id-metadata-document). Cognito takes only
	// its own ids, so this too needs an AuthorizationEndpoint of our own.
	ClientIDMetadataDocuments bool
}

// serverMetadata is an RFC 8414 document. Members without omitempty are always
// sent; Server.check sees to it that they are not empty.
type serverMetadata struct {
	// REQUIRED, RFC 8414 section 2.
	Issuer string `json:"issuer"`
	// REQUIRED unless no grant type uses it, section 2.
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	// REQUIRED unless only the implicit grant is supported, section 2.
	TokenEndpoint string `json:"token_endpoint"`
	// OPTIONAL, section 2.
	RegistrationEndpoint string `json:"registration_endpoint,omitempty"`
	// OPTIONAL, section 2.
	RevocationEndpoint string `json:"revocation_endpoint,omitempty"`
	// OPTIONAL, section 2. The keys of Cognito's tokens.
	JWKSURI string `json:"jwks_uri"`
	// RECOMMENDED, OpenID Connect Discovery 1.0 section 3; RFC 8414 section 2
	// admits members from elsewhere.
	UserinfoEndpoint string `json:"userinfo_endpoint,omitempty"`
	// RECOMMENDED, section 2.
	ScopesSupported []string `json:"scopes_supported,omitempty"`
	// REQUIRED, section 2.
	ResponseTypesSupported []string `json:"response_types_supported"`
	// OPTIONAL, section 2. The default adds fragment.
	ResponseModesSupported []string `json:"response_modes_supported"`
	// OPTIONAL, section 2. The default is authorization_code and implicit, and
	// some clients take an absent list for "all".
	GrantTypesSupported []string `json:"grant_types_supported"`
	// OPTIONAL, section 2. The default is client_secret_basic alone.
	TokenEndpointAuthMethodsSupported []string `json:"token_endpoint_auth_methods_supported"`
	// OPTIONAL, section 2. The default is client_secret_basic alone.
	RevocationEndpointAuthMethodsSupported []string `json:"revocation_endpoint_auth_methods_supported,omitempty"`
	// OPTIONAL, section 2.
	IntrospectionEndpoint string `json:"introspection_endpoint,omitempty"`
	// OPTIONAL, section 2. Protected resources have secrets.
	IntrospectionEndpointAuthMethodsSupported []string `json:"introspection_endpoint_auth_methods_supported,omitempty"`
	// OPTIONAL, section 2. Absent means no PKCE, and MCP clients must then refuse
	// to go on (MCP authorization, "Authorization Code Protection").
	CodeChallengeMethodsSupported []string `json:"code_challenge_methods_supported"`
	// OPTIONAL, section 2.
	ServiceDocumentation string `json:"service_documentation,omitempty"`
	// OPTIONAL, RFC 9207 section 3. Absent means false.
	AuthorizationResponseIssParameterSupported bool `json:"authorization_response_iss_parameter_supported,omitempty"`
	// OPTIONAL, draft-ietf-oauth-client-id-metadata-document. Absent means false.
	ClientIDMetadataDocumentSupported bool `json:"client_id_metadata_document_supported,omitempty"`
}

// AuthorizationServer returns the authorization server metadata of s (RFC 8414
// section 2). It fails for a value that must not be published; the error names the
// member.
func AuthorizationServer(s Server, up Upstream) ([]byte, error) {
	m, err := merge(s, up)
	if err != nil {
		return nil, fmt.Errorf("discovery: authorization server metadata: %w", err)
	}
	return encode(m)
}

func merge(s Server, up Upstream) (serverMetadata, error) {
	if err := s.check(); err != nil {
		return serverMetadata{}, err
	}
	if err := up.check(); err != nil {
		return serverMetadata{}, fmt.Errorf("upstream: %w", err)
	}
	m := serverMetadata{
		Issuer:                                     s.Issuer,
		AuthorizationEndpoint:                      s.AuthorizationEndpoint,
		TokenEndpoint:                              s.TokenEndpoint,
		RegistrationEndpoint:                       s.RegistrationEndpoint,
		RevocationEndpoint:                         s.RevocationEndpoint,
		IntrospectionEndpoint:                      s.IntrospectionEndpoint,
		JWKSURI:                                    up.JWKSURI,
		UserinfoEndpoint:                           up.UserinfoEndpoint,
		ScopesSupported:                            published(s.Scopes),
		ResponseTypesSupported:                     []string{"code"},
		ResponseModesSupported:                     []string{"query"},
		GrantTypesSupported:                        present(s.GrantTypes),
		TokenEndpointAuthMethodsSupported:          present(s.AuthMethods),
		CodeChallengeMethodsSupported:              []string{"S256"},
		ServiceDocumentation:                       s.ServiceDocumentation,
		AuthorizationResponseIssParameterSupported: s.IssInResponse,
		ClientIDMetadataDocumentSupported:          s.ClientIDMetadataDocuments,
	}
	if m.AuthorizationEndpoint == "" {
		m.AuthorizationEndpoint = up.AuthorizationEndpoint
	} else {
		// It would show a client more of the user than the consent was for, and
		// under the id of an app client that is not the client's.
		m.UserinfoEndpoint = ""
	}
	if m.IntrospectionEndpoint != "" {
		m.IntrospectionEndpointAuthMethodsSupported = []string{"client_secret_basic", "client_secret_post"}
	}
	if m.RevocationEndpoint != "" {
		m.RevocationEndpointAuthMethodsSupported = m.TokenEndpointAuthMethodsSupported
	}
	return m, nil
}

func (s Server) check() error {
	if err := checkOrigin(s.Issuer); err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	if _, err := checkURL(s.TokenEndpoint); err != nil {
		return fmt.Errorf("token_endpoint: %w", err)
	}
	for _, m := range []struct{ name, value string }{
		{"authorization_endpoint", s.AuthorizationEndpoint},
		{"registration_endpoint", s.RegistrationEndpoint},
		{"revocation_endpoint", s.RevocationEndpoint},
		{"introspection_endpoint", s.IntrospectionEndpoint},
		{"service_documentation", s.ServiceDocumentation},
	} {
		if m.value == "" {
			continue
		}
		if _, err := checkURL(m.value); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	for _, m := range []struct {
		name     string
		values   []string
		required bool
	}{
		{"scopes_supported", s.Scopes, false},
		{"grant_types_supported", s.GrantTypes, true},
		{"token_endpoint_auth_methods_supported", s.AuthMethods, true},
	} {
		if len(m.values) == 0 && m.required {
			return fmt.Errorf("%s: missing", m.name)
		}
		if err := checkWords(m.values); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	if s.AuthorizationEndpoint != "" {
		return nil
	}
	if s.IssInResponse {
		return errors.New("authorization_response_iss_parameter_supported: the user pool's authorization endpoint sends no iss")
	}
	if s.ClientIDMetadataDocuments {
		return errors.New("client_id_metadata_document_supported: the user pool's authorization endpoint takes no URL for a client_id")
	}
	return nil
}

// published returns scopes without offline_access. Clients that see it ask for it,
// and Cognito answers invalid_scope; MCP wants it kept out of protected resource
// metadata for its own reasons (refresh tokens are not the resource's business).
func published(scopes []string) []string {
	return slices.DeleteFunc(present(scopes), func(s string) bool { return s == "offline_access" })
}

// encode writes v as JSON in which URLs read as they were configured.
func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("discovery: encode: %w", err)
	}
	return buf.Bytes(), nil
}
