package emulator

import (
	"net/http"
	"strings"
)

// serveRevoke serves POST /oauth2/revoke. It accepts refresh tokens only, and
// ends the whole origin: all its refresh tokens, and its access tokens where
// Cognito itself checks them.
func (c *Cognito) serveRevoke(w http.ResponseWriter, r *http.Request) {
	form, oauthErr := readForm(w, r)
	if oauthErr != nil {
		writeOAuthError(w, oauthErr)
		return
	}
	a, oauthErr := c.authenticate(r, form)
	if oauthErr != nil {
		writeOAuthError(w, oauthErr)
		return
	}
	if oauthErr := c.revoke(a, form.Get("token")); oauthErr != nil {
		writeOAuthError(w, oauthErr)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

func (c *Cognito) revoke(a appClient, token string) *oauthError {
	if token == "" {
		return badRequest("invalid_request", "token is missing")
	}
	if !a.settings.EnableTokenRevocation {
		return badRequest("invalid_request", "token revocation is not enabled for this client")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	rt := c.refreshes[token]
	if rt == nil {
		// Access and ID tokens are signed and have three parts; a refresh token
		// has five.
		if _, signed := c.verify(token); signed || strings.Count(token, ".") == 2 {
			return badRequest("unsupported_token_type", "")
		}
		return nil // RFC 7009 §2.2: an unknown or invalid token is not an error
	}
	if rt.grant.client != a.id {
		return badRequest("invalid_request", "the token belongs to another client")
	}
	c.revoked[rt.grant.origin] = c.now()
	return nil
}
