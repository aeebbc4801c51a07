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
)

var (
	opCreateBrokered = operation{name: "CreateUserPoolClient", doing: "create app client of the broker"}
	opUpdateBrokered = operation{name: "UpdateUserPoolClient", doing: "update app client of the broker", one: true}
	opBrand          = operation{name: "CreateManagedLoginBranding", doing: "give app client a branding style", one: true}
)

// CreateBrokered implements provision.Pool.
func (c *AppClients) CreateBrokered(ctx context.Context, marker string, spec broker.BrokeredAppClient) (broker.NewAppClient, error) {
	settings, err := c.settings(ctx)
	if err != nil {
		return broker.NewAppClient{}, err
	}
	if err := errors.Join(checkMarker(marker), settings.checkBrokered()); err != nil {
		return broker.NewAppClient{}, &broker.NotAppliedError{Err: fmt.Errorf("cognito: create app client of the broker: %w", err)}
	}
	out, err := call(ctx, c, opCreateBrokered, c.api.CreateUserPoolClient, createBrokeredInput(c.target(marker), spec, settings))
	if err != nil {
		return broker.NewAppClient{}, err
	}
	if out.UserPoolClient == nil || aws.ToString(out.UserPoolClient.ClientId) == "" || aws.ToString(out.UserPoolClient.ClientSecret) == "" {
		return broker.NewAppClient{}, opCreateBrokered.failed(noAnswer(), errNoAppClient)
	}
	return broker.NewAppClient{
		ID:     aws.ToString(out.UserPoolClient.ClientId),
		Secret: aws.ToString(out.UserPoolClient.ClientSecret),
	}, nil
}

// UpdateBrokered implements provision.MaintainedPool.
func (c *AppClients) UpdateBrokered(ctx context.Context, id, marker string, spec broker.BrokeredAppClient) error {
	present, err := c.describe(ctx, id, marker)
	if err != nil {
		return notApplied(err)
	}
	settings, err := c.settings(ctx)
	if err != nil {
		return err
	}
	_, err = call(ctx, c, opUpdateBrokered, c.api.UpdateUserPoolClient, updateBrokeredInput(c.target(marker), present, spec, settings))
	return err
}

// Brand implements provision.Pool.
func (c *AppClients) Brand(ctx context.Context, id string) error {
	in := &cip.CreateManagedLoginBrandingInput{UserPoolId: aws.String(c.pool), ClientId: aws.String(id), UseCognitoProvidedValues: true}
	_, err := call(ctx, c, opBrand, c.api.CreateManagedLoginBranding, in)
	return brandFailure(err)
}

func (s Settings) checkBrokered() error {
	if s.Callback == "" || s.SignOut == "" {
		return errors.New("settings have no callback and sign-out URL")
	}
	return nil
}

// createBrokeredInput returns an app client that only the broker can use: its
// only callback is the broker's, and its secret never leaves the broker.
// Refreshing is the only flow allowed at Cognito's API, and needs that secret;
// with Cognito's default flows a program that reads the client id in a token
// could sign users in without the broker. Cognito's rotation is off, since the
// broker rotates its own refresh tokens.
func createBrokeredInput(t target, spec broker.BrokeredAppClient, s Settings) *cip.CreateUserPoolClientInput {
	b := brokeredBy(t, spec, s)
	return &cip.CreateUserPoolClientInput{
		UserPoolId:                      aws.String(t.pool),
		ClientName:                      b.name,
		GenerateSecret:                  true,
		AllowedOAuthFlowsUserPoolClient: true,
		AllowedOAuthFlows:               b.flows,
		AllowedOAuthScopes:              b.scopes,
		CallbackURLs:                    b.callbacks,
		LogoutURLs:                      b.signOut,
		ExplicitAuthFlows:               b.authFlows,
		SupportedIdentityProviders:      b.identityProviders,
		PreventUserExistenceErrors:      types.PreventUserExistenceErrorTypesEnabled,
		EnableTokenRevocation:           aws.Bool(true),
		ReadAttributes:                  b.readAttributes,
		AccessTokenValidity:             b.accessToken,
		IdTokenValidity:                 b.idToken,
		RefreshTokenValidity:            b.refreshToken,
		TokenValidityUnits:              b.units,
	}
}

