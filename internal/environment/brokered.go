package environment

// Brokered has the settings that only brokered mode uses.
type Brokered struct {
	// Keys (KEYS) says where the keys that seal Cognito's tokens and secrets
	// are: a path, secretsmanager:ID, ssm:NAME or s3://BUCKET/KEY. Required.
	Keys string
	// KeysEndpoint (KEYS_ENDPOINT) is the origin of the service that Keys
	// names. Default: the endpoint of the region.
	KeysEndpoint string
	// ProvisionFunction (PROVISION_FUNCTION) is the name of the function that
	// creates app clients. Required by the functions authorize and token.
	ProvisionFunction string
	// LambdaEndpoint (LAMBDA_ENDPOINT) is the origin of Lambda's API for
	// invoking this function. Default: the endpoint of the region.
	LambdaEndpoint string
	// ResourceBinding (RESOURCE_BINDING) is whether the user pool binds access
	// tokens to the requested resource (RFC 8707), which needs the plan
	// Essentials or Plus and managed login: true or false. Without it no two
	// protected resources may share a scope. Default: false.
	ResourceBinding bool
	// LoginVersion (LOGIN_VERSION) is the version of the domain's sign-in pages:
	// 1, the classic ones, or 2, managed login, where every app client needs a
	// branding style. Default: 1.
	LoginVersion int
}

func keys(e *env, c *Config) {
	c.Keys = e.required("KEYS")
	c.KeysEndpoint = e.endpoint("KEYS_ENDPOINT")
}

func provisionFunction(e *env, c *Config) {
	c.ProvisionFunction = e.required("PROVISION_FUNCTION")
	c.LambdaEndpoint = e.endpoint("LAMBDA_ENDPOINT")
}

// login needs the protected resources.
func login(e *env, c *Config) {
	c.ResourceBinding = e.boolean("RESOURCE_BINDING", false)
	switch e.or("LOGIN_VERSION", "1") {
	case "1":
		c.LoginVersion = 1
	case "2":
		c.LoginVersion = 2
	default:
		e.fault("LOGIN_VERSION", "must be 1, the classic sign-in pages, or 2, managed login")
	}
	if c.ResourceBinding && c.LoginVersion == 1 {
		e.fault("RESOURCE_BINDING", "needs managed login: LOGIN_VERSION=2")
	}
	if !c.ResourceBinding {
		noSharedScopes(e, c)
	}
}

// noSharedScopes adds a fault if two protected resources share a scope: a token
// without audience is valid at each resource that has its scope.
func noSharedScopes(e *env, c *Config) {
	owner := make(map[string]string)
	for _, r := range c.ProtectedResources {
		for _, s := range r.Scopes {
			if other := owner[s]; other != "" {
				e.fault("PROTECTED_RESOURCES", "%s and %s share the scope %q, which needs RESOURCE_BINDING=true", other, r.URL, s)
			}
			owner[s] = r.URL
		}
	}
}
