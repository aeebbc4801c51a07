package environment

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
}

func appClients(e *env, c *Environment) {
	c.CognitoEndpoint = e.endpoint("COGNITO_ENDPOINT")
	if c.DeploymentID = e.required("DEPLOYMENT_ID"); c.DeploymentID != "" && (len(c.DeploymentID) > 32 || !isOf(lower+"-", c.DeploymentID)) {
		e.fault("DEPLOYMENT_ID", "%q is not 1 to 32 of a-z, 0-9 and -", c.DeploymentID)
	}
}
