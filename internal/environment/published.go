package environment

import (
	"net/url"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Published is what the deployment offers, and the part that its metadata
// publishes.
type Published struct {
	// Scopes (SCOPES) are the scopes that the deployment offers, separated by
	// spaces. Each must exist in the user pool. Required.
	Scopes []string
	// ScopesSupported (SCOPES_SUPPORTED) are the scopes that the metadata
	// publishes: the scopes that every registered client may get. Default:
	// Scopes without aws.cognito.signin.user.admin, and without openid if
	// brokered.
	ScopesSupported []string
	// GrantTypesSupported (GRANT_TYPES_SUPPORTED) are the grant types that the
	// metadata publishes. Default: authorization_code refresh_token.
	GrantTypesSupported []string
	// ProtectedResources (PROTECTED_RESOURCES) are the MCP servers for which the
	// broker publishes protected resource metadata (RFC 9728): a JSON array of
	// objects with resource, scopes and optionally name.
	ProtectedResources []broker.Resource
}

// published needs the mode.
func published(e *env, c *Config) {
	scopes(e, c)
	c.ScopesSupported = slices.DeleteFunc(slices.Clone(c.Scopes), func(s string) bool {
		// An open registration never gets the first scope. openid is a request
		// for an ID token, and in brokered mode the broker issues none.
		return s == "aws.cognito.signin.user.admin" || s == broker.ScopeOpenID && c.Mode == broker.ModeBrokered
	})
	if v := e.getenv("SCOPES_SUPPORTED"); v != "" {
		c.ScopesSupported = e.scopes("SCOPES_SUPPORTED", v)
	}
	for _, s := range c.ScopesSupported {
		if !slices.Contains(c.Scopes, s) {
			e.fault("SCOPES_SUPPORTED", "%q is not among SCOPES", s)
		}
	}
	c.GrantTypesSupported = strings.Fields(e.or("GRANT_TYPES_SUPPORTED", strings.Join(dcr.DefaultGrantTypes(), " ")))
	for _, g := range c.GrantTypesSupported {
		if _, ok := dcr.GrantTypeOf(g); !ok {
			e.fault("GRANT_TYPES_SUPPORTED", "%q is not one of %s", g, strings.Join(dcr.GrantTypes(), ", "))
		}
	}
	protectedResources(e, c)
}

func scopes(e *env, c *Config) { c.Scopes = e.scopes("SCOPES", e.required("SCOPES")) }

func protectedResources(e *env, c *Config) {
	const name = "PROTECTED_RESOURCES"
	v := e.getenv(name)
	if v == "" {
		return
	}
	if !decode(v, &c.ProtectedResources) {
		e.fault(name, `must be a JSON array such as [{"resource":"https://mcp.example.com/mcp","scopes":["mcp/read"]}]`)
		return
	}
	seen := make(map[string]bool)
	for i, r := range c.ProtectedResources {
		if !isResource(r.URL) {
			e.fault(name, "[%d].resource: %q is not an https URL without query and fragment (http for loopback)", i, r.URL)
			continue
		}
		id := strings.TrimRight(r.URL, "/")
		if seen[id] {
			e.fault(name, "[%d].resource: %q occurs twice", i, r.URL)
		}
		seen[id] = true
		for _, s := range r.Scopes {
			if !slices.Contains(c.Scopes, s) {
				e.fault(name, "[%d].scopes: %q is not among SCOPES", i, s)
			}
		}
	}
}

func isResource(v string) bool {
	u, err := url.Parse(v)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && dcr.IsLoopback(u.Hostname())) &&
		u.User == nil && u.RawQuery == "" && u.Fragment == ""
}
