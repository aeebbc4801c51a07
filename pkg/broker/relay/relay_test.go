package relay_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/cognitoauth"
	endpoint "github.com/dcr-broker/dcr-broker/internal/endpoint/token"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/relay"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

const (
	publicID  = "public0client0000000000000"
	secretID  = "secret0client0000000000000"
	machineID = "machine0client000000000000"
	plusID    = "plus+client"

	clientSecret = "s3cretS3cretS3cretS3cret"
	plusSecret   = "plus+Plus_plus+Plus+plus24"
	authCode     = "c0de-1a2b3c4d-5e6f"
	verifier     = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	refreshToken = "eyJjdHkiOiJKV1QifQ.refresh.token.of.five"
	callback     = "http://localhost:7777/cb"
	calendar     = "https://mcp.example.com/calendar"
	readScope    = "https://mcp.example.com/read"
	writeScope   = "https://mcp.example.com/write"
)

// secrets must never appear in a log.
var secrets = []string{clientSecret, plusSecret, authCode, verifier, refreshToken, "at0ken", "idt0ken", "rt0ken"}

// registrations has the registered clients, in memory.
type registrations struct {
	broker.Registrations // nil, because nothing else is called
	mu                   sync.Mutex
	regs                 map[string]*broker.Registration
	err                  error // of Registration
	onTouch              func(context.Context) error
	touched              []string
}

func (c *registrations) Registration(_ context.Context, id string) (*broker.Registration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	if r := c.regs[id]; r != nil {
		return r.Clone(), nil
	}
	return nil, broker.ErrNotFound
}

func (c *registrations) TouchRegistration(ctx context.Context, id, _ string, _ time.Time) error {
	c.mu.Lock()
	c.touched = append(c.touched, id)
	on := c.onTouch
	c.mu.Unlock()
	if on == nil {
		return nil
	}
	return on(ctx)
}

func (c *registrations) add(id, method, scope string, grants ...string) {
	r := &broker.Registration{
		ClientID: id, Mode: broker.ModeDirect, State: broker.RegistrationActive,
		Metadata: dcr.ClientMetadata{TokenEndpointAuthMethod: method, GrantTypes: grants, Scope: scope},
	}
	if grants[0] == dcr.GrantAuthorizationCode {
		r.Metadata.RedirectURIs = []string{callback, "cursor://anysphere.cursor-mcp/oauth/callback"}
	}
	c.regs[id] = r
}

