package grants

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/dcr-broker/dcr-broker/internal/adapter/jwt"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/oauthform"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// asking is a protected resource that may ask.
type asking struct {
	secret   credential.Hash
	resource broker.Resource
}

func askingResources(c Config) (map[string]asking, error) {
	m := make(map[string]asking, len(c.Introspectors))
	for _, in := range c.Introspectors {
		i := slices.IndexFunc(c.Resources, func(r broker.Resource) bool { return r.URL == in.Resource })
		if _, twice := m[in.ID]; twice || in.ID == "" || in.Secret.IsZero() || i < 0 {
			return nil, fmt.Errorf("grants: introspector %q needs an id of its own, a secret, and one of the resources", in.ID)
		}
		m[in.ID] = asking{in.Secret, c.Resources[i]}
	}
	return m, nil
}

// introspection is the answer (RFC 7662 §2.2). All but Active is absent if that
// is false.
type introspection struct {
	Active    bool   `json:"active"`
	ClientID  string `json:"client_id,omitempty"`
	Subject   string `json:"sub,omitempty"`
	Username  string `json:"username,omitempty"`
	Scope     string `json:"scope,omitempty"`
	Audience  string `json:"aud,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	IssuedAt  int64  `json:"iat,omitzero"`
	ExpiresAt int64  `json:"exp,omitzero"`
}

// Introspect serves POST /introspect (RFC 7662) for the protected resources of
// the configuration, which authenticate by Basic or in the body. Active is an
// access token of Cognito's that verifies, has not expired, is for the resource
// that asks, and whose grant and registration stand. Of any other token the
// answer does not say why (§2.2). If it cannot be told, the answer is 503.
func (e *Endpoints) Introspect() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := e.introspect(r)
		if err != nil {
			httpapi.WriteError(w, r, err)
			return
		}
		httpapi.WriteJSON(w, r, http.StatusOK, a)
	})
}

func (e *Endpoints) introspect(r *http.Request) (introspection, error) {
	var none introspection
	ctx, cancel := context.WithTimeout(r.Context(), requestTime)
	defer cancel()
	f, err := oauthform.Read(r)
	if err != nil {
		return none, err
	}
	cred, err := oauthform.Authenticate(r, f)
	if err != nil {
		return none, err
	}
	who := e.asking[cred.ID] // of one that is not there the secret is none
	if !who.secret.Matches(credential.Presented(cred.Secret)) {
		return none, cred.Invalid("authentication of the protected resource failed")
	}
	token := f.Value("token")
	if token == "" {
		return none, oauthform.InvalidRequest("token is required")
	}
	c, err := e.AccessTokens.Verify(ctx, token)
	if errors.Is(err, jwt.ErrInvalid) {
		return none, nil
	}
	if err != nil {
		return none, oauthform.Unavailable("the token could not be verified", err)
	}
	return e.state(ctx, who.resource, c)
}

// state is what is to be said to r of a token that is valid in itself.
func (e *Endpoints) state(ctx context.Context, r broker.Resource, c jwt.Claims) (introspection, error) {
	var none introspection
	scopes := intersect(c.Scopes, r.Scopes)
	if len(scopes) == 0 || !audienceFits(c.Audience, r) {
		return none, nil
	}
	g, err := e.grantOf(ctx, c)
	if errors.Is(err, broker.ErrNotFound) {
		return none, nil
	}
	if err != nil {
		return none, oauthform.Unavailable("the grant could not be read", err)
	}
	stands, err := e.stands(ctx, g)
	if err != nil {
		return none, oauthform.Unavailable("the registration could not be read", err)
	}
	if !stands || g.Resource != "" && !broker.SameResource(g.Resource, r.URL) {
		return none, nil
	}
	a := introspection{
		Active: true, ClientID: g.ClientID, Subject: c.Sub, Username: c.Username, Scope: reported(scopes), Audience: r.URL,
		TokenType: "Bearer", IssuedAt: c.IssuedAt.Unix(), ExpiresAt: c.ExpiresAt.Unix(),
	}
	if g.User.Sub == "" {
		// Cognito's is the app client, of which nobody knows but us.
		a.Subject = g.ClientID
	}
	return a, nil
}

// audienceFits reports whether a token of that audience may be for r. Without
// resource binding there is none, and its scopes say what it is for.
func audienceFits(audience []string, r broker.Resource) bool {
	return len(audience) == 0 || slices.ContainsFunc(audience, func(aud string) bool { return broker.SameResource(aud, r.URL) })
}

// stands reports whether g has not ended, and its registration is what it was.
func (e *Endpoints) stands(ctx context.Context, g *broker.Grant) (bool, error) {
	if !g.EndedAt.IsZero() {
		return false, nil
	}
	reg, err := e.Clients.Client(ctx, g.ClientID)
	if errors.Is(err, broker.ErrNotFound) {
		return false, nil
	}
	return err == nil && reg.Generation == g.Generation, err
}
