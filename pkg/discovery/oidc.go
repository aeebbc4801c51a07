package discovery

import "fmt"

// OpenIDConfigurationPath is where OpenID Connect Discovery 1.0 section 4 looks
// for the configuration of an issuer without a path.
const OpenIDConfigurationPath = "/.well-known/openid-configuration"

// providerMetadata is an OpenID provider configuration: the RFC 8414 document and
// the members that OpenID Connect Discovery 1.0 requires beyond it. Of the
// members above, that specification makes jwks_uri REQUIRED too.
type providerMetadata struct {
	serverMetadata
	// REQUIRED, OpenID Connect Discovery 1.0 section 3. Cognito's.
	SubjectTypesSupported []string `json:"subject_types_supported"`
	// REQUIRED, section 3. Cognito's.
	IDTokenSigningAlgValuesSupported []string `json:"id_token_signing_alg_values_supported"`
	// RECOMMENDED, section 3. Cognito's.
	ClaimsSupported []string `json:"claims_supported,omitempty"`
}

// OpenIDConfiguration returns the OpenID provider configuration of s (OpenID
// Connect Discovery 1.0 section 3), for clients that look for it where RFC 8414
// metadata would do. It fails as AuthorizationServer does.
//
// The user pool's end_session_endpoint is left out: it returns only to sign-out
// URLs of the app client, and registration sets none.
func OpenIDConfiguration(s Server, up Upstream) ([]byte, error) {
	m, err := merge(s, up)
	if err != nil {
		return nil, fmt.Errorf("discovery: openid configuration: %w", err)
	}
	return encode(providerMetadata{
		serverMetadata:                   m,
		SubjectTypesSupported:            present(up.SubjectTypes),
		IDTokenSigningAlgValuesSupported: present(up.IDTokenSigningAlgs),
		ClaimsSupported:                  present(up.Claims),
	})
}
