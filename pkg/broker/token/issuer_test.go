package token_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
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

// world is an Issuer with a store in memory and a Cognito that answers at once.
// It records the effects in their order.
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

// do records an effect and lets it fail if the test says so.
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

// store is the store in memory with effects.
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

// cognito issues tokens for an hour.
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

// provisioner makes the record of a client's own app client.
type provisioner struct{ w *world }

func (p provisioner) Provision(ctx context.Context, key string) error {
	return p.w.do("provision", func() error {
		a := &broker.AppClient{Key: key, Kind: broker.KindDedicated, State: broker.AppClientReady, CognitoID: "own", Scopes: []string{"a"}, CreatedAt: p.w.clock.Now()}
		a.Secret = p.w.ring.Seal(broker.SecretPurpose, a.SecretOwner(), "s3cret")
		return p.w.memory.CreateAppClient(ctx, a)
	})
}

// noTokens knows no access token.
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

// ask sends the request and expects a response.
func (w *world) ask(i *token.Issuer, r token.Request) *token.Response {
	w.t.Helper()
	a, err := i.Token(w.t.Context(), r)
	if err != nil {
		w.t.Fatalf("Token with %s = %v", r.GrantType, err)
	}
	return a
}

// wantRefused checks that err is a refusal with that code.
func wantRefused(t *testing.T, err error, want dcr.Code) {
	t.Helper()
	if e, ok := errors.AsType[*dcr.Error](err); !ok || e.Code != want {
		t.Errorf("got %v, want the refusal %s", err, want)
	}
}

// The order of effects: a code or a refresh token is used up after Cognito has
// answered, and Cognito is called only for an old access token.
func TestOrderOfEffects(t *testing.T) {
	w := newWorld(t)
	i, c := w.issuer(), w.client(dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
	want := func(name string, want ...string) {
		t.Helper()
		if !slices.Equal(w.effects, want) {
			t.Errorf("%s: effects %q, want %q", name, w.effects, want)
		}
		w.effects = nil
	}
	_, code := w.grant(c)
	a := w.ask(i, codeRequest(c, code))
	want("code", "read grant", "replace grant")
	w.ask(i, refreshRequest(c, a.RefreshToken))
	want("refresh", "read grant", "refresh at Cognito", "replace grant")

	_, old := w.grant(c)
	w.clock.Advance(4 * time.Minute) // the access token is good for an hour
	w.ask(i, codeRequest(c, old))
	want("code, access token is not old", "read grant", "replace grant")

	own := w.client(dcr.GrantClientCredentials)
	w.ask(i, token.Request{Client: own, GrantType: dcr.GrantClientCredentials})
	want("client credentials", "provision", "read grant", "create grant", "token from Cognito")
}

// Each effect of a request with a code or refresh token fails once, in both ways.
// The request succeeds or can be repeated. Then the refresh token that was handed
// out is one of the stored grant, and works.
func TestAfterEachFault(t *testing.T) {
	requests := map[string]func(*world, *token.Issuer, clients.Credentials) token.Request{
		"code, with an old access token": func(w *world, _ *token.Issuer, c clients.Credentials) token.Request {
			w.clock.Advance(-40 * time.Minute)
			g, code := w.grant(c)
			w.clock.Advance(40 * time.Minute)
			g.CodeExpiresAt = w.clock.Now().Add(broker.CodeLifetime)
			if err := w.memory.ReplaceGrant(w.t.Context(), g); err != nil {
				w.t.Fatal(err)
			}
			return codeRequest(c, code)
		},
		"refresh": func(w *world, i *token.Issuer, c clients.Credentials) token.Request {
			_, code := w.grant(c)
			return refreshRequest(c, w.ask(i, codeRequest(c, code)).RefreshToken)
		},
	}
	for name, request := range requests {
		for _, effect := range []string{"read grant", "refresh at Cognito", "replace grant"} {
			for _, applied := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s, applied %t", name, effect, applied), func(t *testing.T) {
					w := newWorld(t)
					i, c := w.issuer(), w.client(dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
					r := request(w, i, c)
					w.fault = func(e string) (bool, error) {
						if e != effect {
							return false, nil
						}
						w.fault = nil
						if e == "refresh at Cognito" {
							return applied, &broker.UpstreamError{RetryAfter: 7 * time.Second, Cause: errFault}
						}
						return applied, errFault
					}
					w.effects = nil
					a, err := i.Token(t.Context(), r)
					if err != nil {
						wantRefused(t, err, dcr.Unavailable)
						a = w.ask(i, r)
					}
					if !slices.Contains(w.effects, effect) {
						t.Errorf("effects %q, want %s among them", w.effects, effect)
					}
					next := credential.Presented(a.RefreshToken)
					id, err := credential.GrantID(next)
					if err != nil {
						t.Fatal(err)
					}
					g, err := w.memory.Grant(t.Context(), id)
					if err != nil || !slices.Contains(g.Live, next.Hash()) || !g.EndedAt.IsZero() || !g.CodeUsed {
						t.Errorf("stored grant %+v, %v; want it standing, with its code used and the refresh token of the response", g, err)
					}
					w.ask(i, refreshRequest(c, a.RefreshToken))
				})
			}
		}
	}
}