// updateBrokeredInput returns present with the settings that follow from spec.
func updateBrokeredInput(t target, present *types.UserPoolClientType, spec broker.BrokeredAppClient, s Settings) *cip.UpdateUserPoolClientInput {
	b := brokeredBy(t, spec, s)
	return &cip.UpdateUserPoolClientInput{
		UserPoolId:                      aws.String(t.pool),
		ClientId:                        present.ClientId,
		ClientName:                      b.name,
		AllowedOAuthFlowsUserPoolClient: true,
		AllowedOAuthFlows:               b.flows,
		AllowedOAuthScopes:              b.scopes,
		CallbackURLs:                    b.callbacks,
		LogoutURLs:                      b.signOut,
		ExplicitAuthFlows:               b.authFlows,
		SupportedIdentityProviders:      b.identityProviders,
		PreventUserExistenceErrors:      types.PreventUserExistenceErrorTypesEnabled,
		EnableTokenRevocation:           aws.Bool(true),
		ReadAttributes:                  b.readAttributes,
		AccessTokenValidity:             b.accessToken,
		IdTokenValidity:                 b.idToken,
		RefreshTokenValidity:            b.refreshToken,
		TokenValidityUnits:              b.units,

		AnalyticsConfiguration:                   present.AnalyticsConfiguration,
		AuthSessionValidity:                      present.AuthSessionValidity,
		DefaultRedirectURI:                       defaultRedirectURI(present, b.callbacks),
		EnablePropagateAdditionalUserContextData: present.EnablePropagateAdditionalUserContextData,
		WriteAttributes:                          present.WriteAttributes,
	}
}

// brokeredFields are the fields that create and update share, including those
// that owned sets.
type brokeredFields struct {
	owned
	callbacks      []string
	signOut        []string
	readAttributes []string
}

func brokeredBy(t target, spec broker.BrokeredAppClient, s Settings) brokeredFields {
	b := brokeredFields{
		owned: owned{
			name:              aws.String(appClientName(spec.Name, t.deployment, t.marker)),
			scopes:            slices.Clone(spec.Scopes),
			authFlows:         []types.ExplicitAuthFlowsType{types.ExplicitAuthFlowsTypeAllowRefreshTokenAuth},
			identityProviders: slices.Clone(s.IdentityProviders),
			accessToken:       aws.Int32(seconds(s.AccessToken)),
			idToken:           aws.Int32(seconds(s.IDToken)),
			refreshToken:      seconds(s.RefreshToken),
			units:             inSeconds(),
		},
		readAttributes: readable(spec.Scopes),
	}
	if spec.ClientCredentials {
		b.flows = []types.OAuthFlowType{types.OAuthFlowTypeClientCredentials}
		return b
	}
	if spec.IdentityProviders != nil {
		b.identityProviders = slices.Clone(spec.IdentityProviders)
	}
	b.flows = []types.OAuthFlowType{types.OAuthFlowTypeCode}
	b.callbacks = []string{s.Callback}
	b.signOut = []string{s.SignOut}
	return b
}

// readable returns the attributes that the scopes need (without them Cognito
// answers invalid_grant), and the mail address that the consent page shows.
func readable(scopes []string) []string {
	attributes := []string{"email", "email_verified"}
	if slices.Contains(scopes, "phone") {
		attributes = append(attributes, "phone_number", "phone_number_verified")
	}
	if slices.Contains(scopes, "profile") {
		attributes = append(attributes, strings.Fields("birthdate family_name gender given_name locale middle_name name "+
			"nickname picture preferred_username profile updated_at website zoneinfo")...)
	}
	return attributes
}
