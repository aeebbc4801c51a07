package token_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/grants"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

const (
	redirect = "http://localhost:7777/cb"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)

var errFault = errors.New("injected fault")

// world is an Issuer with an in-memory store and a Cognito that answers
// immediately. It records the effects in order.
type world struct {
	t       *testing.T
	clock   *fake.Clock
	ring    *seal.Ring
	memory  *memory.Store
	config  token.Config
	effects []string

	// fault is called before each effect. An error makes the effect fail, applied
	// or not.
	fault func(effect string) (applied bool, err error)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ring, err := seal.Parse(seal.Generate())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, clock: fake.NewClock(), ring: ring}
	w.memory = memory.NewStore(w.clock.Now)
	keys := func(context.Context) (*seal.Ring, error) { return w.ring, nil }
	apps := grants.NewAppClients(w.memory, w.clock.Now)
	ender, err := grants.New(grants.Config{Store: store{w.memory, w}, AppClients: apps, Cognito: cognito{w}, Keys: keys, Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	w.config = token.Config{
		Store: store{w.memory, w}, Clients: clients.New(broker.ModeBrokered, w.memory, w.clock.Now), AppClients: apps, Ender: ender,
		Cognito: cognito{w}, Provisioner: provisioner{w}, AccessTokens: noTokens{}, Keys: keys, Now: w.clock.Now, Log: slog.New(slog.DiscardHandler),
	}
	return w
}

func (w *world) issuer() *token.Issuer {
	w.t.Helper()
	i, err := token.New(w.config)
	if err != nil {
		w.t.Fatal(err)
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

// store is the in-memory store with recorded effects.
type store struct {
	*memory.Store
	w *world
}

func (s store) Grant(ctx context.Context, id string) (g *broker.Grant, err error) {
	err = s.w.do("read grant", func() (err error) { g, err = s.Store.Grant(ctx, id); return err })
	return g, err
}

func (s store) CreateGrant(ctx context.Context, g *broker.Grant) error {
	return s.w.do("create grant", func() error { return s.Store.CreateGrant(ctx, g) })
}

func (s store) ReplaceGrant(ctx context.Context, g *broker.Grant) error {
	return s.w.do("replace grant", func() error { return s.Store.ReplaceGrant(ctx, g) })
}

// cognito issues tokens that are valid for an hour.
type cognito struct{ w *world }

func (c cognito) tokens() broker.Tokens {
	now := c.w.clock.Now()
	claims := fmt.Sprintf(`{"sub":"ann","iat":%d,"exp":%d,"jti":%q}`, now.Unix(), now.Add(time.Hour).Unix(), credential.NewID())
	return broker.Tokens{
		AccessToken: "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".x", AppSecret: "s3cret",
		IssuedAt: now, ExpiresAt: now.Add(time.Hour),
	}
}

func (c cognito) Refresh(_ context.Context, _ broker.AppCredentials, _ string) (t broker.Tokens, err error) {
	err = c.w.do("refresh at Cognito", func() error { t = c.tokens(); return nil })
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
		a := &broker.AppClient{Key: key, Kind: broker.KindDedicated, State: broker.AppClientReady, CognitoID: "own", Scopes: []string{"a"}, CreatedAt: p.w.clock.Now()}
		a.Secret = p.w.ring.Seal(broker.SecretPurpose, a.SecretOwner(), "s3cret")
		return p.w.memory.CreateAppClient(ctx, a)
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
	w.t.Helper()
	c := clients.Credentials{ID: "dcr_" + credential.NewID()}
	r := &broker.Registration{
		ClientID: c.ID, Generation: "g", Mode: broker.ModeBrokered, State: broker.RegistrationActive, IssuedAt: w.clock.Now(),
		Metadata: dcr.ClientMetadata{TokenEndpointAuthMethod: dcr.AuthNone, GrantTypes: grantTypes, Scope: "a"},
	}
	if slices.Contains(grantTypes, dcr.GrantClientCredentials) {
		c.Secret = "s"
		r.Metadata.TokenEndpointAuthMethod, r.SecretHash = dcr.AuthSecretBasic, credential.Presented("s").Hash()
	}
	if err := w.memory.CreateRegistration(w.t.Context(), r); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// grant stores a grant of c and returns it with its code.
func (w *world) grant(c clients.Credentials) (*broker.Grant, credential.Token) {
	w.t.Helper()
	id, now := credential.NewID(), w.clock.Now()
	code := credential.NewAuthorizationCode(id)
	t := cognito{w}.tokens()
	t.RefreshToken = "cognito-refresh-token"
	g := &broker.Grant{
		ID: id, ClientID: c.ID, Generation: "g", User: broker.User{Sub: "ann"}, Scopes: []string{"a"},
		Code: code.Hash(), CodeExpiresAt: now.Add(broker.CodeLifetime), RedirectURI: redirect, Challenge: broker.PKCEChallenge(verifier),
		AppClient: "profile/open", CognitoID: "app", Tokens: w.ring.Seal(broker.SealGrant, id, t.Encode()),
		CreatedAt: now, ExpiresAt: now.Add(30 * 24 * time.Hour),
	}
	if err := w.memory.CreateGrant(w.t.Context(), g); err != nil {
		w.t.Fatal(err)
	}
	return g, code
}

func codeRequest(c clients.Credentials, code credential.Token) token.Request {
	return token.Request{Client: c, GrantType: dcr.GrantAuthorizationCode, Code: code.Reveal(), RedirectURI: redirect, Verifier: verifier}
}

func refreshRequest(c clients.Credentials, refreshToken string) token.Request {
	return token.Request{Client: c, GrantType: dcr.GrantRefreshToken, RefreshToken: credential.Presented(refreshToken)}
}

// ask sends the request and fails unless it gets a response.
func (w *world) ask(i *token.Issuer, r token.Request) *token.Response {
	w.t.Helper()
	a, err := i.Token(w.t.Context(), r)
	if err != nil {
		w.t.Fatalf("Token with %s = %v", r.GrantType, err)
	}
	return a
}

// wantRefused checks that err is a refusal with the code want.
func wantRefused(t *testing.T, err error, want dcr.Code) {
	t.Helper()
	if e, ok := errors.AsType[*dcr.Error](err); !ok || e.Code != want {
		t.Errorf("got %v, want the refusal %s", err, want)
	}
}
