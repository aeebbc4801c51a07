package token_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/cognitoauth"
	"github.com/dcr-broker/dcr-broker/internal/adapter/jwt"
	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	endpoint "github.com/dcr-broker/dcr-broker/internal/endpoint/token"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	wiretoken "github.com/dcr-broker/dcr-broker/internal/wire/token"
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
	notes    = "https://mcp.example.com/notes"
	mail     = "https://mcp.example.com/mail"
	callback = "https://auth.example.com/callback"
	redirect = "http://localhost:7777/cb"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	pool     = "us-east-1_local00001"
	shared   = "profile/open"

	notesID, notesSecret = "notes", "n0tes-s3cret"
	mailID, mailSecret   = "mail", "m4il-s3cret"
)

var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// stack has the endpoints behind the router, as in production, with a local
// Cognito and an in-memory store. A test can make both fail.
type stack struct {
	t       testing.TB
	clock   *fake.Clock
	ring    *seal.Ring
	store   *memory.Store
	grants  *fake.Store
	records *fake.Store
	cognito *emulator.Cognito
	base    string
	up      *cognitoauth.Client
	config  token.Config
	handler http.Handler
	log     *logBuffer

	provisioned  []string // keys
	provisioning func(ctx context.Context, key string) error

	mu      sync.Mutex
	secrets []string // no log may contain them
	inner   []string // no answer may contain them either
}

type option func(*emulator.Config)

func managedLogin(c *emulator.Config) { c.ManagedLogin = 2 }

func newStack(t testing.TB, options ...option) *stack {
	t.Helper()
	var s *stack
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.cognito.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	s = newStackAt(t, server.URL, options...)
	return s
}

// newStackAt is newStack with a local Cognito at base, or with an unreachable
// one.
func newStackAt(t testing.TB, base string, options ...option) *stack {
	t.Helper()
	s := &stack{t: t, base: base, clock: fake.NewClock(), log: new(logBuffer)}
	c := emulator.Config{
		BaseURL:         base,
		PoolID:          pool,
		Users:           []emulator.User{{Name: "alice", Password: "Correct-Horse-9", Email: "alice@example.com"}},
		ResourceServers: []emulator.ResourceServer{{Identifier: notes, Scopes: []string{"read", "write"}}, {Identifier: mail, Scopes: []string{"send"}}},
		NoRateLimit:     true,
		Key:             signingKey(),
		Now:             s.clock.Now,
	}
	for _, o := range options {
		o(&c)
	}
	var err error
	if s.cognito, err = emulator.New(c); err != nil {
		t.Fatal(err)
	}
	if s.ring, err = seal.Parse(seal.Generate()); err != nil {
		t.Fatal(err)
	}
	s.store = memory.NewStore(s.clock.Now)
	s.records = fake.NewStore(s.store)
	s.grants = s.records
	s.up = s.patience(0)
	s.makeApp(shared, broker.KindShared, "code", "openid", notes+"/read", notes+"/write", mail+"/send")
	s.start(s.ring)
	t.Cleanup(s.checkLog)
	return s
}

// patience returns a client of Cognito with the timeout d; 0 is the default.
func (s *stack) patience(d time.Duration) *cognitoauth.Client {
	return cognitoauth.New(cognitoauth.Config{TokenEndpoint: s.base + "/oauth2/token", RevocationEndpoint: s.base + "/oauth2/revoke", Timeout: d})
}

// impatient runs f with a client of Cognito that has a very short timeout.
func (s *stack) impatient(f func()) {
	usual := s.up
	s.up = s.patience(100 * time.Millisecond)
	s.start(s.ring)
	f()
	s.up = usual
	s.start(s.ring)
}

// start makes the endpoints with these keys and with empty caches.
func (s *stack) start(ring *seal.Ring) {
	s.t.Helper()
	accessTokens, err := jwt.NewAccessTokens(jwt.AccessTokensConfig{Issuer: s.cognito.Issuer(), KeySet: s.cognito.Issuer() + "/.well-known/jwks.json", Now: s.clock.Now})
	if err != nil {
		s.t.Fatal(err)
	}
	s.config = token.Config{
		Clients:      clients.New(broker.ModeBrokered, s.records, s.clock.Now),
		Provisioner:  provisioner(s.provision),
		AccessTokens: wiretoken.AccessTokens{AccessTokens: accessTokens},
		Keys:         held(ring),
		Now:          s.clock.Now,
		Log:          slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Resources:    []broker.Resource{{URL: notes, Scopes: []string{notes + "/read", notes + "/write"}}, {URL: mail, Scopes: []string{mail + "/send"}}},
		Introspectors: []token.Introspector{
			{ID: notesID, Secret: credential.Presented(notesSecret).Hash(), Resource: notes},
			{ID: mailID, Secret: credential.Presented(mailSecret).Hash(), Resource: mail},
		},
	}
	s.use(s.grants, s.up)
	s.secret(notesSecret, mailSecret, verifier)
	s.serve()
}

// held returns a Keys that returns ring.
func held(ring *seal.Ring) func(context.Context) (*seal.Ring, error) {
	return func(context.Context) (*seal.Ring, error) { return ring, nil }
}

