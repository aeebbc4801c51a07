package environment

// Direct is what direct mode alone uses.
type Direct struct {
	// ForwardResource (FORWARD_RESOURCE) is whether /token forwards the resource
	// parameter (RFC 8707) to Cognito: true or false. Default: false, since
	// Cognito documents no such parameter there: it binds the resource at its
	// authorize endpoint.
	ForwardResource bool
}

func direct(e *env, c *Config) { c.ForwardResource = e.boolean("FORWARD_RESOURCE", false) }
