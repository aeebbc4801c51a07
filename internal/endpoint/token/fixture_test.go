package token_test

import (
	"context"
	"log/slog"
	"net/http"
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
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
	"github.com/dcr-broker/dcr-broker/test/world"
)

const (
	notes    = "https://mcp.example.com/notes"
	mail     = "https://mcp.example.com/mail"
	callback = "https://auth.example.com/callback"
	redirect = "http://localhost:7777/cb"
	verifier = world.Verifier
	shared   = "profile/open"

	notesID, notesSecret = "notes", "n0tes-s3cret"
	mailID, mailSecret   = "mail", "m4il-s3cret"
)

// offered are the scopes of the deployment.
var offered = []string{"openid", notes + "/read", notes + "/write", mail + "/send"}

// stack has the endpoints behind the router, as in production, with a local
// Cognito and an in-memory store. A test can make both fail.
type stack struct {
	*world.Brokered
	cognito *world.Cognito
	up      *cognitoauth.Client
	config  token.Config
	handler http.Handler
	log     *fake.Log

	provisioned  []string // keys
	provisioning func(ctx context.Context, key string) error

	mu      sync.Mutex
	secrets []string // no log may contain them
	inner   []string // no answer may contain them either
}

func newStack(t testing.TB) *stack { t.Helper(); return newStackOn(t, emulator.Config{}) }

// newStackOn is newStack with a configuration of the local Cognito.
func newStackOn(t testing.TB, c emulator.Config) *stack {
	t.Helper()
	s := &stack{Brokered: world.NewBrokeredWith(t, world.Options{Clock: fake.NewClock(), Scopes: offered}), log: new(fake.Log)}
	s.Log = slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c.ResourceServers = []emulator.ResourceServer{{Identifier: notes, Scopes: []string{"read", "write"}}, {Identifier: mail, Scopes: []string{"send"}}}
	c.Now = s.Now
	s.cognito = world.NewCognito(t, c)
	s.up = s.cognito.OAuth(0)
	s.makeApp(shared, "openid", notes+"/read", notes+"/write", mail+"/send")
	s.Conf.Resources = []broker.Resource{{URL: notes, Scopes: []string{notes + "/read", notes + "/write"}}, {URL: mail, Scopes: []string{mail + "/send"}}}
	s.Conf.IntrospectionClients = []configuration.IntrospectionClient{
		{ID: notesID, SecretSHA256: credential.Presented(notesSecret).Hash().String(), Resource: notes},
		{ID: mailID, SecretSHA256: credential.Presented(mailSecret).Hash().String(), Resource: mail},
	}
	s.start(s.Keys)
	t.Cleanup(s.checkLog)
	return s
}

// impatient runs f with a client of Cognito that has a very short timeout.
func (s *stack) impatient(f func()) {
	usual := s.up
	s.up = s.cognito.OAuth(100 * time.Millisecond)
	s.start(s.Keys)
	f()
	s.up = usual
	s.start(s.Keys)
}

// start makes the endpoints with these keys and with empty caches.
func (s *stack) start(ring *seal.Ring) {
	s.T.Helper()
	accessTokens, err := jwt.NewAccessTokens(jwt.AccessTokensConfig{Issuer: s.cognito.Issuer(), KeySet: s.cognito.Issuer() + "/.well-known/jwks.json", Now: s.Clock.Now})
	if err != nil {
		s.T.Fatal(err)
	}
	s.config = s.IssuerConfig(s.Store, s.up)
	s.config.Provisioner, s.config.AccessTokens = provisioner(s.provision), wiretoken.AccessTokens{AccessTokens: accessTokens}
	s.config.Keys = func(context.Context) (*seal.Ring, error) { return ring, nil }
	s.secret(notesSecret, mailSecret, verifier)
	s.serve()
}

// use replaces the store of the grants and Cognito in s.config.
func (s *stack) use(store broker.GrantStore, up world.OAuth) {
	s.T.Helper()
	c := s.IssuerConfig(store, up)
	s.config.Store, s.config.Cognito, s.config.Ender = c.Store, c.Cognito, c.Ender
}

// writing returns a store that calls do instead of each write of a grant.
func (s *stack) writing(do func(context.Context) error) *memory.Store {
	return s.Store.Hooked(func(ctx context.Context, operation string, apply func() error) error {
		if operation == "ReplaceGrant" {
			return do(ctx)
		}
		return apply()
	})
}

