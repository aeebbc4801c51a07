package environment

// Brokered has the settings that only brokered mode uses.
type Brokered struct {
	// Keys (KEYS) says where the keys that seal Cognito's tokens and secrets
	// are: the path of a file, or secretsmanager:ID. Required.
	Keys string
	// KeysEndpoint (KEYS_ENDPOINT) is the origin of Secrets Manager. Default: the
	// endpoint of the region.
	KeysEndpoint string
	// ProvisionFunction (PROVISION_FUNCTION) is the name of the function that
	// creates app clients. Required by the functions authorize and token.
	ProvisionFunction string
	// LambdaEndpoint (LAMBDA_ENDPOINT) is the origin of Lambda's API for
	// invoking this function. Default: the endpoint of the region.
	LambdaEndpoint string
}

func keys(e *env, c *Environment) {
	c.Keys = e.required("KEYS")
	c.KeysEndpoint = e.endpoint("KEYS_ENDPOINT")
}

func provisionFunction(e *env, c *Environment) {
	c.ProvisionFunction = e.required("PROVISION_FUNCTION")
	c.LambdaEndpoint = e.endpoint("LAMBDA_ENDPOINT")
}
