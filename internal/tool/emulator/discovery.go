package emulator

import "net/http"

// discoveryDocument has exactly the members of Cognito's document. It lists no
// PKCE methods, no method for public clients and no grant types.
type discoveryDocument struct {
	AuthorizationEndpoint    string   `json:"authorization_endpoint"`
	EndSessionEndpoint       string   `json:"end_session_endpoint"`
	IDTokenSigningAlgs       []string `json:"id_token_signing_alg_values_supported"`
	Issuer                   string   `json:"issuer"`
	JWKSURI                  string   `json:"jwks_uri"`
	RegistrationEndpoint     string   `json:"registration_endpoint,omitempty"`
	ResponseTypes            []string `json:"response_types_supported"`
	RevocationEndpoint       string   `json:"revocation_endpoint"`
	Scopes                   []string `json:"scopes_supported"`
	SubjectTypes             []string `json:"subject_types_supported"`
	TokenEndpoint            string   `json:"token_endpoint"`
	TokenEndpointAuthMethods []string `json:"token_endpoint_auth_methods_supported"`
	UserinfoEndpoint         string   `json:"userinfo_endpoint"`
}

func (c *Cognito) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	domain, logout := c.cfg.BaseURL+"/oauth2", c.cfg.BaseURL+"/logout"
	if c.cfg.NoDomain {
		// These endpoints do not exist, at Cognito and here.
		domain, logout = c.issuer, c.issuer+"/logout"
	}
	w.Header().Set("Access-Control-Allow-Origin", "*")
	registration := ""
	if c.cfg.registers() {
		registration = domain + "/register"
	}
	writeJSON(w, http.StatusOK, discoveryDocument{
		AuthorizationEndpoint:    domain + "/authorize",
		EndSessionEndpoint:       logout,
		IDTokenSigningAlgs:       []string{"RS256"},
		Issuer:                   c.issuer,
		JWKSURI:                  c.issuer + "/.well-known/jwks.json",
		RegistrationEndpoint:     registration,
		ResponseTypes:            []string{"code", "token"},
		RevocationEndpoint:       domain + "/revoke",
		Scopes:                   []string{"openid", "email", "phone", "profile"},
		SubjectTypes:             []string{"public"},
		TokenEndpoint:            domain + "/token",
		TokenEndpointAuthMethods: []string{"client_secret_basic", "client_secret_post"},
		UserinfoEndpoint:         domain + "/userInfo",
	})
}

func (c *Cognito) serveJWKS(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	writeJSON(w, http.StatusOK, c.jwks)
}
