package emulator

import (
	"cmp"
	"encoding/json"
)

// clientInput has the members that CreateUserPoolClient and
// UpdateUserPoolClient share, as sent.
type clientInput struct {
	UserPoolId                               *string
	ClientName                               *string
	RefreshTokenValidity                     *int64
	AccessTokenValidity                      *int64
	IdTokenValidity                          *int64
	TokenValidityUnits                       TokenValidityUnits
	ReadAttributes                           []string
	WriteAttributes                          []string
	ExplicitAuthFlows                        []string
	SupportedIdentityProviders               []string
	CallbackURLs                             []string
	LogoutURLs                               []string
	DefaultRedirectURI                       *string
	AllowedOAuthFlows                        []string
	AllowedOAuthScopes                       []string
	AllowedOAuthFlowsUserPoolClient          bool
	AnalyticsConfiguration                   json.RawMessage
	PreventUserExistenceErrors               string
	EnableTokenRevocation                    *bool
	EnablePropagateAdditionalUserContextData bool
	AuthSessionValidity                      *int64
	RefreshTokenRotation                     *RefreshTokenRotation
}

// defaultAuthFlows are the flows of an app client that is made without any. An
// update does not put them back.
var defaultAuthFlows = []string{"ALLOW_CUSTOM_AUTH", "ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"}

// constrain checks each member by itself against the service model.
func (in *clientInput) constrain(cs *constraints) {
	cs.poolID(in.UserPoolId)
	if in.ClientName != nil {
		cs.text(*in.ClientName, "clientName", 1, 128, namePattern)
	}
	// The order of the three validities is the one in which Cognito reports them.
	cs.integer(in.IdTokenValidity, "idTokenValidity", 1, 86400)
	cs.integer(in.AccessTokenValidity, "accessTokenValidity", 1, 86400)
	cs.integer(in.RefreshTokenValidity, "refreshTokenValidity", 0, 315360000)
	units := []string{"seconds", "minutes", "hours", "days"}
	cs.enum(in.TokenValidityUnits.AccessToken, "tokenValidityUnits.accessToken", units...)
	cs.enum(in.TokenValidityUnits.IdToken, "tokenValidityUnits.idToken", units...)
	cs.enum(in.TokenValidityUnits.RefreshToken, "tokenValidityUnits.refreshToken", units...)
	cs.list(in.ReadAttributes, "readAttributes", 1000, 1, 2048, nil)
	cs.list(in.WriteAttributes, "writeAttributes", 1000, 1, 2048, nil)
	cs.enums(in.ExplicitAuthFlows, "explicitAuthFlows", "ADMIN_NO_SRP_AUTH", "CUSTOM_AUTH_FLOW_ONLY", "USER_PASSWORD_AUTH",
		"ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_CUSTOM_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH",
		"ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_AUTH")
	cs.list(in.SupportedIdentityProviders, "supportedIdentityProviders", 1000, 1, 32, providerPattern)
	cs.list(in.CallbackURLs, "callbackURLs", 100, 1, 1024, urlPattern)
	cs.list(in.LogoutURLs, "logoutURLs", 100, 1, 1024, urlPattern)
	if in.DefaultRedirectURI != nil {
		cs.text(*in.DefaultRedirectURI, "defaultRedirectURI", 1, 1024, urlPattern)
	}
	if len(in.AllowedOAuthFlows) > 3 {
		cs.fail(in.AllowedOAuthFlows, "allowedOAuthFlows", "Member must have length less than or equal to 3")
	}
	cs.enums(in.AllowedOAuthFlows, "allowedOAuthFlows", "code", "implicit", "client_credentials")
	cs.list(in.AllowedOAuthScopes, "allowedOAuthScopes", 50, 1, 256, scopePattern)
	cs.enum(in.PreventUserExistenceErrors, "preventUserExistenceErrors", "LEGACY", "ENABLED")
	cs.integer(in.AuthSessionValidity, "authSessionValidity", 3, 15)
	if r := in.RefreshTokenRotation; r != nil {
		if r.Feature == "" {
			cs.fail("null", "refreshTokenRotation.feature", "Member must not be null")
		}
		cs.enum(r.Feature, "refreshTokenRotation.feature", "ENABLED", "DISABLED")
		cs.integer(r.RetryGracePeriodSeconds, "refreshTokenRotation.retryGracePeriodSeconds", 0, 60)
	}
}

// settings fills in the defaults that a create and an update have in common. An
// update resets absent members to them; only the name has no default and stays.
func (in *clientInput) settings(oldName string) Settings {
	s := Settings{
		ClientName:                               oldName,
		RefreshTokenValidity:                     30,
		TokenValidityUnits:                       in.TokenValidityUnits,
		ReadAttributes:                           in.ReadAttributes,
		WriteAttributes:                          in.WriteAttributes,
		ExplicitAuthFlows:                        in.ExplicitAuthFlows,
		SupportedIdentityProviders:               in.SupportedIdentityProviders,
		CallbackURLs:                             in.CallbackURLs,
		LogoutURLs:                               in.LogoutURLs,
		AllowedOAuthFlows:                        in.AllowedOAuthFlows,
		AllowedOAuthScopes:                       in.AllowedOAuthScopes,
		AllowedOAuthFlowsUserPoolClient:          in.AllowedOAuthFlowsUserPoolClient,
		PreventUserExistenceErrors:               cmp.Or(in.PreventUserExistenceErrors, "LEGACY"),
		EnableTokenRevocation:                    true,
		AuthSessionValidity:                      3,
		RefreshTokenRotation:                     in.RefreshTokenRotation,
		EnablePropagateAdditionalUserContextData: in.EnablePropagateAdditionalUserContextData,
	}
	if in.ClientName != nil {
		s.ClientName = *in.ClientName
	}
	if n := in.RefreshTokenValidity; n != nil && *n != 0 {
		s.RefreshTokenValidity = *n
	} else if s.TokenValidityUnits.RefreshToken != "" {
		s.TokenValidityUnits.RefreshToken = "days" // the default of 30 days, in any unit that was sent
	}
	if in.AccessTokenValidity != nil {
		s.AccessTokenValidity = *in.AccessTokenValidity
	}
	if in.IdTokenValidity != nil {
		s.IdTokenValidity = *in.IdTokenValidity
	}
	if in.DefaultRedirectURI != nil {
		s.DefaultRedirectURI = *in.DefaultRedirectURI
	}
	if in.EnableTokenRevocation != nil {
		s.EnableTokenRevocation = *in.EnableTokenRevocation
	}
	if in.AuthSessionValidity != nil {
		s.AuthSessionValidity = *in.AuthSessionValidity
	}
	s = s.clone()
	for _, set := range s.sets() {
		*set = setOrder(*set)
	}
	return s
}
