package emulator

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	codeLifetime   = 5 * time.Minute
	maxStateLength = 1024
)

// authorizationRequest is a checked request to /oauth2/authorize or /login
// (RFC 6749 §4.1.1).
type authorizationRequest struct {
	query        url.Values // as sent
	client       appClient
	redirectURI  string
	state        string
	responseType string
	scopes       []string
	challenge    string
	nonce        string
	prompts      []string
	loginHint    string
	audience     string
}

// refusal is the error of a request. RFC 6749 §4.1.2.1: if the client or its
// redirect URI is invalid, the browser gets an error page and is not redirected
// to the address in the request.
type refusal struct {
	code        string
	description string
	redirectURI string // "" means the error page
	state       string
	clientID    string // a parameter of the error page, if not empty
}

func (r *refusal) serve(w http.ResponseWriter) {
	v := url.Values{"error": {r.code}}
	if r.description != "" {
		v.Set("error_description", r.description)
	}
	if r.clientID != "" {
		v.Set("client_id", r.clientID)
	}
	if r.redirectURI == "" {
		redirect(w, "/error?"+v.Encode())
		return
	}
	if r.state != "" {
		v.Set("state", r.state)
	}
	redirect(w, addQuery(r.redirectURI, v))
}

// serveAuthorize serves GET /oauth2/authorize. A signed-in user gets a code
// immediately and without consent, even if the sign-in was for another app
// client; other users see the login page.
func (c *Cognito) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	req, bad := c.parseAuthorization(r.URL.RawQuery)
	if bad != nil {
		bad.serve(w)
		return
	}
	s, signedIn := c.session(r)
	silent := signedIn && req.client.settings.AllowedOAuthFlowsUserPoolClient && slices.Contains(req.client.settings.SupportedIdentityProviders, "COGNITO") &&
		!slices.Contains(req.prompts, "login")
	switch {
	case silent:
		c.complete(w, req, s)
	case slices.Contains(req.prompts, "none") && req.client.settings.AllowedOAuthFlowsUserPoolClient:
		(&refusal{code: "login_required", redirectURI: req.redirectURI, state: req.state}).serve(w)
	default:
		redirect(w, "/login?"+r.URL.RawQuery)
	}
}

// parseAuthorization decodes and checks a request.
func (c *Cognito) parseAuthorization(rawQuery string) (*authorizationRequest, *refusal) {
	q, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, &refusal{code: "invalid_request", description: "the query is malformed"}
	}
	if len(q["client_id"]) != 1 || len(q["redirect_uri"]) != 1 {
		return nil, &refusal{code: "invalid_request", description: "client_id and redirect_uri are required, once each"}
	}
	a, ok := c.lookup(q.Get("client_id"))
	if !ok {
		return nil, &refusal{code: "invalid_request", description: "client does not exist"}
	}
	req := &authorizationRequest{
		query: q, client: a, redirectURI: q.Get("redirect_uri"), responseType: q.Get("response_type"),
		scopes: strings.Fields(q.Get("scope")), nonce: q.Get("nonce"), loginHint: q.Get("login_hint"),
	}
	// Cognito compares character by character, also the port of a loopback
	// address.
	if !slices.Contains(a.settings.CallbackURLs, req.redirectURI) {
		return nil, &refusal{code: "redirect_mismatch", clientID: a.id}
	}
	for _, check := range []func() (code, description string){
		req.checkState, req.checkRepeats, req.checkResponseType, req.checkScope, req.checkPKCE, req.checkProvider,
		func() (string, string) { return c.checkPrompt(req) },
		func() (string, string) { return c.checkResource(req) },
	} {
		if code, description := check(); code != "" {
			return nil, &refusal{code: code, description: description, redirectURI: req.redirectURI, state: req.state}
		}
	}
	return req, nil
}

func (req *authorizationRequest) checkState() (string, string) {
	state := req.query.Get("state")
	if len(state) > maxStateLength {
		return "invalid_request", "state is longer than 1024 characters"
	}
	if strings.HasPrefix(state, "{") && json.Valid([]byte(state)) {
		return "invalid_request", "state is JSON"
	}
	req.state = state
	return "", ""
}

func (req *authorizationRequest) checkRepeats() (string, string) {
	for _, values := range req.query {
		if len(values) > 1 {
			return "invalid_request", "a parameter is repeated"
		}
	}
	return "", ""
}

func (req *authorizationRequest) checkResponseType() (string, string) {
	flow, ok := map[string]string{"code": "code", "token": "implicit"}[req.responseType]
	if !ok {
		return "invalid_request", "response_type must be code or token"
	}
	// If OAuth is not enabled at all, the login page says so.
	if s := req.client.settings; s.AllowedOAuthFlowsUserPoolClient && !s.allowsFlow(flow) {
		return "unauthorized_client", ""
	}
	return "", ""
}

