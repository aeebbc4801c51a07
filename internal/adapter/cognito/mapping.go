package cognito

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// target is the pool, the deployment and the marker of an app client.
type target struct {
	pool       string
	deployment string
	marker     string
}

// createInput returns the app client for a client with metadata m. Analytics is
// left out because it costs money; attribute lists, sign-out URLs and the
// propagation of user context data are left out because their defaults fit.
func createInput(t target, m dcr.ClientMetadata, s Settings) *cip.CreateUserPoolClientInput {
	o := ownedBy(t, m, s)
	return &cip.CreateUserPoolClientInput{
		UserPoolId:                      aws.String(t.pool),
		ClientName:                      o.name,
		GenerateSecret:                  confidential(m),
		AllowedOAuthFlowsUserPoolClient: true,
		AllowedOAuthFlows:               o.flows,
		AllowedOAuthScopes:              o.scopes,
		CallbackURLs:                    o.redirectURIs,
		ExplicitAuthFlows:               o.authFlows,
		SupportedIdentityProviders:      o.identityProviders,
		PreventUserExistenceErrors:      types.PreventUserExistenceErrorTypesEnabled,
		EnableTokenRevocation:           aws.Bool(true),
		RefreshTokenRotation:            o.rotation,
		AccessTokenValidity:             o.accessToken,
		IdTokenValidity:                 o.idToken,
		RefreshTokenValidity:            o.refreshToken,
		TokenValidityUnits:              o.units,
	}
}

// updateInput returns present with the settings that follow from m. Cognito
// resets every absent field, so fields that the broker does not set are sent
// back unchanged: an operator may have set them.
func updateInput(t target, present *types.UserPoolClientType, m dcr.ClientMetadata, s Settings) *cip.UpdateUserPoolClientInput {
	o := ownedBy(t, m, s)
	return &cip.UpdateUserPoolClientInput{
		UserPoolId:                      aws.String(t.pool),
		ClientId:                        present.ClientId,
		ClientName:                      o.name,
		AllowedOAuthFlowsUserPoolClient: true,
		AllowedOAuthFlows:               o.flows,
		AllowedOAuthScopes:              o.scopes,
		CallbackURLs:                    o.redirectURIs,
		ExplicitAuthFlows:               o.authFlows,
		SupportedIdentityProviders:      o.identityProviders,
		PreventUserExistenceErrors:      types.PreventUserExistenceErrorTypesEnabled,
		EnableTokenRevocation:           aws.Bool(true),
		RefreshTokenRotation:            o.rotation,
		AccessTokenValidity:             o.accessToken,
		IdTokenValidity:                 o.idToken,
		RefreshTokenValidity:            o.refreshToken,
		TokenValidityUnits:              o.units,

		AnalyticsConfiguration:                   present.AnalyticsConfiguration,
		AuthSessionValidity:                      present.AuthSessionValidity,
		DefaultRedirectURI:                       defaultRedirectURI(present, o.redirectURIs),
		EnablePropagateAdditionalUserContextData: present.EnablePropagateAdditionalUserContextData,
		LogoutURLs:                               present.LogoutURLs,
		ReadAttributes:                           present.ReadAttributes,
		WriteAttributes:                          present.WriteAttributes,
	}
}

// owned are the fields of an app client that the broker sets, in the types that
// create and update share.
type owned struct {
	name              *string
	flows             []types.OAuthFlowType
	scopes            []string
	redirectURIs      []string
	authFlows         []types.ExplicitAuthFlowsType
	identityProviders []string
	rotation          *types.RefreshTokenRotationType
	accessToken       *int32
	idToken           *int32
	refreshToken      int32
	units             *types.TokenValidityUnitsType
}

func ownedBy(t target, m dcr.ClientMetadata, s Settings) owned {
	o := owned{
		name:   aws.String(appClientName(m.ClientName, t.deployment, t.marker)),
		scopes: strings.Fields(m.Scope),
		// With Cognito's default a program that knows a client id can sign
		// users in without the authorize endpoint, and ALLOW_REFRESH_TOKEN_AUTH
		// excludes rotation. This flow needs the operator's AWS credentials. An
		// empty list would mean the default.
		authFlows:         []types.ExplicitAuthFlowsType{types.ExplicitAuthFlowsTypeAllowAdminUserPasswordAuth},
		identityProviders: slices.Clone(s.IdentityProviders),
		accessToken:       aws.Int32(seconds(s.AccessToken)),
		idToken:           aws.Int32(seconds(s.IDToken)),
		refreshToken:      seconds(s.RefreshToken),
		units:             inSeconds(),
	}
	if slices.Contains(m.GrantTypes, dcr.GrantAuthorizationCode) {
		o.flows = append(o.flows, types.OAuthFlowTypeCode)
		o.redirectURIs = slices.Clone(m.RedirectURIs)
		if s.NoRotation {
			o.authFlows = append(o.authFlows, types.ExplicitAuthFlowsTypeAllowRefreshTokenAuth)
		} else {
			o.rotation = &types.RefreshTokenRotationType{
				Feature:                 types.FeatureTypeEnabled,
				RetryGracePeriodSeconds: aws.Int32(seconds(s.RotationGrace)),
			}
		}
	}
	if slices.Contains(m.GrantTypes, dcr.GrantClientCredentials) {
		o.flows = append(o.flows, types.OAuthFlowTypeClientCredentials)
	}
	return o
}

// confidential reports whether the client authenticates with a secret.
func confidential(m dcr.ClientMetadata) bool {
	return m.TokenEndpointAuthMethod == dcr.AuthSecretBasic || m.TokenEndpointAuthMethod == dcr.AuthSecretPost
}

// defaultRedirectURI returns the present default if it is still a redirect URI
// of the client; Cognito refuses any other.
func defaultRedirectURI(present *types.UserPoolClientType, redirectURIs []string) *string {
	if !slices.Contains(redirectURIs, aws.ToString(present.DefaultRedirectURI)) {
		return nil
	}
	return present.DefaultRedirectURI
}

func inSeconds() *types.TokenValidityUnitsType {
	return &types.TokenValidityUnitsType{
		AccessToken:  types.TimeUnitsTypeSeconds,
		IdToken:      types.TimeUnitsTypeSeconds,
		RefreshToken: types.TimeUnitsTypeSeconds,
	}
}

func seconds(d time.Duration) int32 { return int32(d / time.Second) }