// serve makes the endpoints of s.config.
func (s *stack) serve() {
	s.T.Helper()
	issuer, err := token.New(s.config)
	if err != nil {
		s.T.Fatal(err)
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
	s.makeApp(key, notes+"/read", notes+"/write", mail+"/send")
	return nil
}

// makeApp makes an app client with the broker's usual settings, and its record.
// It replaces a former record.
func (s *stack) makeApp(key string, scopes ...string) *broker.AppClient {
	s.T.Helper()
	kind, uri := broker.KindDedicated, ""
	if key == shared {
		kind, uri = broker.KindShared, callback
	}
	app := s.cognito.CreateAppClient(uri, scopes...)
	s.innerSecret(app.Secret)
	return s.AddAppClient(key, kind, app, scopes...)
}

// client is a registered client.
type client struct {
	*broker.Registration
	secret string
}

// register makes a registration.
func (s *stack) register(method string, change ...func(*broker.Registration)) client {
	s.T.Helper()
	var c client
	c.Registration = s.AddClient(dcr.ClientMetadata{
		RedirectURIs: []string{redirect}, TokenEndpointAuthMethod: method, Scope: notes + "/read " + notes + "/write " + mail + "/send",
		GrantTypes: []string{dcr.GrantAuthorizationCode, dcr.GrantRefreshToken},
	}, append(change, func(r *broker.Registration) {
		if method != dcr.AuthNone {
			secret := credential.NewClientSecret()
			c.secret, r.SecretHash = secret.Reveal(), secret.Hash()
			s.secret(c.secret)
		}
	})...)
	return c
}

func (s *stack) public() client { s.T.Helper(); return s.register(dcr.AuthNone) }

func (s *stack) machine() client {
	s.T.Helper()
	return s.register(dcr.AuthSecretBasic, func(r *broker.Registration) {
		r.Profile, r.Metadata.GrantTypes, r.Metadata.RedirectURIs = "trusted", []string{dcr.GrantClientCredentials}, nil
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
	s.T.Helper()
	app := s.app(shared)
	q := url.Values{
		"response_type": {"code"}, "client_id": {app.ID}, "redirect_uri": {callback}, "state": {"s"}, "scope": {"openid " + notes + "/read"},
		"code_challenge": {broker.PKCEChallenge(verifier)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(extra); i += 2 {
		q.Set(extra[i], extra[i+1])
	}
	back := must.ParseURL(s.T, s.cognito.SignIn(emulator.NewBrowser(), s.cognito.URL+"/oauth2/authorize?"+q.Encode(), "alice"))
	t, err := s.up.Redeem(s.T.Context(), app, back.Query().Get("code"), verifier, callback)
	if err != nil {
		s.T.Fatal(err)
	}
	s.innerSecret(t.RefreshToken, t.IDToken)
	s.secret(t.AccessToken)
	return t
}

// allow makes the grant of a user who has signed in and allowed c, with its code,
// and remembers the consent.
func (s *stack) allow(c client, t broker.Tokens, change ...func(*broker.Grant)) (*broker.Grant, string) {
	s.T.Helper()
	g, code := s.AddGrant(c.Registration, t, redirect, append([]func(*broker.Grant){func(g *broker.Grant) {
		g.Scopes = slices.DeleteFunc(slices.Clone(t.Scopes), func(s string) bool { return s == "openid" })
		g.Resource, g.CognitoID = notes, s.app(shared).ID
	}}, change...)...)
	s.secret(code.Reveal())
	return g, code.Reveal()
}

// code signs in, allows c, and returns the grant and its code.
func (s *stack) code(c client) (*broker.Grant, string) {
	s.T.Helper()
	return s.allow(c, s.signIn())
}

// codeForm returns the correct form for code.
func codeForm(code string) string {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}, "redirect_uri": {redirect}}.Encode()
}

func refreshForm(token string) string { return "grant_type=refresh_token&refresh_token=" + token }

// authorized returns a grant of c and the answer with its first tokens.
func (s *stack) authorized(c client) (*broker.Grant, answer) {
	s.T.Helper()
	g, code := s.code(c)
	return g, s.as(c, "/token", codeForm(code)).want(200, "")
}
