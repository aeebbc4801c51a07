package emulator

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// serveUserInfo serves GET and POST /oauth2/userInfo.
func (c *Cognito) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	u, s, scopes, refusal := c.bearer(r)
	if refusal != nil {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer error=%q, error_description=%q", refusal.code, refusal.description))
		writeOAuthError(w, refusal)
		return
	}
	out := s.shown(u, scopes)
	out["sub"], out["username"] = u.Sub, c.username(u)
	writeJSON(w, http.StatusOK, out)
}

// bearer returns the user, the app client's settings and the scopes of the access
// token in r.
func (c *Cognito) bearer(r *http.Request) (*User, Settings, []string, *oauthError) {
	bad := func(description string) (*User, Settings, []string, *oauthError) {
		return nil, Settings{}, nil, &oauthError{http.StatusUnauthorized, "invalid_token", description}
	}
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") || token == "" {
		return bad("Access token is missing")
	}
	claims, ok := c.verify(token)
	if !ok || claims["token_use"] != "access" {
		return bad("Access token is invalid")
	}
	if exp, _ := claims["exp"].(float64); float64(c.now().Unix()) >= exp {
		return bad("Access token has expired")
	}
	origin, _ := claims["origin_jti"].(string)
	c.mu.Lock()
	_, revoked := c.revoked[origin]
	c.mu.Unlock()
	if revoked {
		return bad("Access token has been revoked")
	}
	scope, _ := claims["scope"].(string)
	scopes := strings.Fields(scope)
	if !slices.Contains(scopes, "openid") {
		return bad("Access token does not contain openid scope")
	}
	sub, _ := claims["sub"].(string)
	id, _ := claims["client_id"].(string)
	u := c.userBySub(sub)
	a, ok := c.lookup(id)
	if u == nil || !ok {
		return bad("Access token is invalid")
	}
	return u, a.settings, scopes, nil
}
