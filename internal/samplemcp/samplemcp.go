// Package samplemcp is a small MCP server that takes the access tokens of a
// Cognito user pool: the thing that a client connects to when one tries the
// broker, and an example of what an MCP server has to do as a protected
// resource (MCP authorization, RFC 9728, RFC 6750).
//
// It is made with the official Go SDK, and supplies what that leaves to the
// application: the error code in challenges, without which clients take a 403
// for final instead of stepping up, and CORS for clients that run in a browser.
// Its tools are echo and whoami.
//
// Left out: sessions and server-initiated messages (the server is stateless),
// tokens in bodies or queries, and introspection, which Cognito has not.
package samplemcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Config says who the server is and whose tokens it takes. Fields are required
// unless their comment says otherwise.
type Config struct {
	// Resource is the server's resource identifier: its URL exactly as clients
	// are given it, such as http://localhost:8090/mcp. No query, no fragment,
	// no trailing slash.
	Resource string
	// AuthorizationServer is the issuer of the authorization server that
	// clients are sent to: the broker.
	AuthorizationServer string
	// TokenIssuer is the iss of the tokens, which is the user pool's and not the
	// broker's.
	TokenIssuer string
	// JWKSURL is where the keys of TokenIssuer are, as this server reaches them.
	JWKSURL string
	// Scopes must all be in a token, for whatever it is used.
	Scopes []string

	// Client fetches the keys. Optional; default: one that waits 10 s at most.
	Client *http.Client
	// Now is the clock against which tokens expire. Optional; default: time.Now.
	Now func() time.Time
	// Log gets a line for each refusal, with its reason and without the token.
	// Optional; default: none.
	Log *slog.Logger
}

// resource is the server's side of HTTP and OAuth.
type resource struct {
	path        string // of the MCP endpoint
	metadataURL string
	metadata    []byte
	scopes      []string
	audience    string
	verifier    *oidc.IDTokenVerifier
	log         *slog.Logger
	endpoint    http.Handler
}

// New returns a handler for the MCP endpoint, at the path of cfg.Resource, and
// for the protected resource metadata. The handler is safe for concurrent use.
// The error is about cfg: New connects to nothing.
func New(cfg Config) (http.Handler, error) {
	u, err := cfg.check()
	if err != nil {
		return nil, fmt.Errorf("samplemcp: %w", err)
	}
	if cfg.Client == nil {
		cfg.Client = &http.Client{Timeout: 10 * time.Second}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	keys := oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), cfg.Client), cfg.JWKSURL)
	s := &resource{
		path:     u.Path,
		scopes:   append([]string(nil), cfg.Scopes...),
		audience: cfg.Resource,
		log:      cfg.Log,
		// The default is RS256 alone, which is what Cognito signs with.
		verifier: oidc.NewVerifier(cfg.TokenIssuer, keySet{keys}, &oidc.Config{SkipClientIDCheck: true, Now: cfg.Now}),
	}
	u.Path = metadataPath + u.Path
	s.metadataURL = u.String()
	if s.metadata, err = metadataDocument(cfg); err != nil {
		return nil, fmt.Errorf("samplemcp: %w", err)
	}
	server := newServer()
	// The expiry has been checked, against cfg.Now.
	handOn := auth.RequireBearerToken(alreadyVerified, &auth.RequireBearerTokenOptions{AllowMissingExpiration: true})
	s.endpoint = handOn(mcp.NewStreamableHTTPHandler(
		func(*http.Request) *mcp.Server { return server },
		&mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true},
	))
	return s, nil
}

// check returns the parsed Resource.
func (cfg Config) check() (*url.URL, error) {
	var errs []error
	for _, f := range []struct{ name, value string }{
		{"Resource", cfg.Resource}, {"AuthorizationServer", cfg.AuthorizationServer},
		{"TokenIssuer", cfg.TokenIssuer}, {"JWKSURL", cfg.JWKSURL},
	} {
		u, err := url.Parse(f.value)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !quotable(f.value) {
			errs = append(errs, fmt.Errorf("field %s: %q is not an http or https URL without query and fragment", f.name, f.value))
		}
	}
	if len(cfg.Scopes) == 0 {
		errs = append(errs, errors.New("field Scopes: at least one is needed"))
	}
	for _, scope := range cfg.Scopes {
		if scope == "" || strings.Contains(scope, " ") || !quotable(scope) {
			errs = append(errs, fmt.Errorf("field Scopes: %q is not a scope (RFC 6749 section 3.3)", scope))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	u, err := url.Parse(cfg.Resource)
	if err != nil || u.Path == "" || strings.HasSuffix(u.Path, "/") || u.RawPath != "" {
		return nil, fmt.Errorf("field Resource: %q must have a path such as /mcp, without trailing slash or escapes", cfg.Resource)
	}
	return u, nil
}

// quotable reports whether s can stand in a quoted-string as it is.
func quotable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' })
}

func (s *resource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	allowCORS(w.Header())
	switch r.URL.Path {
	case s.path:
		if r.Method == http.MethodOptions {
			preflight(w, "POST, OPTIONS")
			return
		}
		s.guard(w, r)
	case metadataPath, metadataPath + s.path:
		s.serveMetadata(w, r)
	default:
		writeError(w, http.StatusNotFound, "invalid_request", "there is nothing at this path; the MCP endpoint is "+s.path)
	}
}

// allowCORS lets a page of any origin read the answer, the challenge included:
// nothing here depends on cookies, and MCP Inspector and others run in a
// browser.
func allowCORS(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version")
	h.Set("X-Content-Type-Options", "nosniff")
}

// preflight allows the headers of the Streamable HTTP transport. The asterisk is
// for Mcp-Param-*, which tools may define, and what later revisions add; it does
// not cover Authorization (Fetch standard, "CORS non-wildcard request-header
// name").
func preflight(w http.ResponseWriter, methods string) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name, Last-Event-ID, *")
	h.Set("Access-Control-Max-Age", "3600")
	h.Set("Allow", methods)
	w.WriteHeader(http.StatusNoContent)
}

// writeError answers in OAuth's form. The description must be ASCII.
func writeError(w http.ResponseWriter, status int, code, description string) {
	body, err := json.Marshal(map[string]string{"error": code, "error_description": description})
	if err != nil { // strings only: cannot happen
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(body)
}
