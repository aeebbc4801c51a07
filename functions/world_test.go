// Package functions tests the Lambda functions as AWS runs them: their real
// bootstraps get the events of ../events. The functions themselves are in its
// subdirectories.
package functions

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/tool/devstack"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/must"
)

const (
	region   = "us-east-1"
	poolID   = "us-east-1_local00001"
	username = "alice"
	subject  = "c0ffee00-0000-4000-8000-00000000a11c"
	password = "Correct-Horse-9"

	// cognito is the user pool's origin for browsers. The golden documents have
	// it, so it is not the origin with a random port that the functions use.
	cognito = "http://localhost:9229"

	redirectURI = "http://localhost:3118/callback"
	// verifier is the code verifier of RFC 7636 appendix B.
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)

// Example values in the events. Each stands for a value that only a running
// broker has.
const (
	exampleClient  = "1example23456789abcdefghij"
	exampleMachine = "2example23456789abcdefghij"
	exampleSecret  = "3example23456789abcdefghijklmnopqrstuvwxyz0123456789"
	exampleCode    = "00000000-0000-4000-8000-000000000000"
	exampleRefresh = "example-refresh-token"
	exampleETag    = "0123456789abcdefghijklmn"
	exampleAccess  = "example-access-token"

	exampleID     = "exampleidexample"
	exampleCookie = "examplecookieexamplecookieexamplecookiecook"
	exampleState  = "examplestateexamplestateexamplestateexampls"
	exampleCSRF   = "examplecsrfexamplecsrfexamplecsrfexamplecsk"
)

var (
	exampleInitial    = "dcr_iat_" + strings.Repeat("exampletoken", 5)
	exampleManagement = "dcr_rat_" + strings.Repeat("exampletoken", 5)
)

// world is the environment of the functions: a user pool, a table, and an
// initial access token.
type world struct {
	t       *testing.T
	cognito *emulator.Cognito
	pool    string // origin at which the pool listens
	control *control
	env     map[string]string
	real    map[string]string // the real values by example value
	secrets []string          // values that must not be in any log

	// log is the logger of the broker in this process; nil discards its lines.
	log *slog.Logger
	// collected has the secrets in requests to Cognito and its answers. If the
	// test wraps the broker, it also has those in requests to the broker and its
	// answers.
	collected *secretCollector

	signInAt *url.URL // the URL to which the authorization endpoint has redirected

	document object        // the configuration; configure stores it
	padding  string        // spaces after the document, which make it large
	reads    configReads   // how the table answers when a function reads the configuration
	ahead    time.Duration // how far the functions' clock is ahead, if it can be set
}

// newWorld makes a world of direct mode. Its table is in the DynamoDB at the
// endpoint. Without an endpoint it has none, and the configuration is in a file.
func newWorld(t *testing.T, endpoint string) *world {
	t.Helper()
	return worldAround(t, endpoint, nil)
}

// worldAround is newWorld with a function that can change the configuration of
// the pool. self is the origin at which the pool listens.
func worldAround(t *testing.T, endpoint string, change func(c *emulator.Config, self string)) *world {
	t.Helper()
	c := emulator.Config{
		BaseURL:         cognito,
		PoolID:          poolID,
		Users:           []emulator.User{{Name: username, Password: password, Email: "alice@example.com", Sub: subject}},
		ResourceServers: []emulator.ResourceServer{{Identifier: "mcp", Scopes: []string{"read", "write"}}},
	}
	srv := httptest.NewUnstartedServer(nil)
	if change != nil {
		change(&c, "http://"+srv.Listener.Addr().String())
	}
	pool, err := emulator.New(c)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, cognito: pool, control: &control{pool: pool}, real: make(map[string]string), collected: newSecretCollector()}
	w.document = newDocument(t)
	w.control.record = w.record
	srv.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.collected.wrap("Cognito's ", w.control).ServeHTTP(rw, r)
	})
	srv.Start()
	t.Cleanup(srv.Close)
	w.pool = srv.URL
	w.env = map[string]string{
		"AWS_REGION":            region,
		"AWS_ACCESS_KEY_ID":     "local",
		"AWS_SECRET_ACCESS_KEY": "local",
		"ISSUER":                "https://auth.example.com",
		"AUTHORIZATION":         "direct",
		"USER_POOL_ID":          poolID,
		"COGNITO_ISSUER":        pool.Issuer(),
		"COGNITO_DOMAIN":        c.BaseURL,
		"COGNITO_BACK_CHANNEL":  srv.URL,
		"COGNITO_ENDPOINT":      srv.URL,
		"COGNITO_DISCOVERY":     srv.URL + "/" + poolID + "/.well-known/openid-configuration",
		"TABLE_NAME":            "functions-" + credential.NewID(),
		"DYNAMODB_ENDPOINT":     endpoint,
		"DEPLOYMENT_ID":         "test",
		"LOG_LEVEL":             "debug",
	}
	return w
}