// grantStore is all that the use cases need of a store.
type grantStore interface {
	token.Store
	grants.Store
}

// cognito is all that the use cases need of Cognito.
type cognito interface {
	token.Cognito
	grants.Cognito
}

// use replaces the store and Cognito in s.config.
func (s *stack) use(store grantStore, up cognito) {
	s.t.Helper()
	s.config.Store, s.config.Cognito = store, up
	s.config.AppClients = grants.NewAppClients(s.records, s.clock.Now)
	s.config.Ender = s.ender(store, up)
}

func (s *stack) ender(store grants.Store, up grants.Cognito) *grants.Ender {
	s.t.Helper()
	apps := grants.NewAppClients(s.records, s.clock.Now)
	e, err := grants.New(grants.Config{Store: store, AppClients: apps, Cognito: up, Keys: held(s.ring), Now: s.clock.Now})
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

// conflicting is a store in which another request always writes first.
type conflicting struct{ grantStore }

func (conflicting) ReplaceGrant(context.Context, *broker.Grant) error { return broker.ErrConflict }

// serve makes the endpoints of s.config.
func (s *stack) serve() {
	s.t.Helper()
	issuer, err := token.New(s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	rt := httpapi.NewRouter(s.config.Log)
	endpoint.Routes(rt, issuer)
	rt.Handle(http.MethodPost, "/introspect", endpoint.Introspect(issuer))
	s.handler = rt
}

type provisioner func(ctx context.Context, key string) error

func (p provisioner) Provision(ctx context.Context, key string) error { return p(ctx, key) }

// provision makes the app client for client_credentials, or calls
// s.provisioning.
func (s *stack) provision(ctx context.Context, key string) error {
	s.mu.Lock()
	s.provisioned = append(s.provisioned, key)
	s.mu.Unlock()
	if s.provisioning != nil {
		return s.provisioning(ctx, key)
	}
	s.makeApp(key, broker.KindDedicated, "client_credentials", notes+"/read", notes+"/write", mail+"/send")
	return nil
}

// control calls Cognito's API.
func (s *stack) control(op string, in, out any) {
	s.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		s.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "AWSCognitoIdentityProviderService."+op)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=local")
	rec := httptest.NewRecorder()
	s.cognito.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		s.t.Fatalf("%s: %d %s", op, rec.Code, rec.Body)
	}
	if out != nil {
		if err := json.Unmarshal(rec.Body.Bytes(), out); err != nil {
			s.t.Fatal(err)
		}
	}
}

