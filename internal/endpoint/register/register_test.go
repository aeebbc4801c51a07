package register_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/endpoint/register"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// stack is the endpoint behind a real connection, with the use case, an
// in-memory user pool, and a log at debug level.
type stack struct {
	t     *testing.T
	url   string
	store *fake.Store
	pool  *fake.Pool
	log   *fake.Log
	iat   string // of profile trusted, any number of uses
}

func newStack(t *testing.T) *stack {
	t.Helper()
	p := world.ParsePolicy(t, broker.ModeDirect, world.DirectPolicy, []string{"openid", "mcp/read"})
	s := &stack{t: t, store: fake.NewStore(memory.NewStore(time.Now)), pool: fake.NewPool(), log: new(fake.Log)}
	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b, err := world.Assemble(world.Parts{
		Store: s.store, Pool: s.pool, Now: time.Now, Log: log,
		Policy: func(context.Context) (*policy.Policy, error) { return p, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	tok, rec, err := credential.NewInitialAccessToken(credential.Terms{Profile: "trusted"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.store.CreateInitialAccessToken(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	s.iat = tok.Reveal()
	rt := httpapi.NewRouter(log)
	register.Mount(rt, b.Registrar)
	srv := httptest.NewServer(rt)
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

// do sends a request with a bearer token, if it is not empty.
func (s *stack) do(method, path, token, body string) answer {
	s.t.Helper()
	r := must.Request(s.t, method, s.url+path, body)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	// Addresses in the request must not get into a response.
	r.Host = "evil.example"
	r.Header.Set("X-Forwarded-Host", "evil.example")
	r.Header.Set("X-Forwarded-Proto", "http")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{status: res.StatusCode, header: res.Header, raw: string(raw)}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &a.body); err != nil {
			s.t.Fatalf("%s %s = %d %s: %v", method, path, a.status, raw, err)
		}
	}
	if strings.Contains(a.raw, "evil.example") {
		s.t.Errorf("%s %s: the response has the Host header: %s", method, path, a.raw)
	}
	if got := a.header.Get("Access-Control-Allow-Credentials"); got != "" || a.header.Get("Access-Control-Allow-Origin") != "*" {
		s.t.Errorf("%s %s: CORS for %q with credentials %q, want * and none", method, path, a.header.Get("Access-Control-Allow-Origin"), got)
	}
	return a
}

func (a answer) text(name string) string {
	v, _ := a.body[name].(string)
	return v
}

func (a answer) want(t *testing.T, what string, status int, code string) {
	t.Helper()
	if a.status != status || a.text("error") != code {
		t.Errorf("%s = %d %s, want %d %q", what, a.status, a.raw, status, code)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("%s: Cache-Control = %q, want no-store", what, got)
	}
	if want := "application/json"; a.status != http.StatusNoContent && a.header.Get("Content-Type") != want {
		t.Errorf("%s: Content-Type = %q, want %q", what, a.header.Get("Content-Type"), want)
	}
	if a.status == http.StatusUnauthorized && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("%s: WWW-Authenticate = %q, want a Bearer challenge (RFC 6750 section 3)", what, a.header.Get("WWW-Authenticate"))
	}
}

const (
	open         = `{"client_name":"A","redirect_uris":["http://localhost:1/cb"],"token_endpoint_auth_method":"none"}`
	confidential = `{"client_name":"A","redirect_uris":["https://app.example.com/cb"]}`
)

// RFC 7591 §3.2.1 and RFC 7592 §3.
func TestRegistrationOnTheWire(t *testing.T) {
	s := newStack(t)
	public := s.do("POST", "/register", "", open)
	public.want(t, "open registration", http.StatusCreated, "")
	secret := s.do("POST", "/register", s.iat, confidential)
	secret.want(t, "registration with a token", http.StatusCreated, "")
	for _, a := range []answer{public, secret} {
		if got, want := a.text("registration_client_uri"), "https://auth.example.com/register/"+a.text("client_id"); a.text("client_id") == "" || got != want {
			t.Errorf("registration_client_uri = %q, want %q", got, want)
		}
		if !strings.HasPrefix(a.text("registration_access_token"), "dcr_rat_") {
			t.Errorf("registration_access_token = %q, want one", a.text("registration_access_token"))
		}
	}
	if _, there := public.body["client_secret"]; there {
		t.Errorf("a public client got a secret: %s", public.raw)
	}
	if secret.text("client_secret") == "" || secret.body["client_secret_expires_at"] != 0.0 {
		t.Errorf("want client_secret and client_secret_expires_at 0: %s", secret.raw)
	}
	if secret.text("client_id") == public.text("client_id") {
		t.Errorf("two clients have the id %s", secret.text("client_id"))
	}

	s.do("POST", "/register", "", `[]`).want(t, "an array", http.StatusBadRequest, "invalid_client_metadata")
	s.do("POST", "/register", "", `{"redirect_uris":["https://evil.com/cb"]}`).want(t, "a URI that is not allowed", http.StatusBadRequest, "invalid_redirect_uri")
	s.do("POST", "/register", "", `{"redirect_uris":["http://localhost/"],"software_statement":"x"}`).want(t, "a bad statement", http.StatusBadRequest, "invalid_software_statement")
	s.do("POST", "/register", "dcr_iat_x", open).want(t, "an unknown token", http.StatusUnauthorized, "invalid_token")
	if got := s.do("PUT", "/register", "", open); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") == "" {
		t.Errorf("PUT /register = %d with Allow %q, want 405 and the methods", got.status, got.header.Get("Allow"))
	}
}

// RFC 7592 §2.
func TestManagementOnTheWire(t *testing.T) {
	s := newStack(t)
	client := s.do("POST", "/register", "", open)
	path, tok := "/register/"+client.text("client_id"), client.text("registration_access_token")

	// RFC 6750 §2.3: the broker takes the token from the header only.
	s.do("GET", path+"?access_token="+tok, "", "").want(t, "a token in the query", http.StatusUnauthorized, "invalid_token")
	read := s.do("GET", path, tok, "")
	read.want(t, "GET", http.StatusOK, "")
	if read.raw != client.raw {
		t.Errorf("GET = %s, want the response to the registration, %s", read.raw, client.raw)
	}
	s.do("PUT", path, tok, open).want(t, "PUT without client_id", http.StatusBadRequest, "invalid_client_metadata")
	changed := s.do("PUT", path, tok, strings.Replace(open, "{", `{"client_id":"`+client.text("client_id")+`",`, 1))
	changed.want(t, "PUT", http.StatusOK, "")
	if changed.text("client_id") != client.text("client_id") {
		t.Errorf("client_id = %q after PUT, want %q", changed.text("client_id"), client.text("client_id"))
	}
	tok = changed.text("registration_access_token")
	if got := s.do("PATCH", path, tok, ""); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") == "" {
		t.Errorf("PATCH = %d with Allow %q, want 405 and the methods", got.status, got.header.Get("Allow"))
	}
	s.do("DELETE", path, tok, "").want(t, "DELETE", http.StatusNoContent, "")
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		s.do(method, path, tok, open).want(t, method+" after DELETE", http.StatusUnauthorized, "invalid_token")
	}
}

// RFC 7592 §3: a client that was issued a secret is told its expiry in each
// response, although the secret is only in the first.
func TestTheExpiryOfASecretIsInEachResponse(t *testing.T) {
	s := newStack(t)
	client := s.do("POST", "/register", s.iat, confidential)
	path, tok := "/register/"+client.text("client_id"), client.text("registration_access_token")
	read := s.do("GET", path, tok, "")
	changed := s.do("PUT", path, tok, strings.Replace(confidential, "{", `{"client_id":"`+client.text("client_id")+`",`, 1))
	for what, a := range map[string]answer{"GET": read, "PUT": changed} {
		a.want(t, what, http.StatusOK, "")
		if _, repeated := a.body["client_secret"]; repeated || a.body["client_secret_expires_at"] != 0.0 {
			t.Errorf("%s = %s, want client_secret_expires_at 0 and no client_secret", what, a.raw)
		}
	}
	public := s.do("POST", "/register", "", open)
	read = s.do("GET", "/register/"+public.text("client_id"), public.text("registration_access_token"), "")
	if _, there := read.body["client_secret_expires_at"]; there {
		t.Errorf("a public client has the expiry of a secret: %s", read.raw)
	}
}

// No request, successful or not, logs a secret, even at debug level.
func TestSecretsStayOutOfTheLog(t *testing.T) {
	s := newStack(t)
	const wrong = "dcr_rat_wr0ng"
	secrets := []string{s.iat, wrong, "contact@example.com"}
	body := strings.Replace(confidential, "{", `{"contacts":["contact@example.com"],`, 1)
	client := s.do("POST", "/register", s.iat, body)
	path, tok, secret := "/register/"+client.text("client_id"), client.text("registration_access_token"), client.text("client_secret")
	update := strings.Replace(body, "{", `{"client_id":"`+client.text("client_id")+`","client_secret":"`+secret+`",`, 1)
	secrets = append(secrets, tok, secret)

	s.do("GET", path, wrong, "")
	s.do("GET", path, s.iat, "")
	s.do("GET", path+"?access_token="+tok, "", "")
	s.do("PUT", path, tok, strings.Replace(update, secret, "another", 1))
	for _, p := range []fake.Point{fake.NotApplied, fake.ReplyLost} {
		s.pool.FailNext("Create", 1, p)
		s.do("POST", "/register", s.iat, body)
		s.pool.FailNext("Update", 1, p)
		s.do("PUT", path, tok, update)
		s.store.FailNext("Registration", 1, p)
		s.do("GET", path, tok, "")
		s.store.FailNext("InitialAccessToken", 1, p)
		s.do("POST", "/register", s.iat, body)
	}
	s.do("POST", "/register", s.iat[:len(s.iat)-1]+"a", body)
	s.do("DELETE", path, tok, "")
	log := s.log.String()
	if n := strings.Count(log, `"msg":"refused"`); n < 8 {
		t.Errorf("%d refusals logged, want at least 8", n)
	}
	for _, secret := range secrets {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q:\n%s", secret, log)
		}
	}
}

