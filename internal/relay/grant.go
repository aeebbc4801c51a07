package relay

import (
	"net/url"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// grantRequest returns what to send to Cognito for a token request of the
// client, authentication apart. Only parameters that the grant type knows are
// in it.
func grantRequest(f form, reg *broker.Registration, forwardResource bool) (url.Values, error) {
	grantType := f.value("grant_type")
	switch grantType {
	case "":
		return nil, invalidRequest("grant_type is required")
	case dcr.GrantAuthorizationCode, dcr.GrantRefreshToken, dcr.GrantClientCredentials:
	default:
		return nil, refusal("unsupported_grant_type", "supported are authorization_code, refresh_token and client_credentials")
	}
	if !slices.Contains(reg.Metadata.GrantTypes, grantType) {
		return nil, refusal("unauthorized_client", "the client is not registered for this grant type; it is for "+strings.Join(reg.Metadata.GrantTypes, ", "))
	}
	var params url.Values
	var err error
	switch grantType {
	case dcr.GrantAuthorizationCode:
		params, err = codeRequest(f, reg)
	case dcr.GrantRefreshToken:
		params, err = refreshRequest(f, reg)
	case dcr.GrantClientCredentials:
		// Cognito binds no resource here, so none is forwarded.
		return clientCredentialsRequest(f, reg)
	}
	if err != nil || !forwardResource {
		return params, err
	}
	return params, addResource(params, f["resource"])
}

// codeRequest is RFC 6749 §4.1.3 with RFC 7636 §4.5. A code is good for one
// attempt, so whatever cannot succeed is refused before Cognito sees it.
func codeRequest(f form, reg *broker.Registration) (url.Values, error) {
	code, redirectURI, verifier := f.value("code"), f.value("redirect_uri"), f.value("code_verifier")
	switch {
	case code == "":
		return nil, invalidRequest("code is required")
	case redirectURI == "":
		return nil, invalidRequest("redirect_uri is required, the one of the authorization request")
	case verifier == "":
		return nil, invalidRequest("code_verifier is required: PKCE with S256 (RFC 7636)")
	case !validVerifier(verifier):
		return nil, invalidRequest("code_verifier must have 43 to 128 letters, digits, and hyphen, dot, underscore, tilde (RFC 7636 section 4.1)")
	case !slices.Contains(reg.Metadata.RedirectURIs, redirectURI):
		return nil, refusal("invalid_grant", "redirect_uri is not registered for this client")
	}
	return url.Values{
		"grant_type":    {dcr.GrantAuthorizationCode},
		"code":          {code},
		"redirect_uri":  {redirectURI},
		"code_verifier": {verifier},
	}, nil
}

// validVerifier checks the syntax of RFC 7636 §4.1.
func validVerifier(s string) bool {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	return len(s) >= 43 && len(s) <= 128 && strings.Trim(s, unreserved) == ""
}

// refreshRequest is RFC 6749 §6. A scope is checked but not forwarded: Cognito
// reads it with client_credentials only, and the answer says what was granted.
func refreshRequest(f form, reg *broker.Registration) (url.Values, error) {
	token := f.value("refresh_token")
	if token == "" {
		return nil, invalidRequest("refresh_token is required")
	}
	if _, err := registeredScopes(f, reg); err != nil {
		return nil, err
	}
	return url.Values{"grant_type": {dcr.GrantRefreshToken}, "refresh_token": {token}}, nil
}

// clientCredentialsRequest is RFC 6749 §4.4.2. A client that names no scope
// gets those it is registered with. They are named to Cognito, which would
// otherwise grant whatever the app client has.
func clientCredentialsRequest(f form, reg *broker.Registration) (url.Values, error) {
	scopes, err := registeredScopes(f, reg)
	if err != nil {
		return nil, err
	}
	if len(scopes) == 0 {
		scopes = strings.Fields(reg.Metadata.Scope)
	}
	params := url.Values{"grant_type": {dcr.GrantClientCredentials}}
	if len(scopes) > 0 {
		params.Set("scope", strings.Join(scopes, " "))
	}
	return params, nil
}

// registeredScopes returns the scopes that were asked for, each once, if all of
// them are registered. offline_access is passed over: Cognito does not have it
// and clients ask for it by habit.
func registeredScopes(f form, reg *broker.Registration) ([]string, error) {
	registered := strings.Fields(reg.Metadata.Scope)
	var scopes []string
	for _, s := range strings.Fields(f.value("scope")) {
		if s == "offline_access" || slices.Contains(scopes, s) {
			continue
		}
		if !slices.Contains(registered, s) {
			return nil, refusal("invalid_scope", "the client is not registered for the scope "+dcr.Quote(s))
		}
		scopes = append(scopes, s)
	}
	return scopes, nil
}

// addResource adds the one resource of the request, if there is one (RFC 8707
// §2). Cognito takes one audience a token.
func addResource(params url.Values, resources []string) error {
	for _, s := range resources {
		u, err := url.Parse(s)
		if err != nil || !u.IsAbs() || strings.Contains(s, "#") {
			return refusal("invalid_target", "resource must be an absolute URI without fragment")
		}
		if s != resources[0] {
			return refusal("invalid_target", "a token can be for one resource only")
		}
	}
	if len(resources) > 0 {
		params.Set("resource", resources[0])
	}
	return nil
}
