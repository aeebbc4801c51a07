package emulator

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// serveToken serves POST /oauth2/token. It ignores a parameter resource, which
// Cognito does not document for this endpoint: the authorize endpoint sets the
// audience. It also ignores redirect_uri with client_credentials.
func (c *Cognito) serveToken(w http.ResponseWriter, r *http.Request) {
	form, oauthErr := readFormAndQuery(w, r)
	if oauthErr != nil {
		writeOAuthError(w, oauthErr)
		return
	}
	out, oauthErr := c.token(r, form)
	if oauthErr != nil {
		writeOAuthError(w, oauthErr)
		return
	}
	writeJSON(w, http.StatusOK, out)
}

func (c *Cognito) token(r *http.Request, form url.Values) (tokens, *oauthError) {
	grantType := form.Get("grant_type")
	switch grantType {
	case "":
		return tokens{}, badRequest("invalid_request", "grant_type is missing")
	case "authorization_code", "refresh_token", "client_credentials":
	default:
		return tokens{}, badRequest("unsupported_grant_type", "")
	}
	a, oauthErr := c.authenticate(r, form)
	if oauthErr != nil {
		return tokens{}, oauthErr
	}
	if !a.settings.AllowedOAuthFlowsUserPoolClient {
		return tokens{}, badRequest("invalid_grant", "")
	}
	switch grantType {
	case "authorization_code":
		return c.redeem(a, form)
	case "refresh_token":
		return c.refresh(a, form)
	default:
		return c.clientCredentials(a, form)
	}
}

func (c *Cognito) redeem(a appClient, form url.Values) (tokens, *oauthError) {
	if !a.settings.allowsFlow("code") {
		return tokens{}, badRequest("unauthorized_client", "")
	}
	if form.Get("code") == "" {
		return tokens{}, badRequest("invalid_request", "code is missing")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	code := c.codes[form.Get("code")]
	if code == nil || code.grant.client != a.id {
		return tokens{}, badRequest("invalid_grant", "")
	}
	// A code can be tried once, with success or not (RFC 6749 §4.1.2).
	delete(c.codes, form.Get("code"))
	now := c.now()
	switch {
	case !now.Before(code.expires):
		return tokens{}, badRequest("invalid_grant", "")
	case form.Get("redirect_uri") != code.redirectURI:
		return tokens{}, badRequest("unauthorized_client", "invalid_redirect")
	case !code.verifies(form.Get("code_verifier")):
		return tokens{}, badRequest("invalid_grant", "")
	case !a.settings.mayRead(code.grant.scopes):
		return tokens{}, badRequest("invalid_grant", "")
	}
	g := code.grant
	g.expires = now.Add(a.settings.refreshLifetime())
	out, err := c.mint(&g, a.settings, g.nonce)
	if err != nil {
		return tokens{}, &oauthError{http.StatusInternalServerError, "server_error", ""}
	}
	out.RefreshToken = c.newRefreshTokenOf(&g)
	return out, nil
}

// verifies reports whether the PKCE verifier matches the challenge.
// RFC 7636 §4.6: with S256 the challenge is the base64url of the verifier's
// SHA-256.
func (code *authorizationCode) verifies(verifier string) bool {
	if code.challenge == "" {
		return true
	}
	sum := sha256.Sum256([]byte(verifier))
	made := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(made), []byte(code.challenge)) == 1
}

// mayRead reports whether the client may read the attributes that the scopes
// need.
func (s Settings) mayRead(scopes []string) bool {
	if len(s.ReadAttributes) == 0 || !slices.Contains(scopes, "email") {
		return true
	}
	return slices.Contains(s.ReadAttributes, "email") && slices.Contains(s.ReadAttributes, "email_verified")
}

func (c *Cognito) refresh(a appClient, form url.Values) (tokens, *oauthError) {
	if rotates, _ := a.settings.rotation(); !a.settings.allowsFlow("code") || !rotates && !a.settings.allowsAuth("ALLOW_REFRESH_TOKEN_AUTH") {
		return tokens{}, badRequest("unauthorized_client", "")
	}
	if form.Get("refresh_token") == "" {
		return tokens{}, badRequest("invalid_request", "refresh_token is missing")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	rt, ok := c.usableRefreshToken(form.Get("refresh_token"), a.id)
	if !ok {
		return tokens{}, badRequest("invalid_grant", "")
	}
	out, err := c.mint(rt.grant, a.settings, "")
	if err != nil {
		return tokens{}, &oauthError{http.StatusInternalServerError, "server_error", ""}
	}
	if rotates, grace := a.settings.rotation(); rotates {
		out.RefreshToken = c.newRefreshTokenOf(rt.grant)
		if rt.retired.IsZero() {
			rt.retired = c.now().Add(grace)
		}
	}
	return out, nil
}

func (c *Cognito) clientCredentials(a appClient, form url.Values) (tokens, *oauthError) {
	if !a.settings.allowsFlow("client_credentials") {
		return tokens{}, badRequest("unauthorized_client", "")
	}
	scopes := strings.Fields(form.Get("scope"))
	if len(scopes) == 0 {
		scopes = a.settings.AllowedOAuthScopes
	}
	for _, s := range scopes {
		if !slices.Contains(a.settings.AllowedOAuthScopes, s) {
			return tokens{}, badRequest("invalid_scope", "")
		}
	}
	out, err := c.mintForClient(a, scopes)
	if err != nil {
		return tokens{}, &oauthError{http.StatusInternalServerError, "server_error", ""}
	}
	return out, nil
}
