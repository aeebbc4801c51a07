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

// Config has the server's identity and the tokens that it accepts. Fields are
// REQUIRED unless their comment says OPTIONAL. URLs are https, or http on a
// loopback host for development, and have neither query nor fragment.
type Config struct {
	// Resource is the server's resource identifier: the URL of the MCP endpoint
	// exactly as clients are configured with it, such as
	// https://mcp.example.com/mcp, without trailing slash. The broker's
	// configuration has the same URL in protected_resources.
	Resource string
	// Name is the server's name for people. OPTIONAL.
	Name string
	// AuthorizationServer is the broker's issuer, where clients register and
	// users sign in.
	AuthorizationServer string
	// TokenIssuer is the iss of the tokens: the user pool's issuer, not the
	// broker's. It is compared exactly.
	TokenIssuer string
	// KeySet is the URL of the pool's keys. OPTIONAL; default: Cognito's URL,
	// TokenIssuer with /.well-known/jwks.json. Plain http is accepted for any
	// host, because containers need it in development. Do not use it elsewhere:
	// an attacker in the network could replace the keys and forge tokens.
	KeySet string

	// RequireAudience refuses tokens of users without aud. OPTIONAL. Set it if the
	// broker's configuration has resource_binding. Without it Cognito's access tokens
	// have no aud, and a token of one server is valid at another unless the two share
	// no scopes. A token of client_credentials never has an aud. With RequireAudience
	// it is accepted only if AppClients names its app client.
	RequireAudience bool
	// AppClients are the ids of the Cognito app clients whose tokens are
	// accepted. OPTIONAL; default: all of the pool, which is right if other
	// programs that use the pool cannot get the scopes. Set it if Cognito's own client
	// registration or client ID metadata documents are open on the pool: clients get
	// the same scopes there without the broker's policy and consent.
	//
	// In brokered mode these are the broker's app clients and not the client_ids that
	// it issues: "dcrctl profile apply PROFILE" prints the shared one of a profile,
	// "dcrctl client show CLIENT" the one of a client with client_credentials. A token
	// of such a client is accepted for its scopes alone, so name it only at the servers
	// that it may use.
	AppClients []string

	// Scopes are the scopes that every request needs, at least one.
	Scopes []string
	// ToolScopes are the additional scopes of a call of a tool, by the tool's
	// name. A call that lacks one gets a challenge with all scopes that it
	// needs, so that the client can request them from the user and call again.
	// OPTIONAL. If it is set, the Guard reads the body of every request that may
	// pass, and refuses a body longer than MaxBody.
	ToolScopes map[string][]string
	// ScopesSupported are the scopes in the metadata. MCP recommends the minimal
	// useful set in the metadata and the others in challenges, but some clients
	// request only the published scopes. OPTIONAL; default: Scopes.
	ScopesSupported []string

	// HTTP fetches the keys. OPTIONAL; default: a new client. Redirects are
	// never followed, and a fetch takes 5 seconds at most.
	HTTP *http.Client
	// Now is the clock against which tokens expire. OPTIONAL; default:
	// the system clock.
	Now func() time.Time
	// Log gets a line for each refusal with its reason, and never a token.
	// OPTIONAL; default: none.
	Log *slog.Logger
}

// MaxBody is the maximum size of the body of a request to a server with
// ToolScopes, in bytes. It is more than a Lambda function can receive.
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
				fault(field, "offline_access is not a scope of a resource")
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

// loopback reports whether host is this machine, under any of its addresses. It
// is not dcr.IsLoopback, which has only the spellings that Cognito accepts; an
// MCP server does not need package dcr.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// isScope reports whether s is a scope-token: printable ASCII without space,
// double quote and backslash (RFC 6749 §3.3).
func isScope(s string) bool { return s != "" && !strings.Contains(s, " ") && quotable(s) }

// quotable reports whether s needs no escaping in a quoted-string
// (RFC 9110 §5.6.4).
func quotable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' })
}
