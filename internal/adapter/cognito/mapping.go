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

// target is where an app client is and whose.
type target struct {
	pool       string
	deployment string
	marker     string
}

// createInput returns the app client that serves a client with metadata m.
// Analytics, attribute lists, sign-out URLs and the propagation of user context
// data are left out: the first costs, the rest have defaults that suit.
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
// resets every field that an update leaves out, so those that are not ours are
// sent back as they are: an operator may have set them.
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

// owned are the fields of an app client that the broker decides, in the types
// that creating and updating share.
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
		// Cognito's default lets anyone who knows a client id sign in past the
		// authorize endpoint, and ALLOW_REFRESH_TOKEN_AUTH excludes rotation.
		// This flow needs the operator's AWS credentials; naming none at all
		// would bring the default back.
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

// defaultRedirectURI keeps the present one while it is still a redirect URI of
// the client; Cognito refuses any other.
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
