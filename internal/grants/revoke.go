package grants

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/adapter/jwt"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/oauthform"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// Revoke serves POST /revoke (RFC 7009). A refresh token, used or not, and an
// access token both end the grant that they came of; of an access token it is all
// that can be taken back. A token that was issued to another client is
// invalid_grant (§2.1), and one that is none, or none any more, a success (§2.2).
// token_type_hint is ignored, as §2.1 allows: a wrong hint must change nothing.
// The answer to a success is an empty JSON object, which clients ignore (§2.2).
// With status 503 the grant may have ended, but something was left undone that a
// repetition does.
func (e *Endpoints) Revoke() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := e.revoke(r); err != nil {
			httpapi.WriteError(w, r, err)
			return
		}
		httpapi.WriteJSON(w, r, http.StatusOK, struct{}{})
	})
}

func (e *Endpoints) revoke(r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), requestTime)
	defer cancel()
	req, err := e.request(ctx, r)
	if err != nil {
		return err
	}
	token := req.form.Value("token")
	if token == "" {
		return oauthform.InvalidRequest("token is required")
	}
	g, err := e.revocable(ctx, token)
	if errors.Is(err, broker.ErrNotFound) || errors.Is(err, jwt.ErrInvalid) {
		return nil
	}
	if err != nil {
		return oauthform.Unavailable("the token could not be looked up", err)
	}
	if g.ClientID != req.reg.ClientID {
		return invalidGrant("this was issued to another client")
	}
	if g.User.Sub == "" {
		// The client would lock itself out, and the token would live on.
		return oauthform.Refusal("unsupported_token_type", "an access token of client_credentials cannot be revoked, it expires")
	}
	before := g.EndedAt
	if err := e.Ender.End(ctx, g); err != nil {
		return oauthform.Unavailable("the token could not be revoked", err)
	}
	if before.IsZero() {
		req.audit(telemetry.GrantEnded, g, slog.String("reason", "revoked by the client"))
	}
	return nil
}

// revocable returns the grant that the token came of. There being none is
// broker.ErrNotFound or jwt.ErrInvalid.
func (e *Endpoints) revocable(ctx context.Context, token string) (*broker.Grant, error) {
	if strings.HasPrefix(token, credential.RefreshTokenPrefix) {
		tok := credential.Presented(token)
		id, err := credential.GrantID(tok)
		if err != nil {
			return nil, broker.ErrNotFound
		}
		g, err := e.store.Grant(ctx, id)
		if err == nil && !e.issued(g, tok) {
			return nil, broker.ErrNotFound
		}
		return g, err
	}
	c, err := e.AccessTokens.Verify(ctx, token)
	if err != nil {
		return nil, err
	}
	return e.grantOf(ctx, c)
}
