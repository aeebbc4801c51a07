package authorize

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
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

// policyDocument lets strangers register what presets, loopback and a pattern
// of the operator allow. Consents are remembered where that is possible.
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

// setup is what a world can be given.
type setup struct {
	tls       bool
	login     int
	binding   bool
	quota     int
	resources []broker.Resource
	timeout   time.Duration
}

// world is the front before a local Cognito that checks what Cognito checks.
type world struct {
	t       testing.TB
	clock   *fake.Clock
	cognito *emulator.Cognito
	base    string // Cognito's origin
	store   *fake.Store
	grants  *fake.FaultyGrants
	keys    *seal.Ring
	front   *Front
	server  *httptest.Server
	issuer  string
	log     *bytes.Buffer
}

func newWorld(t testing.TB, change ...func(*setup)) *world {
	t.Helper()
	s := setup{login: 2, resources: []broker.Resource{{URL: notes, Name: "Notes", Scopes: []string{"openid", "email", "notes/read", "notes/write"}}}}
	for _, c := range change {
		c(&s)
	}
	w := &world{t: t, clock: fake.NewClock(), log: new(bytes.Buffer)}
	w.openCognito(s)

	memory := memory.NewStore(w.clock.Now)
	w.store, w.grants = fake.NewStore(memory), fake.NewFaultyGrants(memory)
	var err error
	if w.keys, err = seal.Parse(seal.Generate()); err != nil {
		t.Fatal(err)
	}
	rt := httpapi.NewRouter(slog.New(slog.NewTextHandler(&lockedWriter{w: w.log}, nil)))
	if s.tls {
		w.server = httptest.NewTLSServer(rt)
	} else {
		w.server = httptest.NewServer(rt)
	}
	t.Cleanup(w.server.Close)
	w.issuer = w.server.URL
	w.openFront(s)
	w.front.Mount(rt)
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

func (w *world) openFront(s setup) {
	t := w.t
	p, err := policy.Parse([]byte(policyDocument), broker.Deployment{Scopes: allScopes, Mode: broker.ModeBrokered})
	if err != nil {
		t.Fatalf("policy: %v", err)
	}
	inForce := func(context.Context) (*policy.Policy, error) { return p, nil }
	settings := cognito.DefaultSettings()
	settings.Callback, settings.SignOut = w.issuer+CallbackPath, w.issuer+SignedOutPath
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
	look, err := pages.New(pages.Brand{Name: "Example"})
	if err != nil {
		t.Fatal(err)
	}
	w.front, err = New(Config{
		Issuer: w.issuer, Clients: clients.NewBrokered(w.store, w.clock.Now), AppClients: w.store, Grants: w.grants,
		Provisioner: provisioning, Policy: inForce, Keys: w.keys, Pages: look, Resources: s.resources,
		ScopeDescriptions: map[string]string{"notes/read": "Read your notes"}, ResourceBinding: s.binding,
		LoginVersion: s.login, RefreshLifetime: 30 * 24 * time.Hour, Now: w.clock.Now,
		Cognito: cognitoauth.New(cognitoauth.Config{
			AuthorizeEndpoint: w.base + "/oauth2/authorize", TokenEndpoint: w.base + "/oauth2/token",
			RevocationEndpoint: w.base + "/oauth2/revoke", LogoutEndpoint: w.base + "/logout", Timeout: s.timeout,
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.front.pause = func(context.Context, time.Duration) {}
}

// api is Cognito's API.
func (w *world) api() *cip.Client {
	return cip.New(cip.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(w.base),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
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
		reg.Voucher = broker.Voucher(credential.NewID())
	}
	if change != nil {
		change(reg)
	}
	if err := w.store.CreateRegistration(w.t.Context(), reg); err != nil {
		w.t.Fatal(err)
	}
	return reg.ClientID
}

// asking are the parameters of an ordinary request, with changes: name, value
// and so on. The value "-" takes a parameter out.
func asking(clientID, redirectURI string, changes ...string) url.Values {
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
	for g, err := range w.grants.ListGrants(w.t.Context()) {
		if err != nil {
			w.t.Fatal(err)
		}
		list = append(list, g)
	}
	return list
}

// wantCode fails unless u is the redirect URI with a code that a grant has, our
// iss and the state; it returns the grant.
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
	g, err := w.grants.Grant(w.t.Context(), id)
	if err != nil {
		w.t.Fatalf("grant of the code: %v", err)
	}
	if !g.Code.Matches(code) {
		w.t.Error("the grant has another code")
	}
	return g
}

// wantError fails unless u is the redirect URI with that error, our iss and the
// state, and no code.
func (w *world) wantError(u *url.URL, redirectURI, code string) {
	w.t.Helper()
	q := u.Query()
	if !strings.HasPrefix(u.String(), redirectURI+"?") || q.Get("error") != code || q.Get("iss") != w.issuer ||
		q.Get("state") != "the state & more" || q.Has("code") {
		w.t.Errorf("target = %s, want %s with error %s, iss and state", u, redirectURI, code)
	}
}

// calls counts what a request asks of the store.
func (w *world) calls() int {
	n := 0
	for _, m := range w.store.Methods() {
		n += w.store.Calls(m)
	}
	for _, m := range w.grants.Methods() {
		n += w.grants.Calls(m)
	}
	return n
}

// dedicated is the key of the app client of a registration.
func (w *world) dedicated(clientID string) string {
	w.t.Helper()
	reg, err := w.store.Registration(w.t.Context(), clientID)
	if err != nil {
		w.t.Fatal(err)
	}
	return broker.DedicatedAppClientKey(clientID, reg.Generation)
}

// deleteAppClient removes an app client at Cognito, as the operator might.
func (w *world) deleteAppClient(id string) {
	w.t.Helper()
	_, err := w.api().DeleteUserPoolClient(w.t.Context(), &cip.DeleteUserPoolClientInput{ClientId: &id, UserPoolId: aws.String("us-east-1_local00001")})
	if err != nil {
		w.t.Fatal(err)
	}
}

// redirectTokenEndpoint puts another server in the place of Cognito's token
// endpoint.
func (w *world) redirectTokenEndpoint(to string) {
	w.front.Cognito = cognitoauth.New(cognitoauth.Config{
		AuthorizeEndpoint: w.base + "/oauth2/authorize", TokenEndpoint: to, RevocationEndpoint: w.base + "/oauth2/revoke", LogoutEndpoint: w.base + "/logout",
	})
}
