package token

import (
	"context"
	"errors"
	"net/http"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Issuer issues and revokes tokens: *token.Issuer in brokered mode,
// *relay.Relay in direct mode. It must be safe for concurrent use.
type Issuer interface {
	Token(ctx context.Context, r token.Request) (*token.Response, error)
	Revoke(ctx context.Context, r token.Revocation) error
}

// Introspector answers introspection requests; *token.Issuer does. It must be
// safe for concurrent use.
type Introspector interface {
	Introspect(ctx context.Context, r token.IntrospectionRequest) (token.Introspection, error)
}

// Routes adds the token and the revocation endpoint to rt.
func Routes(rt *httpapi.Router, issuer Issuer) {
	rt.Handle(http.MethodPost, "/token", Token(issuer))
	rt.Handle(http.MethodPost, "/revoke", Revoke(issuer))
}

// Token serves POST /token.
func Token(issuer Issuer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		telemetry.Count(r.Context(), telemetry.Tokens, 1)
		f, c, err := read(r)
		if err != nil {
			writeError(w, r, c, err)
			return
		}
		t, err := issuer.Token(r.Context(), token.Request{
			Client: c, GrantType: f.Value("grant_type"),
			Code: f.Value("code"), RedirectURI: f.Value("redirect_uri"), Verifier: f.Value("code_verifier"),
			RefreshToken: credential.Presented(f.Value("refresh_token")),
			Scope:        f.Value("scope"), Resource: f["resource"],
		})
		if err != nil {
			writeError(w, r, c, err)
			return
		}
		httpapi.WriteJSON(w, r, http.StatusOK, t)
	})
}

// Revoke serves POST /revoke. A success is an empty JSON object; clients ignore
// the body (RFC 7009 §2.2).
func Revoke(issuer Issuer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, c, err := read(r)
		if err == nil {
			err = issuer.Revoke(r.Context(), token.Revocation{Client: c, Token: f.Value("token")})
		}
		if err != nil {
			writeError(w, r, c, err)
			return
		}
		httpapi.WriteJSON(w, r, http.StatusOK, struct{}{})
	})
}

// Introspect serves POST /introspect, for protected resources.
func Introspect(in Introspector) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, c, err := read(r)
		if err != nil {
			writeError(w, r, c, err)
			return
		}
		a, err := in.Introspect(r.Context(), token.IntrospectionRequest{Client: c, Token: f.Value("token")})
		if err != nil {
			writeError(w, r, c, err)
			return
		}
		httpapi.WriteJSON(w, r, http.StatusOK, a)
	})
}

// read reads the form and the credentials of a request. With an error it also
// returns the credentials, as far as it has read them.
func read(r *http.Request) (httpapi.Form, clients.Credentials, error) {
	f, err := httpapi.ReadForm(r)
	if err != nil {
		return nil, clients.Credentials{}, err
	}
	c, err := credentials(r, f)
	return f, c, err
}

// writeError answers with err. If the client used the Authorization header,
// invalid_client comes with a challenge of the same scheme (RFC 6749 §5.2).
// Without the header there is no challenge, because a browser would ask the
// user for a password.
func writeError(w http.ResponseWriter, r *http.Request, c clients.Credentials, err error) {
	if e, ok := errors.AsType[*dcr.Error](err); ok && e.Code == broker.InvalidClient && c.Basic {
		w.Header().Set("WWW-Authenticate", `Basic realm="token", charset="UTF-8"`)
	}
	httpapi.WriteError(w, r, err)
}
