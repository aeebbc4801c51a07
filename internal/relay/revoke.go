package relay

import (
	"context"
	"net/http"
	"net/url"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/oauthform"
)

// Revoke serves POST /revoke (RFC 7009). Cognito revokes refresh tokens, and
// with one the access tokens that came of it; for an access token it answers
// unsupported_token_type. token_type_hint is ignored, as §2.1 allows: a wrong
// hint must change nothing. The answer to a success is an empty JSON object,
// which clients ignore (§2.2).
func Revoke(c Config) http.Handler {
	e := newEndpoint(c)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := e.revoke(r, c.RevocationEndpoint); err != nil {
			httpapi.WriteError(w, r, err)
			return
		}
		httpapi.WriteJSON(w, r, http.StatusOK, struct{}{})
	})
}

func (e *endpoint) revoke(r *http.Request, address string) error {
	f, err := oauthform.Read(r)
	if err != nil {
		return err
	}
	cred, err := oauthform.Authenticate(r, f)
	if err != nil {
		return err
	}
	if _, err := oauthform.Registered(r.Context(), e.clients, cred); err != nil {
		return err
	}
	token := f.Value("token")
	if token == "" {
		return oauthform.InvalidRequest("token is required")
	}
	// Cognito documents Basic as the one way here for clients with a secret.
	asCognito := cred
	asCognito.Basic = true
	params := url.Values{"token": {token}}
	ctx, cancel := context.WithTimeout(r.Context(), e.timeout)
	defer cancel()
	rep, err := e.ask(ctx, address, asCognito, params)
	if err != nil {
		return err
	}
	return rep.refused(cred, params)
}
