package discovery

import "fmt"

// OpenIDConfigurationPath is where a client looks for the configuration of an
// issuer without a path (OpenID Connect Discovery 1.0 §4).
const OpenIDConfigurationPath = "/.well-known/openid-configuration"

// providerMetadata is an OpenID provider configuration (OpenID Connect
// Discovery 1.0 §3): the RFC 8414 document with three more members, which are
// Cognito's. In this document jwks_uri is REQUIRED too.
type providerMetadata struct {
	serverMetadata
	// SubjectTypesSupported are the kinds of sub in an ID token: public is the
	// same for every client. REQUIRED.
	SubjectTypesSupported []string `json:"subject_types_supported"`
	// IDTokenSigningAlgValuesSupported are the algorithms with which ID tokens
	// are signed. REQUIRED.
	IDTokenSigningAlgValuesSupported []string `json:"id_token_signing_alg_values_supported"`
	// ClaimsSupported are the claims that the provider may return. RECOMMENDED.
	ClaimsSupported []string `json:"claims_supported,omitempty"`
}

// OpenIDConfiguration returns the OpenID provider configuration of s (OpenID
// Connect Discovery 1.0 §3), for clients that look for it in place of RFC 8414
// metadata. It fails as AuthorizationServer does.
//
// The user pool's end_session_endpoint is left out: it redirects only to
// sign-out URLs of the app client, and registration sets none.
func OpenIDConfiguration(s Server, up Upstream) ([]byte, error) {
	m, err := merge(s, up)
	if err != nil {
		return nil, fmt.Errorf("discovery: openid configuration: %w", err)
	}
	return encode(providerMetadata{
		serverMetadata:                   m,
		SubjectTypesSupported:            nonEmpty(up.SubjectTypes),
		IDTokenSigningAlgValuesSupported: nonEmpty(up.IDTokenSigningAlgs),
		ClaimsSupported:                  nonEmpty(up.Claims),
	})
}
