package authorization

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

const (
	issuer   = "https://auth.example.com"
	notes    = "https://mcp.example.com/mcp"
	files    = "https://files.example.com/mcp"
	webURI   = "https://claude.ai/api/mcp/auth_callback"
	appURI   = "com.example.app:/callback"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

	clientID  = "dcr_client"
	appSecret = "the secret of the app client"
)

// document is the configuration.
const document = `{"version": 1, "scopes": [{"name": "openid"}, {"name": "notes/read"}],
	"profiles": {"asking": {"redirect_uris": {"any_https": true}, "app_client": "shared"}}}`

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

// world is a Flow with one client, its app client and an in-memory store.
type world struct {
	t     *testing.T
	clock *fake.Clock
	store *memory.Store
	ring  *seal.Ring
	flow  *Flow
	conf  *configuration.Configuration
	// keysRead and confRead count reads of the keys and of the configuration; a
	// read returns keysErr or confErr.
	keysRead, confRead int
	keysErr, confErr   error
	// account has claims of the user's ID token, and scope the scopes of the access
	// token.
	account map[string]any
	scope   string
}

// cognito signs alice in with any code. account has claims of her ID token, which
// has no address otherwise.
type cognito struct {
	now     func() time.Time
	account map[string]any
	// userInfo is the answer of userInfo; nil has no address.
	userInfo func(context.Context) (broker.UserInfo, error)
	// scope is that of the access token; empty is openid notes/read.
	scope string
}

func (cognito) AuthorizeURL(v url.Values) string {
	return "https://cognito.example.com/oauth2/authorize?" + v.Encode()
}

func (cognito) LogoutURL(appID, signedOut string) string {
	return "https://cognito.example.com/logout?client_id=" + appID + "&logout_uri=" + signedOut
}

func (c cognito) Redeem(_ context.Context, app broker.AppCredentials, _, _, _ string) (broker.Tokens, error) {
	now := c.now().Unix()
	claims := map[string]any{"sub": "alice", "aud": app.ID, "cognito:username": "alice"}
	maps.Copy(claims, c.account)
	return broker.ParseTokens(app,
		fake.JWT(map[string]any{"sub": "alice", "scope": cmp.Or(c.scope, "openid notes/read"), "origin_jti": "sign-in", "iat": now, "exp": now + 3600}), "refresh",
		fake.JWT(claims))
}

func (c cognito) UserInfo(ctx context.Context, _ string) (broker.UserInfo, error) {
	if c.userInfo == nil {
		return broker.UserInfo{Sub: "alice"}, nil
	}
	return c.userInfo(ctx)
}

func (cognito) Revoke(context.Context, broker.AppCredentials, string) error { return nil }

type provisioner struct{}

func (provisioner) Provision(context.Context, string) error { return nil }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: fake.NewClock(), ring: fake.Ring(t)}
	app := &broker.AppClient{
		Key: broker.SharedAppClientKey("asking"), State: broker.AppClientReady, Branded: true, Marker: "marker", CognitoID: "cognito-id",
		Scopes: []string{"openid", "notes/read"},
	}
	app.Secret = w.ring.Seal(broker.SecretPurpose, app.SecretOwner(), appSecret)
	w.store = memory.NewStore(w.clock.Now)
	if err := w.store.CreateAppClient(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	err := w.store.CreateRegistration(t.Context(), &broker.Registration{
		ClientID: clientID, Generation: "generation", Mode: broker.ModeBrokered, State: broker.RegistrationActive, Profile: "asking",
		IssuedAt: w.clock.Second(), Voucher: "token",
		Metadata: dcr.ClientMetadata{
			RedirectURIs: []string{webURI}, TokenEndpointAuthMethod: dcr.AuthNone, GrantTypes: []string{dcr.GrantAuthorizationCode},
			ResponseTypes: []string{dcr.ResponseTypeCode}, Scope: "openid notes/read",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.conf, err = configuration.Parse([]byte(document), broker.Deployment{Mode: broker.ModeBrokered, Issuer: issuer, LoginVersion: 2}); err != nil {
		t.Fatal(err)
	}
	if w.flow, err = New(w.config()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) config() Config {
	w.t.Helper()
	return Config{
		Issuer: issuer, Clients: clients.New(broker.ModeBrokered, w.store, w.clock.Now), Store: w.store, Provisioner: provisioner{},
		Configuration: func(context.Context) (*configuration.Configuration, error) {
			w.confRead++
			return w.conf, w.confErr
		},
		Keys: func(context.Context) (*seal.Ring, error) {
			w.keysRead++
			return w.ring, w.keysErr
		},
		Cognito: cognito{now: w.clock.Now, account: w.account, scope: w.scope}, LoginVersion: 2, Now: w.clock.Now,
		Pause: func(context.Context, time.Duration) error { return nil }, Log: slog.New(slog.DiscardHandler),
	}
}

// sent is the request with these parameters.
func sent(v url.Values) Request {
	return Request{
		ClientID: v.Get("client_id"), RedirectURI: v.Get("redirect_uri"), ResponseType: v.Get("response_type"), ResponseMode: v.Get("response_mode"),
		State: v.Get("state"), Scope: v.Get("scope"), Challenge: v.Get("code_challenge"), ChallengeMethod: v.Get("code_challenge_method"),
		Nonce: v.Get("nonce"), Prompt: v.Get("prompt"), LoginHint: v.Get("login_hint"), UILocales: v.Get("ui_locales"), Lang: v.Get("lang"),
		RequestObject: v.Get("request"), RequestURI: v.Get("request_uri"), Resources: v["resource"],
	}
}

// begin begins a transaction.
func (w *world) begin() Secret {
	w.t.Helper()
	started, err := w.flow.Begin(w.t.Context(), sent(requestOf(clientID, webURI)))
	if err != nil {
		w.t.Fatal(err)
	}
	return started.Secret
}

// callback is what Cognito sends the browser back with.
func callback(s Secret) Callback { return Callback{Code: "c", State: s.state()} }

func (w *world) transaction(s Secret) *broker.Transaction {
	w.t.Helper()
	t, err := w.store.Transaction(w.t.Context(), s.key())
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

func (w *world) grants() int {
	w.t.Helper()
	n := 0
	for _, err := range w.store.ListGrants(w.t.Context()) {
		if err != nil {
			w.t.Fatal(err)
		}
		n++
	}
	return n
}

// wantProblem fails unless err is a Problem of this kind whose detail has text.
func wantProblem(t *testing.T, err error, kind ProblemKind, text string) {
	t.Helper()
	p, ok := err.(*Problem)
	if !ok || p.Kind != kind || !strings.Contains(p.Detail, text) {
		t.Errorf("error %v, want a Problem of kind %d with %q", err, kind, text)
	}
}
