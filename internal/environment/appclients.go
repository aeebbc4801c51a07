package environment

import "strings"

// AppClientSettings are the settings of the functions that create and remove
// app clients.
type AppClientSettings struct {
	// CognitoEndpoint (COGNITO_ENDPOINT) is the origin of Cognito's API.
	// Default: Cognito's endpoint in the region.
	CognitoEndpoint string
	// DeploymentID (DEPLOYMENT_ID) marks the app clients of this deployment: 1
	// to 32 of a-z, 0-9 and -. It must never change, and no two deployments on
	// one pool may share it. Required.
	DeploymentID string
	// IdentityProviders (IDENTITY_PROVIDERS) are the identity providers on the
	// sign-in page of a registered client, separated by commas. Default:
	// COGNITO.
	IdentityProviders []string
	// AppClientQuota (APP_CLIENT_QUOTA) is the maximum number of app clients in
	// the user pool, against which the janitor measures: 1 to 10000000. Default:
	// 1000, Cognito's default quota.
	AppClientQuota int
}

// appClients also reads the settings of the tokens: Cognito stores them with
// each app client.
func appClients(e *env, c *Config) {
	c.CognitoEndpoint = e.endpoint("COGNITO_ENDPOINT")
	if c.DeploymentID = e.required("DEPLOYMENT_ID"); c.DeploymentID != "" && (len(c.DeploymentID) > 32 || !isOf(lower+"-", c.DeploymentID)) {
		e.fault("DEPLOYMENT_ID", "%q is not 1 to 32 of a-z, 0-9 and -", c.DeploymentID)
	}
	for p := range strings.SplitSeq(e.or("IDENTITY_PROVIDERS", "COGNITO"), ",") {
		p = strings.TrimSpace(p)
		if p == "" || len(p) > 32 {
			e.fault("IDENTITY_PROVIDERS", "must be names of 1 to 32 characters, separated by commas")
			continue
		}
		c.IdentityProviders = append(c.IdentityProviders, p)
	}
	tokens(e, c)
	c.AppClientQuota = e.number("APP_CLIENT_QUOTA", 1000, 10_000_000)
}
