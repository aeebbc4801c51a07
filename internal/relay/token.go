package relay

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/oauthform"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

const defaultTimeout = 5 * time.Second

// Clients are the registered clients; *broker.Service has them.
type Clients = oauthform.Clients

// Config is what the endpoints need.
type Config struct {
	// Clients is REQUIRED.
	Clients Clients
	// TokenEndpoint is Cognito's as this process reaches it, which need not be
	// where browsers do. REQUIRED for Token.
	TokenEndpoint string
	// RevocationEndpoint likewise. REQUIRED for Revoke.
	RevocationEndpoint string
	// HTTP asks Cognito; nil is a client with http.DefaultTransport. Redirects
	// are never followed, whatever it says.
	HTTP *http.Client
	// ForwardResource is whether the parameter resource (RFC 8707) is handed
	// on with a code or refresh token. Otherwise it is ignored.
	ForwardResource bool
	// Timeout is how long Cognito may take for a whole answer. 0 is 5 seconds.
	Timeout time.Duration
}

// endpoint is what the token and the revocation endpoint have in common.
type endpoint struct {
	clients Clients
	http    *http.Client
	timeout time.Duration
}

func newEndpoint(c Config) *endpoint {
	e := &endpoint{clients: c.Clients, http: new(http.Client), timeout: c.Timeout}
	if c.HTTP != nil {
		*e.http = *c.HTTP
	}
	// A redirect would carry codes and secrets elsewhere.
	e.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if e.timeout == 0 {
		e.timeout = defaultTimeout
	}
	return e
}

// Token serves POST /token (RFC 6749 §3.2) for the grant types
// authorization_code, refresh_token and client_credentials. The client is
// looked up before anything about the grant: one that is unknown or may not be
// used is invalid_client with status 401, so that it registers again. Its use
// is recorded when Cognito is asked, whatever Cognito then says.
//
// An answer always names the scope, unless neither the access token nor the
// registration has one. When Cognito cannot be reached, is throttled or answers
// what cannot be understood, the answer is 503 with Retry-After.
func Token(c Config) http.Handler {
	e := newEndpoint(c)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, err := e.token(r, c.TokenEndpoint, c.ForwardResource)
		if err != nil {
			httpapi.WriteError(w, r, err)
			return
		}
		httpapi.WriteJSON(w, r, http.StatusOK, t)
	})
}

func (e *endpoint) token(r *http.Request, address string, forwardResource bool) (*tokens, error) {
	telemetry.Count(r.Context(), telemetry.Tokens, 1)
	f, err := oauthform.Read(r)
	if err != nil {
		return nil, err
	}
	cred, err := oauthform.Authenticate(r, f)
	if err != nil {
		return nil, err
	}
	reg, err := oauthform.Registered(r.Context(), e.clients, cred)
	if err != nil {
		return nil, err
	}
	params, err := grantRequest(f, reg, forwardResource)
	if err != nil {
		return nil, err
	}
	telemetry.Note(r.Context(), telemetry.GrantType, params.Get("grant_type"))
	ctx, cancel := context.WithTimeout(r.Context(), e.timeout)
	defer cancel()
	touched := oauthform.RecordUse(ctx, httpapi.Logger(r), e.clients, reg)
	rep, err := e.ask(ctx, address, cred, params)
	touched()
	if err != nil {
		return nil, err
	}
	if err := rep.refused(cred, params); err != nil {
		return nil, err
	}
	t, err := tokensOf(rep, reg)
	if err != nil {
		return nil, err
	}
	httpapi.Audit(r, telemetry.Audit{
		Event: telemetry.TokenIssued, Actor: telemetry.Actor{Kind: "client", ID: reg.ClientID}, ClientID: reg.ClientID, Profile: reg.Profile,
		After: []slog.Attr{slog.String("grant_type", params.Get("grant_type")), slog.String("scope", t.Scope)},
	})
	return t, nil
}

// tokens is a successful answer (RFC 6749 §5.1).
type tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in,omitzero"` // seconds; a token that lives for none is not issued
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
}

// tokensOf reads a successful answer of Cognito's. A refresh token is withheld
// from a client that is not registered for its use: Cognito issues one with
// every code.
func tokensOf(rep reply, reg *broker.Registration) (*tokens, error) {
	o, ok := object(rep.body)
	t := &tokens{
		AccessToken:  o.text("access_token"),
		TokenType:    o.text("token_type"),
		RefreshToken: o.text("refresh_token"),
		IDToken:      o.text("id_token"),
	}
	if !ok || t.AccessToken == "" || t.TokenType == "" {
		return nil, oauthform.Unavailable("Cognito could not answer", errors.New("cognito: status 200 without a token"))
	}
	if err := json.Unmarshal(o["expires_in"], &t.ExpiresIn); err != nil || t.ExpiresIn < 0 {
		t.ExpiresIn = 0
	}
	if !slices.Contains(reg.Metadata.GrantTypes, dcr.GrantRefreshToken) {
		t.RefreshToken = ""
	}
	t.Scope = scopeClaim(t.AccessToken)
	if t.Scope == "" {
		t.Scope = reg.Metadata.Scope
	}
	return t, nil
}

// scopeClaim returns the scope in a JWT (RFC 9068 §2.2.3), or "" if there is
// none or the token is no JWT. The signature is not checked: the token came
// from Cognito over a connection of our own, and decides nothing here.
func scopeClaim(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	claims, _ := object(payload)
	return strings.Join(strings.Fields(claims.text("scope")), " ")
}
