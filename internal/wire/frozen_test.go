package wire_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/authorize"
	"github.com/dcr-broker/dcr-broker/internal/wire/operator"
	"github.com/dcr-broker/dcr-broker/internal/wire/provision"
	"github.com/dcr-broker/dcr-broker/internal/wire/register"
	"github.com/dcr-broker/dcr-broker/internal/wire/token"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
)

const callback = "http://localhost:4000/callback"

// process is a process with the functions register, authorize and token of
// brokered mode, wired as on Lambda, with a store and app clients in memory. The
// operator uses the same store.
type process struct {
	t        *testing.T
	handler  http.Handler
	operator *operator.UseCases
	store    *memory.Store
	log      *fake.Log
}

// document is the configuration of a process.
const document = `{"version": 1, "scopes": [{"name": "openid"}, {"name": "mcp/read", "description": "Read your notes"}],
	"protected_resources": [{"resource": "https://mcp.example.com/mcp", "scopes": ["mcp/read"]}],
	"open_registration": "open", "profiles": {"open": {"redirect_uris": {"loopback": true}}}}`

// newProcess returns a process and stores its configuration.
func newProcess(t *testing.T, clock *fake.Clock) *process {
	t.Helper()
	p := startProcess(t, clock, memory.NewStore(clock.Now))
	p.apply(document)
	return p
}

// apply stores a configuration.
func (p *process) apply(document string) {
	p.t.Helper()
	c := p.store.Configuration()
	versions, err := c.Versions(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	v := configuration.Version{Number: 1, Schema: configuration.SchemaVersion, Digest: configuration.Digest([]byte(document)), By: "ops"}
	if len(versions) > 0 {
		v.Number += versions[0].Number
	}
	if err := c.Append(p.t.Context(), v, []byte(document)); err != nil {
		p.t.Fatal(err)
	}
}

// startProcess returns a process on a store.
func startProcess(t *testing.T, clock *fake.Clock, store *memory.Store) *process {
	t.Helper()
	keys := filepath.Join(t.TempDir(), "keys.json")
	must.WriteFile(t, keys, seal.Generate())
	env := map[string]string{
		"AWS_REGION": "us-east-1", "ISSUER": "https://auth.example.com", "USER_POOL_ID": "us-east-1_local00001",
		"COGNITO_DOMAIN": "https://example.auth.us-east-1.amazoncognito.com", "TABLE_NAME": "dcr-broker",
		"DEPLOYMENT_ID": "test", "KEYS": keys, "PROVISION_FUNCTION": "dcr-provision",
	}
	c, err := environment.All(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	lines := new(fake.Log)
	log := slog.New(slog.NewTextHandler(lines, nil))
	p, err := wire.New(c, aws.Config{}, log)
	if err != nil {
		t.Fatal(err)
	}
	p.Now, p.Store, p.HTTP = clock.Now, store, &http.Client{Transport: cognito{clock.Now}}
	p.Configuration = wire.Pinned(wire.Configuration(c, store.Configuration(), clock.Now, log).Get)
	if p.Keys, err = wire.Keys(c, aws.Config{}, clock.Now, log); err != nil {
		t.Fatal(err)
	}
	if p.Provisioner, err = provision.NewIn(p, fake.NewPool()); err != nil {
		t.Fatal(err)
	}
	rt := httpapi.NewRouter(log)
	for _, routes := range []func(*httpapi.Router, *wire.Parts) error{register.Routes, authorize.Routes, token.Routes} {
		if err := routes(rt, p); err != nil {
			t.Fatal(err)
		}
	}
	op, err := operator.New(p)
	if err != nil {
		t.Fatal(err)
	}
	return &process{t, wire.PinEach(rt), op, store, lines}
}

// cognito is the transport to a Cognito that issues an access token for every
// request.
type cognito struct{ now func() time.Time }

func (c cognito) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"access_token": fake.AccessToken("job", c.now()), "token_type": "Bearer", "expires_in": 3600})
	return w.Result(), nil
}

func (p *process) do(method, target, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	return w
}

// register registers the client openly, as it does at each start.
func (p *process) register() *httptest.ResponseRecorder {
	return p.do(http.MethodPost, "/register", "application/json", `{"client_name":"Claude Code","redirect_uris":["`+callback+`"],"token_endpoint_auth_method":"none"}`)
}

// clientID returns the client_id in the response to a registration.
func clientID(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var info struct {
		ClientID string `json:"client_id"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &info); err != nil {
		t.Fatal(err)
	}
	return info.ClientID
}

// authorize begins a sign-in.
func (p *process) authorize(clientID string) *httptest.ResponseRecorder {
	return p.do(http.MethodGet, "/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {callback}, "scope": {"mcp/read"}, "state": {"s"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}.Encode(), "", "")
}

// token sends a refresh token that does not exist.
func (p *process) token(clientID string) *httptest.ResponseRecorder {
	return p.do(http.MethodPost, "/token", "application/x-www-form-urlencoded",
		url.Values{"grant_type": {"refresh_token"}, "client_id": {clientID}, "refresh_token": {"dcr_rt_x"}}.Encode())
}

// want checks the status of a response, and the error code in its body unless it
// is empty.
func (p *process) want(when string, got *httptest.ResponseRecorder, status int, code string) {
	p.t.Helper()
	if got.Code != status || !bytes.Contains(got.Body.Bytes(), []byte(code)) {
		p.t.Errorf("%s: got %d %.300s, want %d %s", when, got.Code, got.Body, status, code)
	}
}

// A function serves a client that an operator has disabled for a minute at most.
// The minute passes while Lambda has the process frozen too, so that the client
// is refused as soon as the process wakes. The endpoints for users and tokens
// keep no registration in memory and refuse the client at once.
func TestADisabledClientIsRefusedWhenTheProcessWakes(t *testing.T) {
	for name, asleep := range map[string]time.Duration{"a minute": time.Minute, "an hour": time.Hour} {
		t.Run(name, func(t *testing.T) {
			fake.EachClock(t, func(t *testing.T, clock *fake.Clock) {
				p := newProcess(t, clock)
				first := p.register()
				p.want("the first registration", first, http.StatusCreated, "client_id")
				id := clientID(t, first)
				p.want("authorize", p.authorize(id), http.StatusSeeOther, "")
				p.want("token", p.token(id), http.StatusBadRequest, "invalid_grant")

				if _, err := p.operator.Operator.Disable(t.Context(), id, "ops"); err != nil {
					t.Fatal(err)
				}
				p.want("within the minute", p.register(), http.StatusCreated, id)
				p.want("authorize, disabled", p.authorize(id), http.StatusForbidden, "switched off")
				p.want("token, disabled", p.token(id), http.StatusBadRequest, "unauthorized_client")
				clock.Advance(asleep)
				p.want("after waking", p.register(), http.StatusBadRequest, "invalid_client_metadata")
			})
		})
	}
}
