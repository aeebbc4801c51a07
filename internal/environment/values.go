package environment

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// origin wants scheme and host alone, and https unless the host is loopback.
func (e *env) origin(name, v string) {
	u := e.anyOrigin(name, v)
	if u != nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		e.fault(name, "%q must be https, except for a loopback host", v)
	}
}

// anyOrigin wants scheme and host alone, and returns nil if they are not.
func (e *env) anyOrigin(name, v string) *url.URL {
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || v != u.Scheme+"://"+strings.ToLower(u.Host) {
		e.fault(name, "%q must be scheme and host in lower case with no path and no trailing slash, such as https://auth.example.com", v)
		return nil
	}
	return u
}

func (e *env) url(name, v string) {
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		e.fault(name, "%q is not an http or https URL without query", v)
	}
}

func loopback(host string) bool {
	return slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, host)
}

// scopes wants what RFC 6749 §3.3 allows and Cognito knows.
func (e *env) scopes(name, v string) []string {
	scopes := strings.Fields(v)
	for i, s := range scopes {
		switch {
		case strings.ContainsFunc(s, func(r rune) bool { return r < 0x21 || r > 0x7e || r == '"' || r == '\\' }):
			e.fault(name, "%q holds a character that no scope may have (RFC 6749 section 3.3)", s)
		case s == "offline_access":
			e.fault(name, "offline_access is no scope of Cognito's; refresh tokens come with every code grant")
		case slices.Contains(scopes[:i], s):
			e.fault(name, "%q is there twice", s)
		}
	}
	return scopes
}

func (e *env) protectedResources(c *Config) {
	const name = "PROTECTED_RESOURCES"
	v := e.getenv(name)
	if v == "" {
		return
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(v)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c.ProtectedResources); err != nil || dec.More() {
		e.fault(name, `want a JSON array such as [{"resource":"https://mcp.example.com/mcp","scopes":["mcp/read"]}]`)
		return
	}
	seen := make(map[string]bool)
	for i, r := range c.ProtectedResources {
		u, err := url.Parse(r.URL)
		if err != nil || u.Host == "" || (u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname()))) || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			e.fault(name, "[%d].resource: %q is not an https URL without query and fragment (http for loopback)", i, r.URL)
			continue
		}
		if id := strings.TrimRight(r.URL, "/"); seen[id] {
			e.fault(name, "[%d].resource: %q is there twice", i, r.URL)
		} else {
			seen[id] = true
		}
		for _, s := range r.Scopes {
			if !slices.Contains(c.Scopes, s) {
				e.fault(name, "[%d].scopes: %q is not among SCOPES", i, s)
			}
		}
	}
}
