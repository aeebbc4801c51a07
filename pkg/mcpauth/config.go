package mcpauth

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Config says who the server is and whose tokens it takes. Fields are REQUIRED
// unless their comment says otherwise. URLs are https, or http on a loopback host
// for development, and have neither query nor fragment.
type Config struct {
	// Resource is the server's resource identifier: the URL of the MCP endpoint
	// exactly as clients are given it, such as https://mcp.example.com/mcp,
	// without trailing slash. It is what the broker has in PROTECTED_RESOURCES.
	Resource string
	// Name is what clients may call the server. OPTIONAL.
	Name string
	// AuthorizationServer is the broker's issuer, where clients are sent.
	AuthorizationServer string
	// TokenIssuer is the iss of the tokens: the user pool's issuer, and not the
	// broker's. It is compared exactly.
	TokenIssuer string
	// KeySet is the URL of the pool's keys. OPTIONAL; default: the place that
	// Cognito has them, TokenIssuer with /.well-known/jwks.json. Plain http is
	// taken for any host, as containers need it in development; elsewhere whoever
	// is on the way could make tokens.
	KeySet string

	// RequireAudience refuses tokens without aud. Set it if the broker runs with
	// RESOURCE_BINDING. Without that Cognito's access tokens have no aud, and all
	// that keeps the tokens of one server from being good at another are scopes
	// that no two servers share.
	RequireAudience bool
	// AppClients are the ids of the Cognito app clients whose tokens are taken.
	// OPTIONAL; default: all of the pool, which is right where other programs
	// that use the pool cannot get the scopes. In brokered mode these are the
	// broker's app clients and not the client_ids that it hands out.
	AppClients []string

	// Scopes is what every request needs, at least one.
	Scopes []string
	// ToolScopes says which scopes a call of a tool needs besides, by the tool's
	// name. A call with too few is challenged with all that it needs, so that the
	// client can ask the user for them and call again. OPTIONAL. With it the body
	// of every request that may pass is read, and refused beyond MaxBody.
	ToolScopes map[string][]string
	// ScopesSupported is what the metadata publishes. MCP wants the least that is
	// of use there, and the rest in challenges; but some clients ask for what is
	// published and never for more. OPTIONAL; default: Scopes.
	ScopesSupported []string

	// HTTP fetches the keys. OPTIONAL; default: a client of its own. Redirects
	// are never followed, and a fetch takes 5 seconds at most.
	HTTP *http.Client
	// Now is the clock against which tokens expire. OPTIONAL; default: time.Now.
	Now func() time.Time
	// Log gets a line for each refusal with its reason, and never a token.
	// OPTIONAL; default: none.
	Log *slog.Logger
}

// MaxBody is the most bytes that a request to a server with ToolScopes may have.
// It is more than a Lambda function can be sent.
const MaxBody = 8 << 20

// check returns the parsed Resource. The error names all faults.
func (c Config) check() (*url.URL, error) {
	var errs []error
	fault := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("field %s: "+format, append([]any{field}, args...)...))
	}
	for _, f := range []struct {
		name, value string
		anyHost     bool // in plain http
	}{
		{"Resource", c.Resource, false}, {"AuthorizationServer", c.AuthorizationServer, false},
		{"TokenIssuer", c.TokenIssuer, true}, {"KeySet", c.keySet(), true},
	} {
		if !isURL(f.value, f.anyHost) {
			fault(f.name, "%q is not an https URL without query and fragment (http for loopback)", f.value)
		}
	}
	u, err := url.Parse(c.Resource)
	if err != nil || strings.HasSuffix(u.Path, "/") || u.RawPath != "" {
		fault("Resource", "%q must have no trailing slash and no escapes", c.Resource)
	}
	if len(c.Scopes) == 0 {
		fault("Scopes", "at least one is needed")
	}
	checkScopes := func(field string, scopes []string) {
		for _, s := range scopes {
			switch {
			case !isScope(s):
				fault(field, "%q is not a scope (RFC 6749 section 3.3)", s)
			case s == "offline_access":
				// MCP authorization, "Refresh Tokens".
				fault(field, "offline_access is nothing that a resource needs")
			}
		}
	}
	checkScopes("Scopes", c.Scopes)
	checkScopes("ScopesSupported", c.ScopesSupported)
	for tool, scopes := range c.ToolScopes {
		checkScopes("ToolScopes["+tool+"]", scopes)
		if tool == "" || len(scopes) == 0 {
			fault("ToolScopes", "%q: a tool has a name and needs a scope", tool)
		}
	}
	if slices.Contains(c.AppClients, "") {
		fault("AppClients", "an id is empty")
	}
	return u, errors.Join(errs...)
}

func (c Config) keySet() string {
	if c.KeySet != "" {
		return c.KeySet
	}
	return c.TokenIssuer + "/.well-known/jwks.json"
}

func isURL(s string, anyHost bool) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#") || !quotable(s) {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && (anyHost || loopback(u.Hostname()))
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// isScope follows RFC 6749 section 3.3.
func isScope(s string) bool { return s != "" && !strings.Contains(s, " ") && quotable(s) }

// quotable reports whether s can stand in a quoted-string as it is.
func quotable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' })
}
