package discovery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// AuthorizationServerPath is where a client looks for the metadata of an issuer
// without a path (RFC 8414 §3).
const AuthorizationServerPath = "/.well-known/oauth-authorization-server"

// Server is the configuration of the broker, from which the metadata is written.
// Fields are REQUIRED unless their comment says OPTIONAL; an empty OPTIONAL field
// leaves its member out.
type Server struct {
	Issuer string // the broker's origin: scheme, host and port, no trailing slash
	// AuthorizationEndpoint is the broker's endpoint. OPTIONAL; default: the
	// user pool's endpoint.
	AuthorizationEndpoint string
	TokenEndpoint         string
	RegistrationEndpoint  string // OPTIONAL
	RevocationEndpoint    string // OPTIONAL
	IntrospectionEndpoint string // OPTIONAL
	// Scopes are the scopes that a registered client may get. OPTIONAL. Clients
	// request all listed scopes; offline_access is left out, because Cognito
	// refuses it.
	Scopes               []string
	GrantTypes           []string
	AuthMethods          []string // at the token and the revocation endpoint
	ServiceDocumentation string   // OPTIONAL

	// IssInResponse, OPTIONAL, promises that authorization responses carry iss (RFC 9207).
	// Cognito's responses do not, and a client rejects a response without a
	// promised iss, so this requires an AuthorizationEndpoint of the broker.
	IssInResponse bool
	// ClientIDMetadataDocuments, OPTIONAL, promises that a client_id may be the
	// URL of a document (draft-ietf-oauth-client-id-metadata-document). Cognito accepts
	// only its own ids, so this too needs an AuthorizationEndpoint of the broker.
	ClientIDMetadataDocuments bool
}

// serverMetadata is the metadata of an authorization server (RFC 8414 §2).
// Members without omitempty are always sent; Server.check refuses empty ones.
type serverMetadata struct {
	// Issuer identifies the server: an https URL without query and fragment.
	// REQUIRED.
	Issuer string `json:"issuer"`
	// AuthorizationEndpoint is where a user signs in and consents. REQUIRED
	// unless no grant type uses it.
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	// TokenEndpoint is where a client gets tokens. REQUIRED unless the implicit
	// grant is the only one.
	TokenEndpoint string `json:"token_endpoint"`
	// RegistrationEndpoint is where a client registers (RFC 7591). OPTIONAL.
	RegistrationEndpoint string `json:"registration_endpoint,omitempty"`
	// RevocationEndpoint is where a client revokes a token (RFC 7009). OPTIONAL.
	RevocationEndpoint string `json:"revocation_endpoint,omitempty"`
	// JWKSURI is the document with the server's keys. OPTIONAL. It is Cognito's,
	// because Cognito signs the tokens.
	JWKSURI string `json:"jwks_uri"`
	// UserinfoEndpoint returns claims about the user of an access token.
	// RECOMMENDED by OpenID Connect Discovery 1.0 §3; RFC 8414 §2 allows members
	// of other specifications.
	UserinfoEndpoint string `json:"userinfo_endpoint,omitempty"`
	// ScopesSupported are the scopes that a client may request. RECOMMENDED.
	ScopesSupported []string `json:"scopes_supported,omitempty"`
	// ResponseTypesSupported are the values of response_type at the
	// authorization endpoint. REQUIRED.
	ResponseTypesSupported []string `json:"response_types_supported"`
	// ResponseModesSupported are the ways in which an authorization response is
	// returned. OPTIONAL; the default is query and fragment.
	ResponseModesSupported []string `json:"response_modes_supported"`
	// GrantTypesSupported are the values of grant_type at the token endpoint.
	// OPTIONAL; the default is authorization_code and implicit. It is always
	// sent, because some clients read an absent list as "all".
	GrantTypesSupported []string `json:"grant_types_supported"`
	// TokenEndpointAuthMethodsSupported are the ways in which a client
	// authenticates at the token endpoint. OPTIONAL; the default is
	// client_secret_basic.
	TokenEndpointAuthMethodsSupported []string `json:"token_endpoint_auth_methods_supported"`
	// RevocationEndpointAuthMethodsSupported are the methods at the revocation
	// endpoint. OPTIONAL; the default is client_secret_basic.
	RevocationEndpointAuthMethodsSupported []string `json:"revocation_endpoint_auth_methods_supported,omitempty"`
	// IntrospectionEndpoint is where a protected resource introspects a token, and a
	// client its own (RFC 7662). OPTIONAL.
	IntrospectionEndpoint string `json:"introspection_endpoint,omitempty"`
	// IntrospectionEndpointAuthMethodsSupported are the ways in which a
	// protected resource or a client authenticates there. OPTIONAL. Only methods with
	// a secret are listed: anyone can send the id of a client without one.
	IntrospectionEndpointAuthMethodsSupported []string `json:"introspection_endpoint_auth_methods_supported,omitempty"`
	// CodeChallengeMethodsSupported are the methods of PKCE (RFC 7636 §4.2).
	// OPTIONAL. An absent list means that the server has no PKCE; an MCP client
	// must then stop (MCP authorization, "Authorization Code Protection").
	CodeChallengeMethodsSupported []string `json:"code_challenge_methods_supported"`
	// ServiceDocumentation is a page for developers. OPTIONAL.
	ServiceDocumentation string `json:"service_documentation,omitempty"`
	// AuthorizationResponseIssParameterSupported promises iss in authorization
	// responses. OPTIONAL, RFC 9207 §3; the default is false.
	AuthorizationResponseIssParameterSupported bool `json:"authorization_response_iss_parameter_supported,omitempty"`
	// ClientIDMetadataDocumentSupported promises that a client_id may be the URL
	// of a document. OPTIONAL, draft-ietf-oauth-client-id-metadata-document; the
	// default is false.
	ClientIDMetadataDocumentSupported bool `json:"client_id_metadata_document_supported,omitempty"`
}

