package cognito

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

var opAdopt = operation{name: "UpdateUserPoolClient", doing: "adopt app client", one: true, repeatable: true}

// Exists implements janitor.Pool.
func (c *AppClients) Exists(ctx context.Context, id string) (bool, error) {
	_, err := c.read(ctx, id)
	if errors.Is(err, broker.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Foreign implements direct.AdoptionPool.
func (c *AppClients) Foreign(ctx context.Context, id string) (*broker.ForeignAppClient, error) {
	present, err := c.read(ctx, id)
	if err != nil {
		return nil, err
	}
	return foreign(id, present), nil
}

// Adopt implements direct.AdoptionPool.
func (c *AppClients) Adopt(ctx context.Context, id, marker string) error {
	if err := checkMarker(marker); err != nil {
		return &broker.NotAppliedError{Err: fmt.Errorf("cognito: adopt app client: %w", err)}
	}
	present, err := c.read(ctx, id)
	if err != nil {
		return notApplied(err)
	}
	name := aws.ToString(present.ClientName)
	if deployment, m, ok := parseMarker(name); ok {
		if deployment == c.deployment && m == marker {
			return nil
		}
		return &broker.NotAppliedError{Err: fmt.Errorf("cognito: adopt app client: %s is named %q, so a deployment has it already", id, name)}
	}
	_, err = call(ctx, c, opAdopt, c.api.UpdateUserPoolClient, adoptInput(c.target(marker), present))
	return err
}

// foreign returns the metadata of a registration with the settings of an app
// client, and the reason if it cannot become one.
func foreign(id string, a *types.UserPoolClientType) *broker.ForeignAppClient {
	f := &broker.ForeignAppClient{ID: id, Name: aws.ToString(a.ClientName), Metadata: dcr.ClientMetadata{
		ClientName:              aws.ToString(a.ClientName),
		TokenEndpointAuthMethod: dcr.AuthNone,
		// Cognito returns scopes in an order of its own.
		Scope: strings.Join(slices.Sorted(slices.Values(a.AllowedOAuthScopes)), " "),
	}}
	m := &f.Metadata
	if aws.ToString(a.ClientSecret) != "" {
		m.TokenEndpointAuthMethod = dcr.AuthSecretBasic
	}
	_, _, marked := parseMarker(f.Name)
	switch {
	case marked:
		f.Refused = "its name carries the mark of a deployment"
	case !aws.ToBool(a.AllowedOAuthFlowsUserPoolClient) || len(a.AllowedOAuthScopes) == 0:
		f.Refused = "it is not for OAuth: it has no flows or scopes"
	case slices.Equal(a.AllowedOAuthFlows, []types.OAuthFlowType{types.OAuthFlowTypeCode}):
		m.GrantTypes = dcr.DefaultGrantTypes()
		m.ResponseTypes = []string{dcr.ResponseTypeCode}
		m.RedirectURIs = slices.Clone(a.CallbackURLs)
	case slices.Equal(a.AllowedOAuthFlows, []types.OAuthFlowType{types.OAuthFlowTypeClientCredentials}):
		m.GrantTypes = []string{dcr.GrantClientCredentials}
	default:
		f.Refused = fmt.Sprintf("its flows are %q, and a registration has either code or client_credentials", a.AllowedOAuthFlows)
	}
	return f
}

// adoptInput returns present with the broker's marker in its name. It has every
// field, because Cognito resets absent ones.
func adoptInput(t target, present *types.UserPoolClientType) *cip.UpdateUserPoolClientInput {
	return &cip.UpdateUserPoolClientInput{
		UserPoolId:                               aws.String(t.pool),
		ClientId:                                 present.ClientId,
		ClientName:                               aws.String(appClientName(aws.ToString(present.ClientName), t.deployment, t.marker)),
		AccessTokenValidity:                      present.AccessTokenValidity,
		AllowedOAuthFlows:                        present.AllowedOAuthFlows,
		AllowedOAuthFlowsUserPoolClient:          aws.ToBool(present.AllowedOAuthFlowsUserPoolClient),
		AllowedOAuthScopes:                       present.AllowedOAuthScopes,
		AnalyticsConfiguration:                   present.AnalyticsConfiguration,
		AuthSessionValidity:                      present.AuthSessionValidity,
		CallbackURLs:                             present.CallbackURLs,
		DefaultRedirectURI:                       present.DefaultRedirectURI,
		EnablePropagateAdditionalUserContextData: present.EnablePropagateAdditionalUserContextData,
		EnableTokenRevocation:                    present.EnableTokenRevocation,
		ExplicitAuthFlows:                        present.ExplicitAuthFlows,
		IdTokenValidity:                          present.IdTokenValidity,
		LogoutURLs:                               present.LogoutURLs,
		PreventUserExistenceErrors:               present.PreventUserExistenceErrors,
		ReadAttributes:                           present.ReadAttributes,
		RefreshTokenRotation:                     present.RefreshTokenRotation,
		RefreshTokenValidity:                     present.RefreshTokenValidity,
		SupportedIdentityProviders:               present.SupportedIdentityProviders,
		TokenValidityUnits:                       present.TokenValidityUnits,
		WriteAttributes:                          present.WriteAttributes,
	}
}