func newRegistrations() *registrations {
	c := &registrations{regs: make(map[string]*broker.Registration)}
	scopes := "openid " + readScope + " " + writeScope
	c.add(publicID, dcr.AuthNone, scopes, dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
	c.add(secretID, dcr.AuthSecretBasic, scopes, dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
	c.add(machineID, dcr.AuthSecretPost, readScope+" "+writeScope, dcr.GrantClientCredentials)
	c.add(plusID, dcr.AuthSecretBasic, scopes, dcr.GrantAuthorizationCode, dcr.GrantRefreshToken)
	c.add("norefresh", dcr.AuthNone, scopes, dcr.GrantAuthorizationCode)
	c.add("disabled", dcr.AuthNone, scopes, dcr.GrantAuthorizationCode)
	c.regs["disabled"].State = broker.RegistrationDisabled
	c.add("deleted", dcr.AuthNone, scopes, dcr.GrantAuthorizationCode)
	c.regs["deleted"].State = broker.RegistrationDeleted
	c.add("deleting", dcr.AuthNone, scopes, dcr.GrantAuthorizationCode)
	c.regs["deleting"].State = broker.RegistrationDeleting
	return c
}

// received is a request that Cognito got.
type received struct{ method, path, contentType, authorization, body string }

// cognito records requests and answers with answer.
type cognito struct {
	*httptest.Server
	mu     sync.Mutex
	got    []received
	answer http.HandlerFunc
}

func newCognito(t *testing.T, answer http.HandlerFunc) *cognito {
	c := &cognito{answer: answer}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("Cognito could not read the body: %v", err)
		}
		c.mu.Lock()
		c.got = append(c.got, received{r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"), r.Header.Get("Authorization"), string(body)})
		c.mu.Unlock()
		c.answer(w, r)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *cognito) received() []received {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got
}

// replying returns a handler with a fixed response.
func replying(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// jwt returns an access token with these claims, a JSON object, and no valid
// signature.
func jwt(claims string) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"RS256","kid":"k"}`)) + "." + enc([]byte(claims)) + ".at0ken"
}

func issued(claims string) string {
	return `{"access_token":"` + jwt(claims) + `","id_token":"idt0ken","refresh_token":"rt0ken","expires_in":3600,"token_type":"Bearer"}`
}

// stack is the relay behind its endpoints and the router, as in production.
type stack struct {
	t       *testing.T
	handler http.Handler
	clients *registrations
	log     *fake.Log
}

// settings are the settings of a stack.
type settings struct {
	relay   relay.Config
	cognito cognitoauth.Config
}

func newStack(t *testing.T, upstream string, change ...func(*settings)) *stack {
	t.Helper()
	s := &stack{t: t, clients: newRegistrations(), log: new(fake.Log)}
	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := settings{
		relay.Config{
			Clients: clients.New(broker.ModeDirect, s.clients, time.Now), Log: log,
			ForwardResource: func(context.Context) (bool, error) { return false, nil },
		},
		cognitoauth.Config{TokenEndpoint: upstream + "/oauth2/token", RevocationEndpoint: upstream + "/oauth2/revoke"},
	}
	for _, f := range change {
		f(&c)
	}
	c.relay.Cognito = cognitoauth.New(c.cognito)
	relay, err := relay.New(c.relay)
	if err != nil {
		t.Fatal(err)
	}
	rt := httpapi.NewRouter(log)
	endpoint.Routes(rt, relay)
	s.handler = rt
	t.Cleanup(func() {
		for _, secret := range secrets {
			if strings.Contains(s.log.String(), secret) {
				t.Errorf("the log has the secret %q:\n%s", secret, s.log)
			}
		}
	})
	return s
}

func forwardResource(c *settings) {
	c.relay.ForwardResource = func(context.Context) (bool, error) { return true, nil }
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func (a answer) text(name string) string {
	s, _ := a.body[name].(string)
	return s
}

// post sends a form and checks what every answer must have.
func (s *stack) post(path, authorization, form string) answer {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, path, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return s.do(r)
}

func (s *stack) do(r *http.Request) answer {
	s.t.Helper()
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, r)
	resp := rec.Result()
	a := answer{status: resp.StatusCode, header: resp.Header, raw: rec.Body.String()}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "Pragma": "no-cache", "Access-Control-Allow-Origin": "*",
	} {
		if got := a.header.Get(name); got != want {
			s.t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &a.body); err != nil || a.body == nil {
		s.t.Fatalf("answer is not a JSON object: %v\n%s", err, a.raw)
	}
	for name, v := range a.body {
		if v == nil || v == "" {
			s.t.Errorf("member %s is %#v, want it left out", name, v)
		}
	}
	if a.status != http.StatusOK && (a.text("error") == "" || a.text("request_id") == "") {
		s.t.Errorf("answer with status %d has error %q and request_id %q, want both: %s", a.status, a.text("error"), a.text("request_id"), a.raw)
	}
	if a.status == http.StatusInternalServerError {
		s.t.Errorf("status 500: %s\n%s", a.raw, s.log)
	}
	return a
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

// codeForm is a complete request with a code, without authentication.
const codeForm = "grant_type=authorization_code&code=" + authCode + "&code_verifier=" + verifier + "&redirect_uri=http%3A%2F%2Flocalhost%3A7777%2Fcb"

// wantRefusal checks an error answer.
func (a answer) wantRefusal(t *testing.T, status int, code string) {
	t.Helper()
	if a.status != status || a.text("error") != code {
		t.Errorf("got %d %s, want %d %s: %s", a.status, a.text("error"), status, code, a.raw)
	}
}
