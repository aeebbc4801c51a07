package emulator

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// builtinScopes exist in every pool. All others come from resource servers.
var builtinScopes = []string{"openid", "email", "phone", "profile", adminScope}

// adminScope lets a user manage the user's own account; it is the only scope in
// tokens of InitiateAuth.
const adminScope = "aws.cognito.signin.user.admin"

// validate checks the members of an app client against each other and against
// the pool. The caller holds c.mu.
func (c *Cognito) validate(s Settings, hasSecret bool) *apiError {
	for _, check := range []func() *apiError{
		func() *apiError { return validateURLs(s) },
		func() *apiError { return validateFlows(s, hasSecret) },
		func() *apiError { return c.validateScopes(s) },
		func() *apiError { return validateLifetimes(s) },
		func() *apiError { return c.validateAuthFlows(s) },
		func() *apiError { return validateAttributes(s) },
		func() *apiError { return c.validateProviders(s) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	if s.EnablePropagateAdditionalUserContextData && !hasSecret {
		return invalidParameter("EnablePropagateAdditionalUserContextData can only be set for a client with a secret.")
	}
	return nil
}

// plainHTTP are the only URLs that may use the scheme http.
var plainHTTP = regexp.MustCompile(`^http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/|$)`)

func validateURLs(s Settings) *apiError {
	for _, raw := range slices.Concat(s.CallbackURLs, s.LogoutURLs) {
		u, err := url.Parse(raw)
		switch {
		case err != nil || u.Scheme == "" || (u.Host == "" && (u.Scheme == "http" || u.Scheme == "https")):
			return invalidParameter("%s is not a valid URL.", raw)
		case strings.Contains(raw, "#"):
			return invalidParameter("%s cannot use fragment", raw)
		case u.Scheme == "http" && !plainHTTP.MatchString(raw):
			return invalidParameter("%s cannot use the HTTP protocol.", raw)
		}
	}
	if s.DefaultRedirectURI != "" && !slices.Contains(s.CallbackURLs, s.DefaultRedirectURI) {
		return invalidParameter("DefaultRedirectURI must be in CallbackURLs.")
	}
	return nil
}

func validateFlows(s Settings, hasSecret bool) *apiError {
	if s.AllowedOAuthFlowsUserPoolClient && (len(s.AllowedOAuthFlows) == 0 || len(s.AllowedOAuthScopes) == 0) {
		return invalidParameter("AllowedOAuthFlows and AllowedOAuthScopes are required if user pool client is allowed to use OAuth flows.")
	}
	interactive := s.allowsFlow("code") || s.allowsFlow("implicit")
	if interactive && len(s.CallbackURLs) == 0 {
		return invalidOAuthFlow("CallbackUrls can not be empty when code flow or implicit flow is selected")
	}
	if !s.allowsFlow("client_credentials") {
		return nil
	}
	if interactive {
		return invalidOAuthFlow("client_credentials flow can not be selected along with code flow or implicit flow.")
	}
	if !hasSecret {
		return invalidOAuthFlow("client_credentials flow can not be selected if client does not have a client secret.")
	}
	for _, scope := range s.AllowedOAuthScopes {
		if slices.Contains(builtinScopes, scope) {
			return invalidOAuthFlow("%s is not supported with client_credentials flow", scope)
		}
	}
	return nil
}

func (c *Cognito) validateScopes(s Settings) *apiError {
	for _, scope := range s.AllowedOAuthScopes {
		if !slices.Contains(builtinScopes, scope) && !c.hasScope(scope) {
			return apiErrorf("ScopeDoesNotExistException", "Invalid scope requested: %s", scope)
		}
	}
	return nil
}

func validateLifetimes(s Settings) *apiError {
	const day = 24 * time.Hour
	access, id, refresh := s.accessLifetime(), s.idLifetime(), s.refreshLifetime()
	outside := func(d, least, most time.Duration) bool { return d < least || d > most }
	if outside(access, 5*time.Minute, day) || outside(id, 5*time.Minute, day) || outside(refresh, time.Hour, 3650*day) {
		return invalidParameter("Invalid range for token validity.")
	}
	if access > refresh || id > refresh {
		return invalidParameter("Access and Id Token expiration times must be less than or equal to refresh token expiration times.")
	}
	return nil
}

func (c *Cognito) validateAuthFlows(s Settings) *apiError {
	var allow, legacy bool
	for _, f := range s.ExplicitAuthFlows {
		if strings.HasPrefix(f, "ALLOW_") {
			allow = true
		} else {
			legacy = true
		}
	}
	if allow && legacy {
		return invalidParameter("Legacy ExplicitAuthFlows can not be set along with flows that begin with ALLOW_.")
	}
	if s.allowsAuth("ALLOW_USER_AUTH") && c.cfg.Plan == Lite {
		return apiErrorf("FeatureUnavailableInTierException", "ALLOW_USER_AUTH is not available in the tier %s.", c.cfg.Plan)
	}
	rotates, _ := s.rotation()
	if rotates && c.cfg.Plan == Lite {
		return apiErrorf("FeatureUnavailableInTierException", "Refresh token rotation is not available in the tier %s.", c.cfg.Plan)
	}
	if rotates && s.allowsAuth("ALLOW_REFRESH_TOKEN_AUTH") {
		return invalidParameter("Refresh token rotation can not be enabled along with ALLOW_REFRESH_TOKEN_AUTH.")
	}
	if c.cfg.RequireRefreshFlow && allow && !rotates && !s.allowsAuth("ALLOW_REFRESH_TOKEN_AUTH") {
		return invalidParameter("REFRESH_TOKEN_AUTH should always be allowed.")
	}
	return nil
}

func validateAttributes(s Settings) *apiError {
	for _, a := range s.WriteAttributes {
		if a == "email_verified" || a == "phone_number_verified" || a == "sub" || !slices.Contains(standardAttributes, a) {
			return invalidParameter("Invalid write attributes specified while creating a client")
		}
	}
	for _, a := range s.ReadAttributes {
		if !slices.Contains(standardAttributes, a) {
			return invalidParameter("Invalid read attributes specified while creating a client")
		}
	}
	return nil
}

func (c *Cognito) validateProviders(s Settings) *apiError {
	for _, p := range s.SupportedIdentityProviders {
		if p != "COGNITO" {
			return invalidParameter("The provider %s does not exist for User Pool %s.", p, c.cfg.PoolID)
		}
	}
	return nil
}