// SSRF: a client may name addresses inside our network.
func TestNothingThatAClientNamesIsFetched(t *testing.T) {
	var visits atomic.Int32
	named := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	defer named.Close()
	body := strings.NewReplacer("@", named.URL).Replace(`{"redirect_uris":["@/cb"],"client_uri":"@/","logo_uri":"@/logo","logo_uri#de":"@/de",
		"tos_uri":"@/tos","policy_uri":"@/policy","jwks_uri":"@/jwks","sector_identifier_uri":"@/sector","initiate_login_uri":"@/login",
		"request_uris":["@/request"],"backchannel_logout_uri":"@/logout"`)
	s := newStack(t)
	client := s.do("POST", "/register", s.iat, body+"}")
	client.want(t, "registration", http.StatusCreated, "")
	changed := s.do("PUT", "/register/"+client.text("client_id"), client.text("registration_access_token"), body+`,"client_id":"`+client.text("client_id")+`"}`)
	changed.want(t, "update", http.StatusOK, "")
	if got := changed.text("jwks_uri"); got != named.URL+"/jwks" {
		t.Errorf("jwks_uri = %q, want it registered", got)
	}
	if n := visits.Load(); n != 0 {
		t.Errorf("%d requests to the addresses in the registration, want none", n)
	}
}