// A refresh token stays valid while Cognito does not answer, however often the
// client repeats the request.
func TestRefreshTokenIsNotUsedUpBeforeCognitoAnswers(t *testing.T) {
	w := newWorld(t)
	i, c := w.issuer(), w.client(dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
	_, code := w.grant(c)
	r := refreshRequest(c, w.ask(i, codeRequest(c, code)).RefreshToken)
	w.fault = func(effect string) (bool, error) {
		if effect == "refresh at Cognito" {
			return false, &broker.UpstreamError{RetryAfter: 7 * time.Second, Cause: errFault}
		}
		return false, nil
	}
	w.effects = nil
	for range 3 {
		_, err := i.Token(t.Context(), r)
		wantRefused(t, err, dcr.Unavailable)
		if e, ok := errors.AsType[*dcr.Error](err); ok && e.RetryAfter != 7*time.Second {
			t.Errorf("RetryAfter = %s, want Cognito's 7 s", e.RetryAfter)
		}
		w.clock.Advance(2 * broker.ReuseWindow)
	}
	if slices.Contains(w.effects, "replace grant") {
		t.Errorf("effects %q, want the grant unchanged", w.effects)
	}
	w.fault = nil
	w.ask(i, r)
}

// If another request uses the token first, the verdict is made again: within the
// reuse window the token yields a sibling, and both refresh tokens stay valid.
func TestVerdictIsMadeAgainAfterAConflict(t *testing.T) {
	w := newWorld(t)
	i, c := w.issuer(), w.client(dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
	g, code := w.grant(c)
	r := refreshRequest(c, w.ask(i, codeRequest(c, code)).RefreshToken)
	var other *token.Response
	w.fault = func(effect string) (bool, error) {
		if effect == "replace grant" {
			w.fault = nil
			other = w.ask(i, r)
		}
		return false, nil
	}
	a := w.ask(i, r)
	stored, err := w.memory.Grant(t.Context(), g.ID)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"this": a.RefreshToken, "the other": other.RefreshToken} {
		if !slices.Contains(stored.Live, credential.Presented(text).Hash()) {
			t.Errorf("the refresh token of %s request is not stored", name)
		}
	}
}

// Every grant type that a client can register has an implementation.
func TestEveryGrantTypeIsImplemented(t *testing.T) {
	for _, grantType := range dcr.GrantTypes() {
		w := newWorld(t)
		_, err := w.issuer().Token(t.Context(), token.Request{Client: w.client(grantType), GrantType: grantType})
		if _, ok := errors.AsType[*dcr.Error](err); err != nil && !ok {
			t.Errorf("%s: %v, want a response or a refusal", grantType, err)
		}
	}
	w := newWorld(t)
	c := w.client(dcr.GrantAuthorizationCode)
	_, err := w.issuer().Token(t.Context(), token.Request{Client: c, GrantType: "password"})
	wantRefused(t, err, broker.UnsupportedGrantType)
	_, err = w.issuer().Token(t.Context(), token.Request{Client: c, GrantType: dcr.GrantRefreshToken})
	wantRefused(t, err, broker.UnauthorizedClient)
	_, err = w.issuer().Token(t.Context(), token.Request{Client: c})
	wantRefused(t, err, dcr.InvalidRequest)
}

// Without keys nothing is read or changed, and the client may try again.
func TestWithoutKeysTheBrokerIsNotReady(t *testing.T) {
	w := newWorld(t)
	w.config.Keys = func(context.Context) (*seal.Ring, error) { return nil, errFault }
	i, c := w.issuer(), w.client(dcr.GrantAuthorizationCode)
	_, tokenErr := i.Token(t.Context(), token.Request{Client: c, GrantType: dcr.GrantAuthorizationCode})
	_, introspectErr := i.Introspect(t.Context(), token.IntrospectionRequest{Token: "x"})
	for name, err := range map[string]error{"Token": tokenErr, "Revoke": i.Revoke(t.Context(), token.Revocation{Client: c, Token: "x"}), "Introspect": introspectErr} {
		e, ok := errors.AsType[*broker.Refusal](err)
		if !ok || e.Code != dcr.Unavailable || e.RetryAfter != 10*time.Second || !errors.Is(err, errFault) {
			t.Errorf("%s = %v, want a refusal that names 10 s and has the cause", name, err)
		}
	}
	if len(w.effects) != 0 {
		t.Errorf("effects %q, want none", w.effects)
	}
}

func TestKeysAreReadOnceForEachRequest(t *testing.T) {
	w := newWorld(t)
	reads := 0
	w.config.Keys = func(context.Context) (*seal.Ring, error) { reads++; return w.ring, nil }
	i, c := w.issuer(), w.client(dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
	_, code := w.grant(c)
	a := w.ask(i, codeRequest(c, code))
	w.ask(i, refreshRequest(c, a.RefreshToken))
	if err := i.Revoke(t.Context(), token.Revocation{Client: c, Token: a.RefreshToken}); err != nil {
		t.Error(err)
	}
	if reads != 3 {
		t.Errorf("3 requests read the keys %d times, want 3", reads)
	}
}

func TestNewRefusesAMissingField(t *testing.T) {
	full := newWorld(t).config
	for i := range reflect.TypeFor[token.Config]().NumField() {
		name := reflect.TypeFor[token.Config]().Field(i).Name
		if name == "Resources" || name == "Introspectors" {
			continue
		}
		c := full
		reflect.ValueOf(&c).Elem().Field(i).SetZero()
		if _, err := token.New(c); err == nil {
			t.Errorf("no error without %s", name)
		}
	}
}

func TestNewRefusesIntrospectorsThatContradictTheResources(t *testing.T) {
	const notes, mail = "https://mcp.example.com/notes", "https://mcp.example.com/mail"
	c := newWorld(t).config
	c.Resources = []broker.Resource{{URL: notes, Scopes: []string{"a"}}, {URL: mail, Scopes: []string{"b"}}}
	secret := credential.Presented("s").Hash()
	for name, in := range map[string][]token.Introspector{
		"no id":            {{ID: "", Secret: secret, Resource: notes}},
		"no secret":        {{ID: "a", Resource: notes}},
		"unknown resource": {{ID: "a", Secret: secret, Resource: "https://other.example"}},
		"one id twice":     {{ID: "a", Secret: secret, Resource: notes}, {ID: "a", Secret: secret, Resource: mail}},
	} {
		c.Introspectors = in
		if _, err := token.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	c.Introspectors = []token.Introspector{{ID: "a", Secret: secret, Resource: notes}, {ID: "b", Secret: secret, Resource: notes}}
	if _, err := token.New(c); err != nil {
		t.Errorf("two introspectors of one resource: %v", err)
	}
}
