package environment

import (
	"encoding/hex"
	"slices"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// Introspection is the access to /introspect, which only brokered mode has.
type Introspection struct {
	// IntrospectionClients (INTROSPECTION_CLIENTS) are the protected resources
	// that may introspect tokens (RFC 7662): a JSON array of objects with id,
	// secret_sha256 (hexadecimal) and resource.
	IntrospectionClients []IntrospectionClient
}

// IntrospectionClient is a protected resource that may introspect tokens.
type IntrospectionClient struct {
	ID string `json:"id"`
	// SecretSHA256 is the SHA-256 of its secret, in hexadecimal.
	SecretSHA256 string `json:"secret_sha256"`
	// Resource is the URL of the protected resource.
	Resource string `json:"resource"`
}

// introspection needs the protected resources.
func introspection(e *env, c *Config) {
	const name = "INTROSPECTION_CLIENTS"
	v := e.getenv(name)
	if v == "" {
		return
	}
	if !decode(v, &c.IntrospectionClients) {
		e.fault(name, `must be a JSON array such as [{"id":"notes","secret_sha256":"…","resource":"https://mcp.example.com/mcp"}]`)
		return
	}
	seen := make(map[string]bool)
	for i, ic := range c.IntrospectionClients {
		if b, err := hex.DecodeString(ic.SecretSHA256); err != nil || len(b) != 32 {
			e.fault(name, "[%d].secret_sha256: not a SHA-256 in hexadecimal", i)
		}
		if ic.ID == "" || seen[ic.ID] || !isOf(alnum+"-_", ic.ID) {
			e.fault(name, "[%d].id: must be letters, digits, - and _, each id once", i)
		}
		seen[ic.ID] = true
		if !slices.ContainsFunc(c.ProtectedResources, func(r broker.Resource) bool { return r.URL == ic.Resource }) {
			e.fault(name, "[%d].resource: %q is not among PROTECTED_RESOURCES", i, ic.Resource)
		}
	}
}