// makeApp makes an app client with the broker's usual settings, and its record.
// It replaces a former record.
func (s *stack) makeApp(key string, kind broker.AppClientKind, flow string, scopes ...string) *broker.AppClient {
	s.t.Helper()
	in := map[string]any{
		"UserPoolId": pool, "ClientName": "test", "GenerateSecret": true, "AllowedOAuthFlowsUserPoolClient": true,
		"AllowedOAuthFlows": []string{flow}, "AllowedOAuthScopes": scopes, "SupportedIdentityProviders": []string{"COGNITO"},
		"ExplicitAuthFlows": []string{"ALLOW_REFRESH_TOKEN_AUTH"}, "EnableTokenRevocation": true,
	}
	if flow == "code" {
		in["CallbackURLs"] = []string{callback}
	}
	var out struct {
		UserPoolClient struct{ ClientId, ClientSecret string }
	}
	s.control("CreateUserPoolClient", in, &out)
	a := &broker.AppClient{
		Key: key, Kind: kind, State: broker.AppClientReady, Marker: credential.NewID(), CognitoID: out.UserPoolClient.ClientId,
		Scopes: scopes, CreatedAt: s.clock.Now(),
	}
	s.sealSecret(a, out.UserPoolClient.ClientSecret)
	if old, err := s.store.AppClient(s.t.Context(), key); err == nil {
		if err := s.store.DeleteAppClient(s.t.Context(), key, old.Version); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := s.store.CreateAppClient(s.t.Context(), a); err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *stack) sealSecret(a *broker.AppClient, secret string) {
	s.innerSecret(secret)
	a.Secret = s.ring.Seal(broker.SecretPurpose, a.SecretOwner(), secret)
}

// client is a registered client.
type client struct {
	*broker.Registration
	secret string
}

// register makes a registration.
func (s *stack) register(method string, change ...func(*broker.Registration)) client {
	s.t.Helper()
	c := client{Registration: &broker.Registration{
		ClientID: "dcr_" + credential.NewID(), Generation: credential.NewID(), Mode: broker.ModeBrokered, State: broker.RegistrationActive, Profile: "open",
		Metadata: dcr.ClientMetadata{
			RedirectURIs: []string{redirect}, TokenEndpointAuthMethod: method, Scope: notes + "/read " + notes + "/write " + mail + "/send",
			GrantTypes: []string{dcr.GrantAuthorizationCode, dcr.GrantRefreshToken},
		},
		IssuedAt: s.clock.Now(),
	}}
	if method != dcr.AuthNone {
		secret := credential.NewClientSecret()
		c.secret, c.SecretHash = secret.Reveal(), secret.Hash()
		s.secret(c.secret)
	}
	for _, f := range change {
		f(c.Registration)
	}
	if err := s.store.CreateRegistration(s.t.Context(), c.Registration); err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *stack) public() client { s.t.Helper(); return s.register(dcr.AuthNone) }

func (s *stack) machine() client {
	s.t.Helper()
	return s.register(dcr.AuthSecretBasic, func(r *broker.Registration) {
		r.Metadata.GrantTypes, r.Metadata.RedirectURIs = []string{dcr.GrantClientCredentials}, nil
	})
}

// authentication returns how c authenticates: with an Authorization header or
// with parameters.
func (c client) authentication() (header, params string) {
	switch c.Metadata.TokenEndpointAuthMethod {
	case dcr.AuthSecretBasic:
		return basic(c.ClientID, c.secret), ""
	case dcr.AuthSecretPost:
		return "", "&client_id=" + c.ClientID + "&client_secret=" + c.secret
	}
	return "", "&client_id=" + c.ClientID
}

// signIn signs a user in at Cognito's pages with the broker's app client.
func (s *stack) signIn(extra ...string) broker.Tokens {
	s.t.Helper()
	a, err := s.store.AppClient(s.t.Context(), shared)
	if err != nil {
		s.t.Fatal(err)
	}
	secret, err := s.ring.Open(broker.SecretPurpose, a.SecretOwner(), a.Secret)
	if err != nil {
		s.t.Fatal(err)
	}
	q := url.Values{
		"response_type": {"code"}, "client_id": {a.CognitoID}, "redirect_uri": {callback}, "state": {"s"}, "scope": {"openid " + notes + "/read"},
		"code_challenge": {broker.PKCEChallenge(verifier)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(extra); i += 2 {
		q.Set(extra[i], extra[i+1])
	}
	back, err := emulator.NewBrowser().SignIn(s.t.Context(), s.base+"/oauth2/authorize?"+q.Encode(), "alice", "Correct-Horse-9")
	if err != nil {
		s.t.Fatal(err)
	}
	t, err := s.up.Redeem(s.t.Context(), broker.AppCredentials{ID: a.CognitoID, Secret: secret}, back.Query().Get("code"), verifier, callback)
	if err != nil {
		s.t.Fatal(err)
	}
	s.innerSecret(t.RefreshToken, t.IDToken)
	s.secret(t.AccessToken)
	return t
}

// allow makes the grant of a user who has signed in and allowed c, with its code,
// and remembers the consent.
func (s *stack) allow(c client, t broker.Tokens, change ...func(*broker.Grant)) (*broker.Grant, string) {
	s.t.Helper()
	a, err := s.store.AppClient(s.t.Context(), shared)
	if err != nil {
		s.t.Fatal(err)
	}
	id := broker.GrantID(s.ring, t.OriginJTI, 0)
	code := credential.NewAuthorizationCode(id)
	now := s.clock.Now()
	g := &broker.Grant{
		ID: id, ClientID: c.ClientID, Generation: c.Generation, User: broker.User{Sub: t.Sub, Username: t.User.Username},
		Scopes: slices.DeleteFunc(slices.Clone(t.Scopes), func(s string) bool { return s == "openid" }), Resource: notes, OriginJTI: t.OriginJTI,
		Code: code.Hash(), CodeExpiresAt: now.Add(broker.CodeLifetime), RedirectURI: redirect, Challenge: broker.PKCEChallenge(verifier),
		AppClient: shared, CognitoID: a.CognitoID, Tokens: s.ring.Seal(broker.SealGrant, id, t.Encode()), CreatedAt: now, ExpiresAt: now.Add(30 * 24 * time.Hour),
	}
	for _, f := range change {
		f(g)
	}
	if err := s.store.CreateGrant(s.t.Context(), g); err != nil {
		s.t.Fatal(err)
	}
	consent := &broker.Consent{Key: g.ConsentKey(s.ring), Sub: t.Sub, ClientID: c.ClientID, Scopes: g.Scopes, CreatedAt: now, ExpiresAt: now.Add(30 * 24 * time.Hour)}
	if err := s.store.PutConsent(s.t.Context(), consent); err != nil {
		s.t.Fatal(err)
	}
	s.secret(code.Reveal())
	return g, code.Reveal()
}

// code signs in, allows c, and returns the grant and its code.
func (s *stack) code(c client) (*broker.Grant, string) {
	s.t.Helper()
	return s.allow(c, s.signIn())
}

// codeForm returns the correct form for code.
func codeForm(code string) string {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}, "redirect_uri": {redirect}}.Encode()
}

func refreshForm(token string) string { return "grant_type=refresh_token&refresh_token=" + token }

// authorized returns a grant of c and the answer with its first tokens.
func (s *stack) authorized(c client) (*broker.Grant, answer) {
	s.t.Helper()
	g, code := s.code(c)
	return g, s.as(c, "/token", codeForm(code)).want(200, "")
}
