package relay

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// request returns the parameters for Cognito without those for authentication.
// It returns only parameters of the grant type.
func (l *Relay) request(ctx context.Context, r *token.Request, reg *broker.Registration) (params url.Values, err error) {
	if err := r.CheckGrantType(reg); err != nil {
		return nil, err
	}
	switch r.GrantType {
	case dcr.GrantAuthorizationCode:
		params, err = codeParams(r, reg)
	case dcr.GrantRefreshToken:
		params, err = refreshParams(r, reg)
	case dcr.GrantClientCredentials:
		return clientCredentialsParams(r, reg) // Cognito binds no resource here
	default:
		return nil, fmt.Errorf("relay: no implementation of the grant type %s", r.GrantType)
	}
	if err != nil || len(r.Resource) == 0 {
		return params, err
	}
	forward, err := l.config.ForwardResource(ctx)
	if err != nil || !forward {
		return params, err
	}
	resource, err := r.OneResource()
	if resource != "" {
		params.Set("resource", resource)
	}
	return params, err
}

// codeParams returns the parameters of RFC 6749 §4.1.3 and RFC 7636 §4.5.
// Cognito accepts a code once, even in a request that fails, so a request that
// cannot succeed is refused here.
func codeParams(r *token.Request, reg *broker.Registration) (url.Values, error) {
	if err := r.CheckCode(); err != nil {
		return nil, err
	}
	if !slices.Contains(reg.Metadata.RedirectURIs, r.RedirectURI) {
		return nil, broker.Refuse(broker.InvalidGrant, "redirect_uri is not registered for this client")
	}
	return url.Values{
		"grant_type":    {r.GrantType},
		"code":          {r.Code},
		"redirect_uri":  {r.RedirectURI},
		"code_verifier": {r.Verifier},
	}, nil
}

// refreshParams returns the parameters of RFC 6749 §6. It checks the scope and
// does not forward it: Cognito reads scope only with client_credentials.
func refreshParams(r *token.Request, reg *broker.Registration) (url.Values, error) {
	if r.RefreshToken.IsZero() {
		return nil, broker.Refuse(dcr.InvalidRequest, "refresh_token is required")
	}
	if _, err := r.ScopesWithin(strings.Fields(reg.Metadata.Scope), atCognito, token.NotRegistered); err != nil {
		return nil, err
	}
	return url.Values{"grant_type": {r.GrantType}, "refresh_token": {r.RefreshToken.Reveal()}}, nil
}

// clientCredentialsParams returns the parameters of RFC 6749 §4.4.2. If the
// client sends no scope, it sends the registered scopes (RFC 6749 §3.3).
// Without a scope Cognito would grant all scopes of the app client.
func clientCredentialsParams(r *token.Request, reg *broker.Registration) (url.Values, error) {
	registered := strings.Fields(reg.Metadata.Scope)
	scopes, err := r.ScopesWithin(registered, atCognito, token.NotRegistered)
	if err != nil {
		return nil, err
	}
	if len(scopes) == 0 {
		scopes = registered
	}
	params := url.Values{"grant_type": {r.GrantType}}
	if len(scopes) > 0 {
		params.Set("scope", strings.Join(scopes, " "))
	}
	return params, nil
}

// atCognito reports whether Cognito could have a scope. It does not have
// offline_access, which many clients request.
func atCognito(scope string) bool { return scope != "offline_access" }
