package authorize

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/dcr-broker/dcr-broker/internal/adapter/cognito"
	"github.com/dcr-broker/dcr-broker/internal/adapter/cognitoauth"
	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/provision"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

const (
	notes    = "https://mcp.example.com/mcp"
	files    = "https://files.example.com/mcp"
	webURI   = "https://claude.ai/api/mcp/auth_callback"
	evilURI  = "https://evil.example.com/cb"
	deskURI  = "http://127.0.0.1/callback"
	appURI   = "com.example.app:/callback"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)

// policyDocument has a profile for open registration, with presets, loopback and
// redirect URIs of the operator. Its consents are stored where that is possible.
const policyDocument = `{"version": 1, "open_registration": "open", "profiles": {
	"open": {
		"redirect_uris": {"presets": ["claude", "cursor"], "loopback": true, "https": ["https://evil.example.com/cb"], "private_use_schemes": ["com.example.app"]},
		"consent": "remember"
	},
	"asking": {"redirect_uris": {"any_https": true, "loopback": true}, "app_client": "shared"},
	"staff": {"redirect_uris": {"any_https": true}, "app_client": "dedicated", "consent": "remember", "users": {"groups": ["staff"]}},
	"narrow": {"redirect_uris": {"any_https": true}, "app_client": "shared", "scopes": {"allowed": ["openid", "notes/read", "notes/write"], "default": ["notes/read"]}}
}}`

var allScopes = []string{"openid", "email", "notes/read", "notes/write", "files/read"}

var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// setup is what a test can change in a world.
type setup struct {
	tls       bool
	login     int
	binding   bool
	quota     int
	resources []broker.Resource
	timeout   time.Duration
}

// world is the endpoint before a local Cognito that checks what Cognito checks.
type world struct {
	t       testing.TB
	clock   *fake.Clock
	cognito *emulator.Cognito
	base    string // Cognito's origin
	store   *fake.Store
	keys    *seal.Ring
	oauth   *oauth
	flow    *authorization.Flow
	server  *httptest.Server
	issuer  string
	log     *bytes.Buffer
	logger  *slog.Logger
	// pause is what the flow waits with; keysErr is the error of reading the keys.
	pause   func(context.Context, time.Duration) error
	keysErr error
}

// oauth is Cognito's OAuth endpoints, which a test may exchange.
type oauth struct{ *cognitoauth.Client }

func newWorld(t testing.TB, change ...func(*setup)) *world {
	t.Helper()
	s := setup{login: 2, resources: []broker.Resource{{URL: notes, Name: "Notes", Scopes: []string{"openid", "email", "notes/read", "notes/write"}}}}
	for _, c := range change {
		c(&s)
	}
	w := &world{t: t, clock: fake.NewClock(), log: new(bytes.Buffer)}
	w.logger = slog.New(slog.NewTextHandler(&lockedWriter{w: w.log}, nil))
	w.pause = func(context.Context, time.Duration) error { return nil }
	w.openCognito(s)

	memory := memory.NewStore(w.clock.Now)
	w.store = fake.NewStore(memory)
	var err error
	if w.keys, err = seal.Parse(seal.Generate()); err != nil {
		t.Fatal(err)
	}
	rt := httpapi.NewRouter(w.logger)
	if s.tls {
		w.server = httptest.NewTLSServer(rt)
	} else {
		w.server = httptest.NewServer(rt)
	}
	t.Cleanup(w.server.Close)
	w.issuer = w.server.URL
	w.openFlow(s)
	w.endpoint().Mount(rt)
	return w
}