func (w *world) config() *environment.Environment {
	w.t.Helper()
	c, err := environment.All(func(name string) string { return w.env[name] })
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) sdk() aws.Config {
	return aws.Config{Region: region, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
	})}
}

// store creates the table, or an in-memory store if there is no DynamoDB, and
// stores the configuration and an initial access token.
func (w *world) store() wire.Store {
	w.t.Helper()
	var store wire.Store = memory.NewStore(time.Now)
	if endpoint := w.env["DYNAMODB_ENDPOINT"]; endpoint != "" {
		client := dynamodb.NewFromConfig(w.sdk(), func(o *dynamodb.Options) { o.BaseEndpoint = aws.String(endpoint) })
		if err := dynamo.CreateTable(w.t.Context(), client, w.env["TABLE_NAME"]); err != nil {
			w.t.Fatal(err)
		}
		store = wire.Table(w.config(), w.sdk())
	}
	w.configure()
	tok, rec, err := credential.NewInitialAccessToken(credential.Terms{Label: "test", Profile: "trusted", CreatedBy: "test"}, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := store.CreateInitialAccessToken(w.t.Context(), rec); err != nil {
		w.t.Fatal(err)
	}
	w.setReal(exampleInitial, tok.Reveal())
	return store
}

// setReal sets the value that replaces an example value in later events.
func (w *world) setReal(example, real string) {
	w.t.Helper()
	if real == "" {
		w.t.Fatalf("there is no value that replaces %q", example)
	}
	w.real[example] = real
	if example != exampleClient && example != exampleMachine && example != exampleETag {
		w.secrets = append(w.secrets, real)
	}
}

// hidden returns all values that must not be in any log.
func (w *world) hidden() []string {
	hidden := slices.Clone(w.secrets)
	for _, secrets := range w.collected.byKind() {
		hidden = append(hidden, secrets...)
	}
	return hidden
}

// signIn gets an authorization code for the client as a browser would.
func (w *world) signIn() {
	w.t.Helper()
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {w.real[exampleClient]}, "redirect_uri": {redirectURI}, "scope": {"openid mcp/read"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	back, err := emulator.NewBrowser().SignIn(w.t.Context(), w.pool+"/oauth2/authorize?"+q.Encode(), username, password)
	if err != nil {
		w.t.Fatal(err)
	}
	w.setReal(exampleCode, back.Query().Get("code"))
}

// event reads an event and replaces its example values by the real ones.
func (w *world) event(name string) events.APIGatewayV2HTTPRequest {
	w.t.Helper()
	b := must.ReadFile(w.t, filepath.Join("..", "events", name+".json"))
	var e events.APIGatewayV2HTTPRequest
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		w.t.Fatalf("%s is not an event: %v", name, err)
	}
	e.RawPath = w.substitute(e.RawPath, asIs)
	e.RequestContext.HTTP.Path = w.substitute(e.RequestContext.HTTP.Path, asIs)
	for k, v := range e.PathParameters {
		e.PathParameters[k] = w.substitute(v, asIs)
	}
	e.RawQueryString = w.substitute(e.RawQueryString, url.QueryEscape)
	for k, v := range e.QueryStringParameters {
		e.QueryStringParameters[k] = w.substitute(v, asIs)
	}
	for i, c := range e.Cookies {
		e.Cookies[i] = w.substitute(c, asIs)
	}
	for k, v := range e.Headers {
		e.Headers[k] = w.substitute(v, asIs)
		if basic, ok := strings.CutPrefix(v, "Basic "); ok && !strings.Contains(v, ",") {
			e.Headers[k] = "Basic " + w.substituteBase64(basic, asIs)
		}
	}
	escape := asIs
	if e.Headers["content-type"] == "application/x-www-form-urlencoded" {
		escape = url.QueryEscape
	}
	if e.IsBase64Encoded {
		e.Body = w.substituteBase64(e.Body, escape)
	} else {
		e.Body = w.substitute(e.Body, escape)
	}
	return e
}

func asIs(s string) string { return s }

func (w *world) substitute(s string, escape func(string) string) string {
	for example, real := range w.real {
		s = strings.ReplaceAll(s, example, escape(real))
	}
	return s
}

// substituteBase64 returns s unchanged if it is not base64, as in one event.
func (w *world) substituteBase64(s string, escape func(string) string) string {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return s
	}
	return base64.StdEncoding.EncodeToString([]byte(w.substitute(string(b), escape)))
}

// handler returns the whole broker, which runs in this process and is wired like
// the functions.
func (w *world) handler() http.Handler {
	w.t.Helper()
	return w.collected.wrap("", w.broker(cmp.Or(w.log, slog.New(slog.DiscardHandler))))
}

// broker returns one router with the handlers of all functions.
func (w *world) broker(log *slog.Logger) http.Handler {
	w.t.Helper()
	store := w.store()
	p, err := wire.New(w.config(), w.sdk(), log)
	if err != nil {
		w.t.Fatal(err)
	}
	p.Store = store
	h, err := devstack.Handler(p)
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}
