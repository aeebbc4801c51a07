package authorize

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"github.com/dcr-broker/dcr-broker/internal/adapter/cognito"
	"github.com/dcr-broker/dcr-broker/internal/adapter/cognitoauth"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/provision"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	kit "github.com/dcr-broker/dcr-broker/test/world"
)

const (
	notes    = "https://mcp.example.com/mcp"
	files    = "https://files.example.com/mcp"
	webURI   = "https://claude.ai/api/mcp/auth_callback"
	evilURI  = "https://evil.example.com/cb"
	deskURI  = "http://127.0.0.1/callback"
	appURI   = "com.example.app:/callback"
	verifier = kit.Verifier
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

// setup has the settings of a world that a test can change.
type setup struct {
	tls       bool
	login     int
	binding   bool
	quota     int
	resources []broker.Resource
	pool      emulator.Config
}

// world is the endpoint in front of a local Cognito.
type world struct {
	*kit.Brokered
	cognito *kit.Cognito
	oauth   *oauth
	flow    *authorization.Flow
	server  *httptest.Server
	issuer  string
	log     *fake.Log
	pause   func(context.Context, time.Duration) error // with which the flow waits
}

// oauth is Cognito's OAuth endpoints, which a test may replace.
type oauth struct{ *cognitoauth.Client }

func newWorld(t testing.TB, change ...func(*setup)) *world {
	t.Helper()
	s := setup{login: 2, resources: []broker.Resource{{URL: notes, Name: "Notes", Scopes: []string{"openid", "email", "notes/read", "notes/write"}}}}
	for _, c := range change {
		c(&s)
	}
	clock := fake.NewClock()
	w := &world{log: new(fake.Log), pause: func(context.Context, time.Duration) error { return nil }}
	s.pool.ResourceServers = []emulator.ResourceServer{
		{Identifier: "notes", Scopes: []string{"read", "write"}}, {Identifier: "files", Scopes: []string{"read"}},
	}
	s.pool.ManagedLogin, s.pool.AppClientQuota, s.pool.Now = s.login, s.quota, clock.Now
	w.cognito = kit.NewCognito(t, s.pool)
	logger := slog.New(slog.NewTextHandler(w.log, nil))
	rt := httpapi.NewRouter(logger)
	if s.tls {
		w.server = httptest.NewTLSServer(rt)
	} else {
		w.server = httptest.NewServer(rt)
	}
	t.Cleanup(w.server.Close)
	w.issuer = w.server.URL
	w.Brokered = kit.NewBrokeredWith(t, kit.Options{
		Policy: policyDocument, Scopes: allScopes, Clock: clock, Branding: s.login == 2, Maker: w.appClients,
	})
	w.Log = logger
	w.openFlow(s)
	w.endpoint().Mount(rt)
	return w
}

// appClients makes the app clients at the local Cognito.
func (w *world) appClients(b *kit.Brokered) provision.Pool {
	settings := cognito.DefaultSettings()
	settings.Callback, settings.SignOut = w.issuer+broker.CallbackPath, w.issuer+broker.SignedOutPath
	apps, err := cognito.New(w.cognito.API(), cognito.Config{
		Pool: kit.PoolID, Deployment: "test", Settings: func(context.Context) (cognito.Settings, error) { return settings, nil }, Counters: b.Store, Now: b.Now,
		Sleep: func(context.Context, time.Duration) error { b.Wait(time.Second); return nil },
	})
	if err != nil {
		b.T.Fatal(err)
	}
	return apps
}

func (w *world) openFlow(s setup) {
	w.oauth = &oauth{w.cognito.OAuth(0)}
	c := w.FlowConfig(w.oauth)
	w.Conf.Resources, w.Conf.ResourceBinding = s.resources, s.binding
	c.Issuer, c.LoginVersion = w.issuer, s.login
	c.Pause = func(ctx context.Context, d time.Duration) error { return w.pause(ctx, d) }
	var err error
	if w.flow, err = authorization.New(c); err != nil {
		w.T.Fatal(err)
	}
}

func (w *world) endpoint() *Endpoint {
	w.T.Helper()
	branded, err := pages.New(pages.Brand{Name: "Example"})
	if err != nil {
		w.T.Fatal(err)
	}
	look := Look{branded, map[string]string{"notes/read": "Read your notes"}}
	e, err := New(Config{Issuer: w.issuer, Flow: w.flow, Look: func(context.Context) Look { return look }})
	if err != nil {
		w.T.Fatal(err)
	}
	return e
}

// randomText has the form of a secret, a state or a CSRF token, but the broker
// did not make it.
func randomText() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// register stores a registration and returns its client_id.
func (w *world) register(profile string, change func(*broker.Registration), redirectURIs ...string) string {
	w.T.Helper()
	if change == nil {
		change = func(*broker.Registration) {}
	}
	return w.AddClient(dcr.ClientMetadata{
		RedirectURIs: redirectURIs, TokenEndpointAuthMethod: dcr.AuthNone, ClientName: "Client",
		GrantTypes: []string{dcr.GrantAuthorizationCode, dcr.GrantRefreshToken}, ResponseTypes: []string{dcr.ResponseTypeCode},
		Scope: strings.Join(allScopes, " "),
	}, func(r *broker.Registration) {
		if r.Profile = profile; profile != "open" {
			r.Voucher = broker.Voucher(credential.NewID())
		}
	}, change).ClientID
}

// requestOf returns the parameters of an ordinary request, with changes: name,
// value and so on. The value "-" removes a parameter.
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

// wantCode fails unless u is the redirect URI with iss, state, and the code of
// a grant. It returns the grant.
func (w *world) wantCode(u *url.URL, redirectURI string) *broker.Grant {
	w.T.Helper()
	q := u.Query()
	if !strings.HasPrefix(u.String(), redirectURI+"?") || q.Get("iss") != w.issuer || q.Get("state") != "the state & more" || q.Has("error") {
		w.T.Errorf("target = %s, want %s with iss and state", u, redirectURI)
	}
	code := credential.Presented(q.Get("code"))
	id, err := credential.GrantID(code)
	if err != nil {
		w.T.Fatalf("code %q: %v", q.Get("code"), err)
	}
	g, err := w.Store.Grant(w.T.Context(), id)
	if err != nil {
		w.T.Fatalf("grant of the code: %v", err)
	}
	if !w.codeOf(g).Hash.Matches(code) {
		w.T.Error("the grant has another code")
	}
	return g
}

// codeOf returns the stored code of a grant.
func (w *world) codeOf(g *broker.Grant) broker.AuthorizationCode {
	w.T.Helper()
	stored, err := w.Store.Tokens(w.T.Context(), g.TokensID)
	if err != nil {
		w.T.Fatalf("tokens of the grant: %v", err)
	}
	return stored.Code
}

// wantError fails unless u is the redirect URI with the error, iss and state,
// and without a code.
func (w *world) wantError(u *url.URL, redirectURI, code string) {
	w.T.Helper()
	q := u.Query()
	if !strings.HasPrefix(u.String(), redirectURI+"?") || q.Get("error") != code || q.Get("iss") != w.issuer ||
		q.Get("state") != "the state & more" || q.Has("code") {
		w.T.Errorf("target = %s, want %s with error %s, iss and state", u, redirectURI, code)
	}
}

// calls returns the number of calls of the store.
func (w *world) calls() int {
	n := 0
	for _, m := range w.Store.Methods() {
		n += w.Store.Calls(m)
	}
	return n
}

// dedicated returns the key of the app client of a registration.
func (w *world) dedicated(clientID string) string {
	w.T.Helper()
	return broker.DedicatedAppClientKey(clientID, w.Registration(clientID).Generation)
}

// deleteAppClient deletes an app client at Cognito, as an operator can.
func (w *world) deleteAppClient(id string) {
	w.T.Helper()
	_, err := w.cognito.API().DeleteUserPoolClient(w.T.Context(), &cip.DeleteUserPoolClientInput{ClientId: &id, UserPoolId: aws.String(kit.PoolID)})
	if err != nil {
		w.T.Fatal(err)
	}
}

// limitCognito limits the time of a call of Cognito, for a Cognito that does not
// answer. Calls that have to succeed are not limited: this machine may be slow.
func (w *world) limitCognito() { w.oauth.Client = w.cognito.OAuth(200 * time.Millisecond) }

// redirectTokenEndpoint replaces Cognito's token endpoint by another server.
func (w *world) redirectTokenEndpoint(to string) { w.oauth.Client = w.cognito.OAuthAt(to, 0) }
