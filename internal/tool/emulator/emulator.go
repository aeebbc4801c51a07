// Package emulator is a tool: a local Amazon Cognito user pool for development
// and tests. It serves, on one origin, the part of the control plane that
// manages app clients (JSON 1.1, the protocol of the AWS SDKs), the user pool's
// OAuth endpoints and sign-in pages, and the OpenID Connect discovery document.
//
// It is strict on purpose. It refuses an app client that Cognito would refuse,
// an update resets absent members, secrets are checked, redirect URIs are
// compared character by character, and quotas and rates apply: a test that
// passes here should not fail on AWS for a known reason. README.md lists for
// every behaviour whether it is documented, observed or assumed.
//
// It leaves out sign-up, MFA, SRP, password reset, federation, Lambda triggers,
// passkeys, custom attributes, Cognito's own dynamic client registration, and
// more than one pool. It does not verify AWS signatures: a request needs one,
// but any signature is accepted. State is in memory and ends with the process.
//
// The package is longer than 1,500 lines because it replaces a service with two
// interfaces. Each file is one operation or one endpoint, and only tests and
// cmd/dcr-dev link it.
package emulator

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Cognito is one user pool with its domain. It is an http.Handler and safe for
// concurrent use.
type Cognito struct {
	cfg    Config
	now    func() time.Time
	issuer string
	signer jose.Signer
	jwks   jose.JSONWebKeySet
	faults *Faults
	mux    *http.ServeMux
	users  map[string]*User // by sign-in name
	made   time.Time

	mu        sync.Mutex // guards everything below
	calls     map[string]int
	rates     map[string]rate
	clients   map[string]*appClient
	serial    int // orders app clients by creation
	resources []resourceServer
	brandings map[string]branding // by app client
	sessions  map[string]session  // by login cookie
	codes     map[string]*authorizationCode
	refreshes map[string]*refreshToken
	revoked   map[string]time.Time // origin_jti -> when
}

// New makes a pool. It generates an RSA key if cfg has none, which takes some
// time.
func New(cfg Config) (*Cognito, error) {
	cfg, err := cfg.normalize()
	if err != nil {
		return nil, err
	}
	c := &Cognito{
		cfg:       cfg,
		now:       cfg.Now,
		issuer:    cfg.BaseURL + "/" + cfg.PoolID,
		faults:    newFaults(),
		users:     make(map[string]*User),
		made:      cfg.Now(),
		calls:     make(map[string]int),
		rates:     make(map[string]rate),
		clients:   make(map[string]*appClient),
		brandings: make(map[string]branding),
		sessions:  make(map[string]session),
		codes:     make(map[string]*authorizationCode),
		refreshes: make(map[string]*refreshToken),
		revoked:   make(map[string]time.Time),
	}
	if c.signer, c.jwks, err = newSigner(cfg.Key); err != nil {
		return nil, err
	}
	for i := range cfg.Users {
		u := &cfg.Users[i]
		if c.users[u.Name] != nil {
			return nil, fmt.Errorf("emulator: two users are named %q", u.Name)
		}
		c.users[u.Name] = u
	}
	for _, rs := range cfg.ResourceServers {
		in := resourceServer{Identifier: rs.Identifier, Name: resourceServerName(rs.Identifier)}
		for _, s := range rs.Scopes {
			in.Scopes = append(in.Scopes, resourceScope{ScopeName: s, ScopeDescription: s})
		}
		if apiErr := c.addResourceServer(in); apiErr != nil {
			return nil, fmt.Errorf("emulator: resource server %q: %w", rs.Identifier, apiErr)
		}
	}
	c.mux = c.routes()
	return c, nil
}

// Issuer returns the iss claim of every token, which is also the prefix of the
// discovery document's address.
func (c *Cognito) Issuer() string { return c.issuer }

// Faults returns the faults to inject into calls.
func (c *Cognito) Faults() *Faults { return c.faults }

// Calls returns the number of calls of op, including refused and faulted calls.
// An op is the name of a control plane operation ("CreateUserPoolClient") or
// one of the names that Fault lists for the endpoints.
func (c *Cognito) Calls(op string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[op]
}

// ServeHTTP serves every endpoint of the pool.
func (c *Cognito) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.mux.ServeHTTP(w, r) }

func (c *Cognito) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{$}", c.serveControl)
	pool := "/" + c.cfg.PoolID + "/.well-known/"
	mux.HandleFunc(pool+"openid-configuration", c.endpoint("discovery", c.serveDiscovery, http.MethodGet))
	mux.HandleFunc(pool+"jwks.json", c.endpoint("jwks", c.serveJWKS, http.MethodGet))
	if c.cfg.NoDomain {
		return mux
	}
	mux.HandleFunc("/oauth2/authorize", c.endpoint("authorize", c.serveAuthorize, http.MethodGet))
	mux.HandleFunc("/oauth2/token", c.endpoint("token", c.serveToken, http.MethodPost))
	mux.HandleFunc("/oauth2/revoke", c.endpoint("revoke", c.serveRevoke, http.MethodPost))
	mux.HandleFunc("/oauth2/userInfo", c.endpoint("userInfo", c.serveUserInfo, http.MethodGet, http.MethodPost))
	mux.HandleFunc("/login", c.endpoint("login", c.serveLogin, http.MethodGet, http.MethodPost))
	mux.HandleFunc("/logout", c.endpoint("logout", c.serveLogout, http.MethodGet))
	mux.HandleFunc("GET /error", serveErrorPage)
	return mux
}

func (c *Cognito) count(op string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[op]++
}