func (req *authorizationRequest) checkScope() (string, string) {
	allowed := req.client.settings.AllowedOAuthScopes
	if len(req.scopes) == 0 {
		req.scopes = slices.Clone(allowed)
		return "", ""
	}
	for _, s := range req.scopes {
		if !slices.Contains(allowed, s) {
			return "invalid_scope", s
		}
	}
	return "", ""
}

func (req *authorizationRequest) checkPKCE() (string, string) {
	req.challenge = req.query.Get("code_challenge")
	method := req.query.Get("code_challenge_method")
	if (req.challenge != "" || method != "") && method != "S256" {
		return "invalid_request", "code_challenge_method must be S256"
	}
	if req.challenge == "" && method != "" {
		return "invalid_request", "code_challenge is missing"
	}
	return "", ""
}

func (req *authorizationRequest) checkProvider() (string, string) {
	p := req.query.Get("identity_provider")
	if p != "" && (p != "COGNITO" || !slices.Contains(req.client.settings.SupportedIdentityProviders, p)) {
		return "invalid_request", "the client has no such identity provider"
	}
	return "", ""
}

// checkPrompt reads prompt, which only managed login has. select_account and
// consent have no effect for local users.
func (c *Cognito) checkPrompt(req *authorizationRequest) (string, string) {
	if c.cfg.ManagedLogin < 2 {
		return "", ""
	}
	req.prompts = strings.Fields(req.query.Get("prompt"))
	for _, p := range req.prompts {
		if !slices.Contains([]string{"none", "login", "select_account", "consent"}, p) {
			return "invalid_request", "unknown prompt"
		}
	}
	if slices.Contains(req.prompts, "none") && len(req.prompts) > 1 {
		return "invalid_request", "prompt none stands alone"
	}
	return "", ""
}

// checkResource binds the access token to a resource server (RFC 8707 §2). It
// accepts any URL of the right form; the pool does not have to know it.
func (c *Cognito) checkResource(req *authorizationRequest) (string, string) {
	raw := req.query.Get("resource")
	if raw == "" {
		return "", ""
	}
	if c.cfg.Plan == Lite || c.cfg.ManagedLogin < 2 {
		if c.cfg.RefuseResource {
			return "invalid_request", "resource is not supported"
		}
		return "", ""
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Scheme == "":
		return "invalid_request", "resource is not a URL"
	case u.Scheme == "https" && u.Host == "":
		return "invalid_request", "resource has no host"
	case u.Scheme == "http" && u.Hostname() != "localhost":
		return "invalid_request", "resource uses http and is not on localhost"
	}
	req.audience = raw
	return "", ""
}

// authorizationCode is valid once, for five minutes.
type authorizationCode struct {
	grant       grant
	redirectURI string
	challenge   string
	expires     time.Time
}

// complete redirects the browser to the client with a code, or with tokens for
// response_type token.
func (c *Cognito) complete(w http.ResponseWriter, req *authorizationRequest, s session) {
	g := grant{
		origin: newUUID(), event: newUUID(), client: req.client.id, user: s.user, scopes: req.scopes,
		audience: req.audience, nonce: req.nonce, authTime: s.began,
	}
	v := url.Values{}
	if req.state != "" {
		v.Set("state", req.state)
	}
	if req.responseType == "code" {
		code := newUUID()
		c.mu.Lock()
		c.codes[code] = &authorizationCode{g, req.redirectURI, req.challenge, c.now().Add(codeLifetime)}
		c.mu.Unlock()
		v.Set("code", code)
		redirect(w, addQuery(req.redirectURI, v))
		return
	}
	t, err := c.mint(&g, req.client.settings, req.nonce)
	if err != nil {
		(&refusal{code: "server_error", redirectURI: req.redirectURI, state: req.state}).serve(w)
		return
	}
	v.Set("access_token", t.AccessToken)
	v.Set("token_type", t.TokenType)
	v.Set("expires_in", strconv.FormatInt(t.ExpiresIn, 10))
	if t.IDToken != "" {
		v.Set("id_token", t.IDToken)
	}
	redirect(w, req.redirectURI+"#"+v.Encode())
}

// addQuery appends v to a URL and leaves its query unchanged.
func addQuery(to string, v url.Values) string {
	sep := "?"
	if strings.Contains(to, "?") {
		sep = "&"
	}
	return to + sep + v.Encode()
}

func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusFound)
}
