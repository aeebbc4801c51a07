package environment

// Direct has the settings that only direct mode uses.
type Direct struct {
	// ForwardResource (FORWARD_RESOURCE) is whether /token forwards the resource
	// parameter (RFC 8707) to Cognito: true or false. Default: false, because
	// Cognito does not document this parameter for the token endpoint: it binds
	// the resource at its authorize endpoint.
	ForwardResource bool
}

func direct(e *env, c *Config) { c.ForwardResource = e.boolean("FORWARD_RESOURCE", false) }
