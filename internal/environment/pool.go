package environment

import "strings"

// Pool is the Cognito user pool and its OAuth endpoints.
type Pool struct {
	// UserPoolID (USER_POOL_ID) is the id of the user pool. Required.
	UserPoolID string
	// CognitoIssuer (COGNITO_ISSUER) is the issuer in the pool's tokens, and the
	// prefix of the pool's discovery document. Default:
	// https://cognito-idp.{region}.amazonaws.com/{user pool id}. A pool with the
	// updated issuer has another one.
	CognitoIssuer string
	// CognitoDomain (COGNITO_DOMAIN) is the origin of the pool's sign-in pages
	// as browsers reach it, such as
	// https://example.auth.us-east-1.amazoncognito.com. Required.
	CognitoDomain string
	// CognitoBackChannel (COGNITO_BACK_CHANNEL) is the origin under which the
	// broker itself reaches the pool's token endpoint. Default: CognitoDomain.
	CognitoBackChannel string
	// CognitoDiscovery (COGNITO_DISCOVERY) is the URL from which the broker
	// fetches the pool's discovery document. Default:
	// {CognitoIssuer}/.well-known/openid-configuration.
	CognitoDiscovery string
	// LoginVersion (LOGIN_VERSION) is the version of the domain's sign-in pages:
	// 1, the classic ones, or 2, managed login, where every app client needs a
	// branding style. Default: 1.
	LoginVersion int
}

// pool needs the region.
func pool(e *env, c *Environment) {
	userPoolID(e, c)
	c.CognitoIssuer = e.or("COGNITO_ISSUER", "https://cognito-idp."+c.Region+".amazonaws.com/"+c.UserPoolID)
	e.url("COGNITO_ISSUER", c.CognitoIssuer)
	if c.CognitoDomain = e.required("COGNITO_DOMAIN"); c.CognitoDomain != "" {
		e.origin("COGNITO_DOMAIN", c.CognitoDomain)
	}
	// Plain http is allowed: the host may be on the same machine or network.
	if c.CognitoBackChannel = e.or("COGNITO_BACK_CHANNEL", c.CognitoDomain); c.CognitoBackChannel != "" {
		e.anyOrigin("COGNITO_BACK_CHANNEL", c.CognitoBackChannel)
	}
	c.CognitoDiscovery = e.or("COGNITO_DISCOVERY", c.CognitoIssuer+"/.well-known/openid-configuration")
	e.url("COGNITO_DISCOVERY", c.CognitoDiscovery)
	switch e.or("LOGIN_VERSION", "1") {
	case "1":
		c.LoginVersion = 1
	case "2":
		c.LoginVersion = 2
	default:
		e.fault("LOGIN_VERSION", "must be 1, the classic sign-in pages, or 2, managed login")
	}
}

func userPoolID(e *env, c *Environment) {
	if c.UserPoolID = e.required("USER_POOL_ID"); c.UserPoolID != "" && !isUserPoolID(c.UserPoolID) {
		e.fault("USER_POOL_ID", "%q is not a user pool id such as us-east-1_AbCdEfGhI", c.UserPoolID)
	}
}

// isUserPoolID reports whether s is region_id, with an id of letters and digits.
func isUserPoolID(s string) bool {
	region, id, ok := strings.Cut(s, "_")
	return ok && region != "" && id != "" && isOf(alnum+"-", region) && isOf(alnum, id)
}
