package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/adapter/jwt"
	"github.com/dcr-broker/dcr-broker/pkg/clock"
)

// Guard passes requests with a valid token on and challenges all others. It is
// safe for concurrent use.
type Guard struct {
	path        string // of the MCP endpoint
	resource    string
	issuer      string
	metadataURL string
	metadata    []byte
	scopes      []string
	toolScopes  map[string][]string
	appClients  []string
	bound       bool
	tokens      *jwt.AccessTokens
	log         *slog.Logger
}

// New returns a Guard, or an error about cfg. It opens no connection: the first
// token makes the Guard fetch the keys.
func New(cfg Config) (*Guard, error) {
	u, err := cfg.check()
	if err != nil {
		return nil, fmt.Errorf("mcpauth: %w", err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = clock.Now
	}
	g := &Guard{
		path:        u.Path,
		resource:    cfg.Resource,
		issuer:      cfg.TokenIssuer,
		metadataURL: (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: metadataPath + u.Path}).String(),
		scopes:      slices.Clone(cfg.Scopes),
		toolScopes:  make(map[string][]string),
		appClients:  slices.Clone(cfg.AppClients),
		bound:       cfg.RequireAudience,
		log:         cfg.Log,
	}
	for tool, scopes := range cfg.ToolScopes {
		g.toolScopes[tool] = slices.Clone(scopes)
	}
	if g.metadata, err = metadataDocument(cfg); err != nil {
		return nil, fmt.Errorf("mcpauth: %w", err)
	}
	g.tokens, err = jwt.NewAccessTokens(jwt.AccessTokensConfig{Issuer: cfg.TokenIssuer, KeySet: cfg.keySet(), HTTP: cfg.HTTP, Now: cfg.Now})
	if err != nil {
		return nil, fmt.Errorf("mcpauth: %w", err)
	}
	return g, nil
}

// Handler serves endpoint, protected, at the path of the resource, and the
// metadata at both of its paths. Other paths are not found.
func (g *Guard) Handler(endpoint http.Handler) http.Handler {
	protected, metadata := g.Protect(endpoint), g.Metadata()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == g.path, path == "/" && g.path == "":
			protected.ServeHTTP(w, r)
		case path == metadataPath, path == metadataPath+g.path:
			metadata.ServeHTTP(w, r)
		default:
			allowCORS(w.Header())
			writeError(w, http.StatusNotFound, "invalid_request", "there is nothing at this path; the MCP endpoint is "+g.resource)
		}
	})
}

// Protect passes requests on to next if their token is valid and has every
// scope of Config.Scopes, of scopes, and of the called tools. next gets the
// token's claims with FromContext. Protect answers preflights itself, because
// browsers send them without a token.
//
// It is for servers with several paths; others only need Handler. It panics if
// an element of scopes is not a scope.
func (g *Guard) Protect(next http.Handler, scopes ...string) http.Handler {
	if i := slices.IndexFunc(scopes, func(s string) bool { return !isScope(s) }); i >= 0 {
		panic(fmt.Sprintf("mcpauth: %q is not a scope", scopes[i]))
	}
	needed := union(g.scopes, scopes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowCORS(w.Header())
		if r.Method == http.MethodOptions {
			preflight(w, "GET, POST, DELETE, OPTIONS")
			return
		}
		if c, ok := g.admit(w, r, needed); ok {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), claimsKey{}, c)))
		}
	})
}

// admit returns the claims of the request's token if it may pass; otherwise it
// writes the response.
func (g *Guard) admit(w http.ResponseWriter, r *http.Request, needed []string) (Claims, bool) {
	token, sent := bearer(r)
	if !sent {
		// RFC 6750 §3.1: a challenge to a request without a token has no error
		// code.
		g.challenge(w, http.StatusUnauthorized, "", "this needs an access token", needed)
		return Claims{}, false
	}
	c, err := g.verify(r.Context(), token)
	if errors.Is(err, jwt.ErrInvalid) {
		g.log.InfoContext(r.Context(), "token refused", "reason", err)
		g.challenge(w, http.StatusUnauthorized, "invalid_token", err.Error(), needed)
		return Claims{}, false
	}
	if err != nil {
		g.log.ErrorContext(r.Context(), "token not checked", "error", err)
		w.Header().Set("Retry-After", "5")
		writeError(w, http.StatusServiceUnavailable, "temporarily_unavailable", "the keys that verify the token cannot be fetched at the moment")
		return Claims{}, false
	}
	// The body is read only if the token has the scopes that every request
	// needs.
	if lacks(c, needed) {
		return Claims{}, g.refuseScope(w, r, c, needed)
	}
	tools, err := g.calledTools(w, r)
	if e, ok := errors.AsType[*bodyError](err); ok {
		e.write(w)
		return Claims{}, false
	}
	for _, tool := range tools {
		needed = union(needed, g.toolScopes[tool])
	}
	if lacks(c, needed) {
		return Claims{}, g.refuseScope(w, r, c, needed)
	}
	return c, true
}

// verify returns a wrapped ErrInvalid for a token that is not for this server.
func (g *Guard) verify(ctx context.Context, token string) (Claims, error) {
	v, err := g.tokens.Verify(ctx, token)
	if err != nil {
		return Claims{}, err
	}
	c, err := claimsOf(token, g.issuer, v)
	switch {
	case err != nil:
		return Claims{}, fmt.Errorf("%w: %v", jwt.ErrInvalid, err)
	case len(g.appClients) > 0 && !slices.Contains(g.appClients, c.ClientID):
		return Claims{}, fmt.Errorf("%w here: issued to another app client", jwt.ErrInvalid)
	case c.Audience == nil && g.bound && !(isMachine(v) && len(g.appClients) > 0):
		return Claims{}, fmt.Errorf("%w here: not bound to a resource", jwt.ErrInvalid)
	case c.Audience != nil && !slices.ContainsFunc(c.Audience, g.isResource):
		return Claims{}, fmt.Errorf("%w here: bound to another resource", jwt.ErrInvalid)
	}
	return c, nil
}

// isMachine reports whether a token was issued with client_credentials: to an app
// client and for no user. Cognito never binds such a token to a resource.
func isMachine(c jwt.Claims) bool {
	return c.Sub == c.ClientID && c.Username == "" && c.OriginJTI == ""
}

// isResource accepts one trailing slash: some clients add it to the resource
// parameter, which Cognito copies to aud.
func (g *Guard) isResource(aud string) bool { return strings.TrimSuffix(aud, "/") == g.resource }

// refuseScope responds to a token that lacks a needed scope. It returns false.
func (g *Guard) refuseScope(w http.ResponseWriter, r *http.Request, c Claims, needed []string) bool {
	g.log.InfoContext(r.Context(), "token refused", "reason", "scope", "needed", needed, "token", c)
	g.challenge(w, http.StatusForbidden, "insufficient_scope", "this needs the scope "+strings.Join(needed, " "), needed)
	return false
}

func lacks(c Claims, needed []string) bool {
	return slices.ContainsFunc(needed, func(s string) bool { return !slices.Contains(c.Scopes, s) })
}

// union returns a new slice with a and the elements of b that are not in a.
func union(a, b []string) []string {
	u := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(u, s) {
			u = append(u, s)
		}
	}
	return u
}