func (w *world) openCognito(s setup) {
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.cognito.ServeHTTP(rw, r) }))
	w.t.Cleanup(server.Close)
	w.base = server.URL
	var err error
	w.cognito, err = emulator.New(emulator.Config{
		BaseURL: server.URL,
		Users: []emulator.User{
			{Name: "alice", Password: "Correct-Horse-9", Email: "alice@example.com", Groups: []string{"staff"}},
			{Name: "bob", Password: "Battery-Staple-9"},
		},
		ResourceServers: []emulator.ResourceServer{
			{Identifier: "notes", Scopes: []string{"read", "write"}}, {Identifier: "files", Scopes: []string{"read"}},
		},
		ManagedLogin: s.login, AppClientQuota: s.quota, NoRateLimit: true, Now: w.clock.Now, Key: signingKey(),
	})
	if err != nil {
		w.t.Fatalf("local Cognito: %v", err)
	}
}

func (w *world) openFlow(s setup) {
	t := w.t
	p, err := policy.Parse([]byte(policyDocument), broker.Deployment{Scopes: allScopes, Mode: broker.ModeBrokered})
	if err != nil {
		t.Fatalf("policy: %v", err)
	}
	inForce := func(context.Context) (*policy.Policy, error) { return p, nil }
	settings := cognito.DefaultSettings()
	settings.Callback, settings.SignOut = w.issuer+broker.CallbackPath, w.issuer+broker.SignedOutPath
	apps, err := cognito.New(w.api(), cognito.Config{
		Pool: "us-east-1_local00001", Deployment: "test", Settings: settings, Slots: w.store, Now: w.clock.Now,
		Sleep: func(context.Context, time.Duration) error { w.clock.Advance(time.Second); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	provisioning, err := provision.New(provision.Config{
		Store: w.store, Pool: apps, Deployment: "test", Policy: inForce, Branding: s.login == 2, Now: w.clock.Now, Log: slog.New(slog.DiscardHandler),
		Keys: func(context.Context) (*seal.Ring, error) { return w.keys, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.oauth = &oauth{cognitoauth.New(cognitoauth.Config{
		AuthorizeEndpoint: w.base + "/oauth2/authorize", TokenEndpoint: w.base + "/oauth2/token",
		RevocationEndpoint: w.base + "/oauth2/revoke", LogoutEndpoint: w.base + "/logout", Timeout: s.timeout,
	})}
	w.flow, err = authorization.New(authorization.Config{
		Issuer: w.issuer, Clients: clients.New(broker.ModeBrokered, w.store, w.clock.Now), Store: w.store,
		Provisioner: provisioning, Policy: inForce, Resources: s.resources, ResourceBinding: s.binding,
		Keys:    func(context.Context) (*seal.Ring, error) { return w.keys, w.keysErr },
		Cognito: w.oauth, LoginVersion: s.login, RefreshLifetime: 30 * 24 * time.Hour, Now: w.clock.Now,
		Pause: func(ctx context.Context, d time.Duration) error { return w.pause(ctx, d) }, Log: w.logger,
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) endpoint() *Endpoint {
	w.t.Helper()
	look, err := pages.New(pages.Brand{Name: "Example"})
	if err != nil {
		w.t.Fatal(err)
	}
	e, err := New(Config{Issuer: w.issuer, Flow: w.flow, Pages: look, ScopeDescriptions: map[string]string{"notes/read": "Read your notes"}})
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// api calls Cognito's API.
func (w *world) api() *cip.Client {
	return cip.New(cip.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(w.base),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
}

// randomText has the form of a secret, a state or a CSRF token, but the broker
// did not make it.
func randomText() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// register stores a registration and returns its client_id.
func (w *world) register(profile string, change func(*broker.Registration), redirectURIs ...string) string {
	w.t.Helper()
	reg := &broker.Registration{
		ClientID: "dcr_" + credential.NewID(), Generation: credential.NewID(), Mode: broker.ModeBrokered,
		State: broker.RegistrationActive, Profile: profile, IssuedAt: w.clock.Second(),
		Metadata: dcr.ClientMetadata{
			RedirectURIs: redirectURIs, TokenEndpointAuthMethod: dcr.AuthNone, ClientName: "Client",
			GrantTypes: []string{dcr.GrantAuthorizationCode, dcr.GrantRefreshToken}, ResponseTypes: []string{dcr.ResponseTypeCode},
			Scope: strings.Join(allScopes, " "),
		},
	}
	if profile != "open" {
		reg.InitialAccessToken = credential.NewID()
	}
	if change != nil {
		change(reg)
	}
	if err := w.store.CreateRegistration(w.t.Context(), reg); err != nil {
		w.t.Fatal(err)
	}
	return reg.ClientID
}

// requestOf returns the parameters of an ordinary request, with changes: name, value
// and so on. The value "-" removes a parameter.
func requestOf(clientID, redirectURI string, changes ...string) url.Values {
	v := url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {redirectURI}, "state": {"the state & more"},
		"scope": {"notes/read"}, "code_challenge": {broker.PKCEChallenge(verifier)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(changes); i += 2 {
		v.Set(changes[i], changes[i+1])
		if changes[i+1] == "-" {
			v.Del(changes[i])
		}
	}
	return v
}

// allGrants returns all grants.
func (w *world) allGrants() []*broker.Grant {
	w.t.Helper()
	var list []*broker.Grant
	for g, err := range w.store.ListGrants(w.t.Context()) {
		if err != nil {
			w.t.Fatal(err)
		}
		list = append(list, g)
	}
	return list
}

// wantCode fails unless u is the redirect URI with iss, state, and the code of
// a grant. It returns the grant.
func (w *world) wantCode(u *url.URL, redirectURI string) *broker.Grant {
	w.t.Helper()
	q := u.Query()
	if !strings.HasPrefix(u.String(), redirectURI+"?") || q.Get("iss") != w.issuer || q.Get("state") != "the state & more" || q.Has("error") {
		w.t.Errorf("target = %s, want %s with iss and state", u, redirectURI)
	}
	code := credential.Presented(q.Get("code"))
	id, err := credential.GrantID(code)
	if err != nil {
		w.t.Fatalf("code %q: %v", q.Get("code"), err)
	}
	g, err := w.store.Grant(w.t.Context(), id)
	if err != nil {
		w.t.Fatalf("grant of the code: %v", err)
	}
	if !g.Code.Matches(code) {
		w.t.Error("the grant has another code")
	}
	return g
}

// wantError fails unless u is the redirect URI with the error, iss and state,
// and without a code.
func (w *world) wantError(u *url.URL, redirectURI, code string) {
	w.t.Helper()
	q := u.Query()
	if !strings.HasPrefix(u.String(), redirectURI+"?") || q.Get("error") != code || q.Get("iss") != w.issuer ||
		q.Get("state") != "the state & more" || q.Has("code") {
		w.t.Errorf("target = %s, want %s with error %s, iss and state", u, redirectURI, code)
	}
}

// calls returns the number of calls of the store.
func (w *world) calls() int {
	n := 0
	for _, m := range w.store.Methods() {
		n += w.store.Calls(m)
	}
	return n
}

// dedicated returns the key of the app client of a registration.
func (w *world) dedicated(clientID string) string {
	w.t.Helper()
	reg, err := w.store.Registration(w.t.Context(), clientID)
	if err != nil {
		w.t.Fatal(err)
	}
	return broker.DedicatedAppClientKey(clientID, reg.Generation)
}

// deleteAppClient deletes an app client at Cognito, as an operator can.
func (w *world) deleteAppClient(id string) {
	w.t.Helper()
	_, err := w.api().DeleteUserPoolClient(w.t.Context(), &cip.DeleteUserPoolClientInput{ClientId: &id, UserPoolId: aws.String("us-east-1_local00001")})
	if err != nil {
		w.t.Fatal(err)
	}
}

// redirectTokenEndpoint replaces Cognito's token endpoint by another server.
func (w *world) redirectTokenEndpoint(to string) {
	w.oauth.Client = cognitoauth.New(cognitoauth.Config{
		AuthorizeEndpoint: w.base + "/oauth2/authorize", TokenEndpoint: to, RevocationEndpoint: w.base + "/oauth2/revoke", LogoutEndpoint: w.base + "/logout",
	})
}
