package relay

import (
	"net/url"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/oauthform"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// grantRequest returns what to send to Cognito for a token request of the
// client, authentication apart. Only parameters that the grant type knows are
// in it.
func grantRequest(f oauthform.Form, reg *broker.Registration, forwardResource bool) (url.Values, error) {
	grantType, err := oauthform.GrantType(f, reg)
	if err != nil {
		return nil, err
	}
	var params url.Values
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
	resource, err := oauthform.Resource(f)
	if resource != "" {
		params.Set("resource", resource)
	}
	return params, err
}

// codeRequest is RFC 6749 §4.1.3 with RFC 7636 §4.5. A code is good for one
// attempt, so whatever cannot succeed is refused before Cognito sees it.
func codeRequest(f oauthform.Form, reg *broker.Registration) (url.Values, error) {
	c, err := oauthform.Code(f)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(reg.Metadata.RedirectURIs, c.RedirectURI) {
		return nil, oauthform.Refusal("invalid_grant", "redirect_uri is not registered for this client")
	}
	return url.Values{
		"grant_type":    {dcr.GrantAuthorizationCode},
		"code":          {c.Code},
		"redirect_uri":  {c.RedirectURI},
		"code_verifier": {c.Verifier},
	}, nil
}

// refreshRequest is RFC 6749 §6. A scope is checked but not forwarded: Cognito
// reads it with client_credentials only, and the answer says what was granted.
func refreshRequest(f oauthform.Form, reg *broker.Registration) (url.Values, error) {
	token := f.Value("refresh_token")
	if token == "" {
		return nil, oauthform.InvalidRequest("refresh_token is required")
	}
	if _, err := oauthform.Scopes(f, strings.Fields(reg.Metadata.Scope)); err != nil {
		return nil, err
	}
	return url.Values{"grant_type": {dcr.GrantRefreshToken}, "refresh_token": {token}}, nil
}

// clientCredentialsRequest is RFC 6749 §4.4.2. A client that names no scope
// gets those it is registered with. They are named to Cognito, which would
// otherwise grant whatever the app client has.
func clientCredentialsRequest(f oauthform.Form, reg *broker.Registration) (url.Values, error) {
	registered := strings.Fields(reg.Metadata.Scope)
	scopes, err := oauthform.Scopes(f, registered)
	if err != nil {
		return nil, err
	}
	if len(scopes) == 0 {
		scopes = registered
	}
	params := url.Values{"grant_type": {dcr.GrantClientCredentials}}
	if len(scopes) > 0 {
		params.Set("scope", strings.Join(scopes, " "))
	}
	return params, nil
}
