package environment

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// Authorize reads what the authorize function needs.
func Authorize(getenv func(string) string) (*Config, error) {
	e := &env{getenv: getenv}
	c := &Config{}
	e.server(c)
	e.storage(c)
	e.published(c)
	e.policy(c)
	if c.Mode != broker.ModeBrokered {
		e.fault("AUTHORIZATION", "the authorize function is for brokered only")
	}
	e.keys(c)
	e.provisioner(c)
	c.RefreshTokenLifetime = e.refreshTokenLifetime()
	e.resourceBinding(c)
	e.pages(c)
	return c, e.err()
}

// All reads everything, for a process that is all functions in one.
func All(getenv func(string) string) (*Config, error) {
	e := &env{getenv: getenv}
	c := &Config{}
	e.server(c)
	e.storage(c)
	e.published(c)
	e.policy(c)
	e.appClients(c)
	c.ForwardResource = e.boolean("FORWARD_RESOURCE", false)
	if c.Mode == broker.ModeBrokered {
		e.keys(c)
		e.provisioner(c)
		e.resourceBinding(c)
		e.introspection(c)
		e.pages(c)
	}
	return c, e.err()
}

// keys reads what everybody needs who opens or seals.
func (e *env) keys(c *Config) {
	if c.Mode == broker.ModeBrokered {
		c.Keys = e.required("KEYS")
		if c.KeysEndpoint = e.getenv("KEYS_ENDPOINT"); c.KeysEndpoint != "" {
			e.anyOrigin("KEYS_ENDPOINT", c.KeysEndpoint)
		}
	}
}

func (e *env) provisioner(c *Config) {
	if c.Mode == broker.ModeBrokered {
		c.ProvisionFunction = e.required("PROVISION_FUNCTION")
		if c.LambdaEndpoint = e.getenv("LAMBDA_ENDPOINT"); c.LambdaEndpoint != "" {
			e.anyOrigin("LAMBDA_ENDPOINT", c.LambdaEndpoint)
		}
	}
}

func (e *env) resourceBinding(c *Config) {
	c.ResourceBinding = e.boolean("RESOURCE_BINDING", false)
	switch e.or("LOGIN_VERSION", "1") {
	case "1":
		c.LoginVersion = 1
	case "2":
		c.LoginVersion = 2
	default:
		e.fault("LOGIN_VERSION", "want 1, the classic sign-in pages, or 2, managed login")
	}
	if c.ResourceBinding && c.LoginVersion == 1 {
		e.fault("RESOURCE_BINDING", "needs managed login: LOGIN_VERSION=2")
	}
	if c.ResourceBinding {
		return
	}
	// A token without audience is good wherever its scope is.
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

func (e *env) pages(c *Config) {
	if u, err := url.Parse(c.Issuer); err == nil {
		c.BrandName = e.or("BRAND_NAME", u.Host)
	}
	if c.BrandLogo = e.getenv("BRAND_LOGO"); c.BrandLogo != "" {
		if _, err := os.Stat(c.BrandLogo); err != nil {
			e.fault("BRAND_LOGO", "%v", err)
		}
	}
	if c.BrandAccent = e.getenv("BRAND_ACCENT"); c.BrandAccent != "" && !isColour(c.BrandAccent) {
		e.fault("BRAND_ACCENT", "%q is not a colour such as #0b5fff", c.BrandAccent)
	}
	if v := e.getenv("SCOPE_DESCRIPTIONS"); v != "" && !decode(v, &c.ScopeDescriptions) {
		e.fault("SCOPE_DESCRIPTIONS", `want a JSON object such as {"mcp/read":"Read your notes"}`)
	}
	for s := range c.ScopeDescriptions {
		if !slices.Contains(c.Scopes, s) {
			e.fault("SCOPE_DESCRIPTIONS", "%q is not among SCOPES", s)
		}
	}
}

// introspection reads who may ask about tokens.
func (e *env) introspection(c *Config) {
	const name = "INTROSPECTION_CLIENTS"
	v := e.getenv(name)
	if v == "" {
		return
	}
	if !decode(v, &c.IntrospectionClients) {
		e.fault(name, `want a JSON array such as [{"id":"notes","secret_sha256":"…","resource":"https://mcp.example.com/mcp"}]`)
		return
	}
	seen := make(map[string]bool)
	for i, ic := range c.IntrospectionClients {
		if b, err := hex.DecodeString(ic.SecretSHA256); err != nil || len(b) != 32 {
			e.fault(name, "[%d].secret_sha256: not a SHA-256 in hexadecimal", i)
		}
		if ic.ID == "" || seen[ic.ID] || !only(ic.ID, alnum+"-_") {
			e.fault(name, "[%d].id: want letters, digits, - and _, each id once", i)
		}
		seen[ic.ID] = true
		if !slices.ContainsFunc(c.ProtectedResources, func(r broker.Resource) bool { return r.URL == ic.Resource }) {
			e.fault(name, "[%d].resource: %q is not among PROTECTED_RESOURCES", i, ic.Resource)
		}
	}
}

func isColour(s string) bool {
	rest, ok := strings.CutPrefix(s, "#")
	return ok && len(rest) == 6 && only(rest, "0123456789abcdefABCDEF")
}

// decode reads a whole JSON value and refuses members that v does not have.
func decode(text string, v any) bool {
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	return dec.Decode(v) == nil && !dec.More()
}
