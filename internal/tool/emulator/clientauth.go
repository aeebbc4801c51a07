package emulator

import (
	"net/http"
	"net/url"
	"slices"
)

// lookup returns a copy of the app client, which may be read without the lock.
func (c *Cognito) lookup(id string) (appClient, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.clients[id]
	if a == nil {
		return appClient{}, false
	}
	snapshot := *a
	snapshot.secrets = slices.Clone(a.secrets)
	return snapshot, true
}

// authenticate returns the app client that sent the request (RFC 6749 §2.3.1).
// A client with a secret sends it with HTTP Basic or in the body. Cognito accepts
// both at once, although RFC 6749 forbids it, if both are right. A client without
// a secret sends client_id in the body and no secret. An error is invalid_client
// with status 400.
func (c *Cognito) authenticate(r *http.Request, form url.Values) (appClient, *oauthError) {
	id := form.Get("client_id")
	secrets := form["client_secret"]
	if r.Header.Get("Authorization") != "" {
		basicID, basicSecret, ok := r.BasicAuth()
		if !ok || id != "" && id != basicID {
			return appClient{}, badRequest("invalid_client", "")
		}
		id, secrets = basicID, append(slices.Clone(secrets), basicSecret)
	}
	if id == "" {
		return appClient{}, badRequest("invalid_request", "client_id is missing")
	}
	a, ok := c.lookup(id)
	switch {
	case !ok,
		len(a.secrets) == 0 && len(secrets) > 0,
		len(a.secrets) > 0 && len(secrets) == 0,
		slices.ContainsFunc(secrets, func(s string) bool { return !a.accepts(s) }):
		return appClient{}, badRequest("invalid_client", "")
	}
	return a, nil
}
