package emulator

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// serveUserInfo serves GET and POST /oauth2/userInfo.
func (c *Cognito) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	u, scopes, refusal := c.bearer(r)
	if refusal != nil {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer error=%q, error_description=%q", refusal.code, refusal.description))
		writeOAuthError(w, refusal)
		return
	}
	out := map[string]string{"sub": u.Sub, "username": u.Name}
	if slices.Contains(scopes, "email") && u.Email != "" {
		out["email"] = u.Email
		out["email_verified"] = "true" // a string, unlike in the ID token
	}
	writeJSON(w, http.StatusOK, out)
}

// bearer returns the user and the scopes of the access token in r.
func (c *Cognito) bearer(r *http.Request) (*User, []string, *oauthError) {
	bad := func(description string) *oauthError {
		return &oauthError{http.StatusUnauthorized, "invalid_token", description}
	}
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") || token == "" {
		return nil, nil, bad("Access token is missing")
	}
	claims, ok := c.verify(token)
	if !ok || claims["token_use"] != "access" {
		return nil, nil, bad("Access token is invalid")
	}
	if exp, _ := claims["exp"].(float64); float64(c.now().Unix()) >= exp {
		return nil, nil, bad("Access token has expired")
	}
	origin, _ := claims["origin_jti"].(string)
	c.mu.Lock()
	_, revoked := c.revoked[origin]
	c.mu.Unlock()
	if revoked {
		return nil, nil, bad("Access token has been revoked")
	}
	scope, _ := claims["scope"].(string)
	scopes := strings.Fields(scope)
	if !slices.Contains(scopes, "openid") {
		return nil, nil, bad("Access token does not contain openid scope")
	}
	name, _ := claims["username"].(string)
	if u := c.users[name]; u != nil {
		return u, scopes, nil
	}
	return nil, nil, bad("Access token is invalid")
}
