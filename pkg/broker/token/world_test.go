package token_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	kit "github.com/dcr-broker/dcr-broker/test/world"
)

const (
	redirect = "http://localhost:7777/cb"
	// scope is the scope of the deployment.
	scope = "mcp/read"
)

// world is an Issuer with an in-memory store and a Cognito that answers
// immediately. It records the effects in order.
type world struct {
	*kit.Brokered
	config  token.Config
	effects []string
	// rotates means that Cognito returns a new refresh token for each refresh.
	// issued are the refresh tokens that it has issued, and retired those that it
	// no longer accepts.
	rotates bool
	issued  []string
	retired map[string]bool

	// fault is called before each effect. An error makes the effect fail, applied
	// or not.
	fault func(effect string) (applied bool, err error)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Brokered: kit.NewBrokeredWith(t, kit.Options{Scopes: []string{"openid", scope}})}
	grants := w.Inner.Hooked(func(_ context.Context, operation string, do func() error) error { return w.do(operation, do) })
	w.config = w.IssuerConfig(grants, cognito{w})
	w.config.Provisioner, w.config.AccessTokens = provisioner{w}, noTokens{}
	return w
}

func (w *world) issuer() *token.Issuer {
	w.T.Helper()
	i, err := token.New(w.config)
	if err != nil {
		w.T.Fatal(err)
	}
	return i
}

// do records an effect, and makes it fail if the test wants that.
func (w *world) do(effect string, call func() error) error {
	w.effects = append(w.effects, effect)
	if w.fault != nil {
		if applied, err := w.fault(effect); err != nil {
			if applied {
				call()
			}
			return err
		}
	}
	return call()
}

// cognito issues tokens that are valid for an hour.
type cognito struct{ w *world }

func (c cognito) tokens() broker.Tokens {
	now := c.w.Now()
	return broker.Tokens{
		AccessToken: fake.AccessToken("ann", now), AppSecret: "s3cret", IssuedAt: now, ExpiresAt: now.Add(time.Hour), Scopes: []string{scope}, Sub: "ann",
	}
}

func (c cognito) Refresh(_ context.Context, _ broker.AppCredentials, refreshToken string) (t broker.Tokens, err error) {
	err = c.w.do("refresh at Cognito", func() error {
		if c.w.retired[refreshToken] {
			return &broker.UpstreamError{Code: string(broker.InvalidGrant)}
		}
		t = c.tokens()
		if c.w.rotates {
			t.RefreshToken = c.w.issue()
		}
		return nil
	})
	return t, err
}

func (c cognito) ClientCredentials(context.Context, broker.AppCredentials, []string) (t broker.Tokens, err error) {
	err = c.w.do("token from Cognito", func() error { t = c.tokens(); return nil })
	return t, err
}

func (c cognito) Revoke(context.Context, broker.AppCredentials, string) error {
	return c.w.do("revoke at Cognito", func() error { return nil })
}

// provisioner makes the record of the app client of one client.
type provisioner struct{ w *world }

func (p provisioner) Provision(ctx context.Context, key string) error {
	return p.w.do("provision", func() error {
		p.w.AddAppClient(key, broker.KindDedicated, broker.AppCredentials{ID: "own", Secret: "s3cret"}, scope)
		return nil
	})
}

// noTokens recognizes no access token.
type noTokens struct{}

func (noTokens) Verify(context.Context, string) (token.Claims, error) {
	return token.Claims{}, token.ErrInvalidAccessToken
}

// client registers a client without a secret, or with the secret "s" for
// client_credentials.
func (w *world) client(grantTypes ...string) clients.Credentials {
	w.T.Helper()
	var c clients.Credentials
	r := w.AddClient(dcr.ClientMetadata{TokenEndpointAuthMethod: dcr.AuthNone, GrantTypes: grantTypes, Scope: scope}, func(r *broker.Registration) {
		if slices.Contains(grantTypes, dcr.GrantClientCredentials) {
			c.Secret, r.Profile = "s", "trusted"
			r.Metadata.TokenEndpointAuthMethod, r.SecretHash = dcr.AuthSecretBasic, credential.Presented("s").Hash()
		}
	})
	c.ID = r.ClientID
	return c
}

// issue returns a new refresh token of Cognito.
func (w *world) issue() string {
	t := fmt.Sprintf("cognito-refresh-token-%d", len(w.issued))
	w.issued = append(w.issued, t)
	return t
}

// retireAllBut makes Cognito accept no refresh token but this one: the grace
// period of a rotation is over.
func (w *world) retireAllBut(refreshToken string) {
	w.retired = make(map[string]bool)
	for _, t := range w.issued {
		w.retired[t] = t != refreshToken
	}
}

// grant stores a grant of c and returns it with its code.
func (w *world) grant(c clients.Credentials) (*broker.Grant, credential.Token) {
	w.T.Helper()
	t := cognito{w}.tokens()
	t.RefreshToken = w.issue()
	return w.AddGrant(w.Registration(c.ID), t, redirect)
}

func codeRequest(c clients.Credentials, code credential.Token) token.Request {
	return token.Request{Client: c, GrantType: dcr.GrantAuthorizationCode, Code: code.Reveal(), RedirectURI: redirect, Verifier: kit.Verifier}
}

func refreshRequest(c clients.Credentials, refreshToken string) token.Request {
	return token.Request{Client: c, GrantType: dcr.GrantRefreshToken, RefreshToken: credential.Presented(refreshToken)}
}

// ask sends the request and fails unless it gets a response.
func (w *world) ask(i *token.Issuer, r token.Request) *token.Response {
	w.T.Helper()
	a, err := i.Token(w.T.Context(), r)
	if err != nil {
		w.T.Fatalf("Token with %s = %v", r.GrantType, err)
	}
	return a
}