// AuthorizationServer returns the authorization server metadata of s
// (RFC 8414 §2). It fails for a value that must not be published; the error
// names the member.
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
		Issuer:                            s.Issuer,
		AuthorizationEndpoint:             s.AuthorizationEndpoint,
		TokenEndpoint:                     s.TokenEndpoint,
		RegistrationEndpoint:              s.RegistrationEndpoint,
		RevocationEndpoint:                s.RevocationEndpoint,
		IntrospectionEndpoint:             s.IntrospectionEndpoint,
		JWKSURI:                           up.JWKSURI,
		UserinfoEndpoint:                  up.UserinfoEndpoint,
		ScopesSupported:                   withoutOfflineAccess(s.Scopes),
		ResponseTypesSupported:            []string{"code"},
		ResponseModesSupported:            []string{"query"},
		GrantTypesSupported:               nonEmpty(s.GrantTypes),
		TokenEndpointAuthMethodsSupported: nonEmpty(s.AuthMethods),
		// RFC 9700 §2.1.1: S256 is the only method that does not expose the verifier.
		CodeChallengeMethodsSupported:              []string{"S256"},
		ServiceDocumentation:                       s.ServiceDocumentation,
		AuthorizationResponseIssParameterSupported: s.IssInResponse,
		ClientIDMetadataDocumentSupported:          s.ClientIDMetadataDocuments,
	}
	if m.AuthorizationEndpoint == "" {
		m.AuthorizationEndpoint = up.AuthorizationEndpoint
	} else {
		// The pool's endpoint would show a client more claims than the user
		// consented to, and under the id of an app client that does not belong to
		// the client.
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
		if err := checkTokens(m.values); err != nil {
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
		return errors.New("client_id_metadata_document_supported: the user pool's authorization endpoint accepts no URL as a client_id")
	}
	return nil
}

// withoutOfflineAccess returns scopes without offline_access and without
// duplicates. Clients request every listed scope, and Cognito answers
// offline_access with invalid_scope. MCP also excludes it from protected
// resource metadata, because refresh tokens do not concern the resource.
func withoutOfflineAccess(scopes []string) []string {
	return slices.DeleteFunc(nonEmpty(scopes), func(s string) bool { return s == "offline_access" })
}

// encode returns v as JSON and leaves the characters of URLs unescaped.
func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("discovery: encode: %w", err)
	}
	return buf.Bytes(), nil
}
