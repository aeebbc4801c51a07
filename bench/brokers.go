package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/endpoint/register"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/metadata"
	wirepool "github.com/dcr-broker/dcr-broker/internal/wire/pool"
	wireregister "github.com/dcr-broker/dcr-broker/internal/wire/register"
	"github.com/dcr-broker/dcr-broker/internal/wire/token"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/direct"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// appClients is the number of open registrations that the built-in policy
// allows.
const appClients = 500

// requests returns the requests to measure.
func requests() []request {
	return []request{
		{name: "brokered: registration, open, first", event: "register-open", status: http.StatusCreated, deploy: registeringFirst, fresh: batch, under: 150 * time.Microsecond},
		{name: "brokered: registration, open, repeat from memory", event: "register-open", status: http.StatusCreated, deploy: registeringAgain, under: 150 * time.Microsecond},
		{name: "brokered: GET /authorize", event: "authorize", status: http.StatusSeeOther, deploy: reusing("register-open"), under: time.Millisecond},
		{name: "brokered: GET /callback", event: "callback", status: http.StatusSeeOther, deploy: spending("authorize"), fresh: batch, under: 500 * time.Microsecond},
		{name: "brokered: GET /consent", event: "consent", status: http.StatusOK, deploy: reusing("callback"), under: time.Millisecond},
		{name: "brokered: POST /authorize, allow", event: "decision", status: http.StatusOK, deploy: spending("consent"), fresh: batch, under: time.Millisecond},
		{name: "brokered: POST /token, code", event: "token-code", status: http.StatusOK, deploy: spending("decision"), fresh: batch, under: 500 * time.Microsecond},
		{name: "brokered: POST /token, refresh", event: "token-refresh", status: http.StatusOK, deploy: spending("token-code"), fresh: batch, under: 500 * time.Microsecond},
		{name: "brokered: POST /introspect", event: "introspect", status: http.StatusOK, deploy: reusing("token-code")},

		{name: "direct: registration, open", event: "register-open", status: http.StatusCreated, deploy: registering(inMemory), fresh: appClients, under: 150 * time.Microsecond},
		{name: "direct: registration, open, with the SDK's part", event: "register-open", status: http.StatusCreated, deploy: registering(throughSDK), fresh: appClients},
		{name: "direct: registration, initial access token", event: "register-initial-access-token", status: http.StatusCreated, deploy: registering(inMemory), under: 150 * time.Microsecond},
		{name: "direct: registration, initial access token, with the SDK's part", event: "register-initial-access-token", status: http.StatusCreated, deploy: registering(throughSDK)},
		{name: "direct: token relay", event: "token-code", status: http.StatusOK, deploy: relaying(&http.Client{Transport: atOnce(tokenAnswer)})},
		{name: "direct: token relay, with net/http's part", event: "token-code", status: http.StatusOK, deploy: relaying(http.DefaultClient)},

		{name: "metadata, from memory", event: "metadata-authorization-server", status: http.StatusOK, deploy: publishing, under: 20 * time.Microsecond, maxAllocs: 30},
	}
}

// functionEnv is the environment of every function in direct mode. Of the
// functions, only metadata makes connections at its start (startup.go).
var functionEnv = map[string]string{
	"AUTHORIZATION":         "direct",
	"AWS_REGION":            "us-east-1",
	"AWS_ACCESS_KEY_ID":     "local",
	"AWS_SECRET_ACCESS_KEY": "local",
	"ISSUER":                "https://auth.example.com",
	"USER_POOL_ID":          "us-east-1_local00001",
	"COGNITO_DOMAIN":        "https://example.auth.us-east-1.amazoncognito.com",
	"TABLE_NAME":            "dcr-broker",
	"DEPLOYMENT_ID":         "bench",
}

// deployment is a handler wired as in a function's main, with replaced
// dependencies.
type deployment struct {
	handler http.Handler
	// clock advances with every request. Some deployments do not use it.
	clock *clock
	// examples has the values that replace the event's placeholders, one set for
	// each request, in turn. There is at least one set.
	examples []map[string]string
}

// asItIs has the examples for an event without placeholders.
var asItIs = []map[string]string{nil}

// clock advances by three minutes with every request, so that limits per hour and
// per second are never reached. One network address may register 25 clients an hour.
type clock struct{ minutes atomic.Int64 }

func (c *clock) step() { c.minutes.Add(3) }

func (c *clock) now() time.Time {
	return time.Unix(1_795_558_449, 0).Add(time.Duration(c.minutes.Load()) * time.Minute)
}

// parts are those of a broker, with a store in memory and a clock.
type parts struct {
	*wire.Parts
	clock  *clock
	router *httpapi.Router
}

// newDirect returns the parts of a broker in direct mode.
func newDirect() (*parts, error) { return newParts(functionEnv) }

func newParts(env map[string]string) (*parts, error) {
	c, err := environment.All(func(name string) string { return env[name] })
	if err != nil {
		return nil, err
	}
	w, err := wire.New(c, aws.Config{Credentials: aws.CredentialsProviderFunc(localCredentials)}, c.Logger(io.Discard))
	if err != nil {
		return nil, err
	}
	p := &parts{Parts: w, clock: new(clock), router: httpapi.NewRouter(w.Log)}
	p.Store, p.Now = memory.NewStore(p.clock.now), p.clock.now
	p.Configuration, err = inForce(c)
	return p, err
}

// localCredentials are given to the SDK in the same way as in the functions:
// the SDK does more for other providers.
func localCredentials(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
}

// registering returns a function that deploys a broker for registrations.
func registering(apps func(*parts) (direct.Pool, error)) func(string) (*deployment, error) {
	return func(string) (*deployment, error) {
		p, err := newDirect()
		if err != nil {
			return nil, err
		}
		a, err := apps(p)
		if err != nil {
			return nil, err
		}
		if err := p.registrations(a); err != nil {
			return nil, err
		}
		tok, rec, err := credential.NewInitialAccessToken(credential.Terms{Label: "bench", Profile: "trusted", CreatedBy: "bench"}, p.clock.now())
		if err != nil {
			return nil, err
		}
		if err := p.Store.CreateInitialAccessToken(context.Background(), rec); err != nil {
			return nil, err
		}
		return &deployment{p.router, p.clock, []map[string]string{{"dcr_iat_" + strings.Repeat("exampletoken", 5): tok.Reveal()}}}, nil
	}
}

// registrations adds the routes of registration in direct mode.
func (p *parts) registrations(apps direct.Pool) error {
	registrar, err := wireregister.NewDirect(p.Parts, apps)
	if err != nil {
		return err
	}
	register.Mount(p.router, registrar)
	return nil
}

// inMemory replaces Cognito at the port direct.Pool.
func inMemory(*parts) (direct.Pool, error) { return fake.NewPool(), nil }

// throughSDK replaces Cognito below the AWS SDK, so that the SDK encodes, signs
// and decodes.
func throughSDK(p *parts) (direct.Pool, error) {
	var made atomic.Int64
	p.SDK.HTTPClient = &http.Client{Transport: atOnce(func() string {
		return fmt.Sprintf(`{"UserPoolClient":{"UserPoolId":%q,"ClientId":"appclient%d","ClientName":"bench","ClientSecret":"%s"}}`,
			p.Environment.UserPoolID, made.Add(1), strings.Repeat("s", 51))
	})}
	return wirepool.AppClients(p.Parts)
}

// atOnce is a server that gives every request the same answer immediately.
type atOnce func() string

func (answer atOnce) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	body := answer()
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
		Request:       r,
	}, nil
}

// publishing returns a broker for metadata that has read the user pool's
// document.
func publishing(string) (*deployment, error) {
	p, err := newDirect()
	if err != nil {
		return nil, err
	}
	pool := httptest.NewServer(discoveryDocument(p.Environment))
	defer pool.Close()
	p.Environment.CognitoDiscovery = pool.URL
	if err := metadata.Routes(p.router, p.Environment, p.Configuration, p.Log); err != nil {
		return nil, err
	}
	// The first request fetches the document; later ones come from memory.
	b := &deployment{p.router, p.clock, asItIs}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/oauth-authorization-server", nil))
	if !strings.Contains(w.Header().Get("Cache-Control"), "max-age=300") {
		return nil, fmt.Errorf("the pool's document was not read: %d %s", w.Code, w.Header())
	}
	return b, nil
}

// discoveryDocument serves the user pool's document.
func discoveryDocument(c *environment.Environment) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{
			"issuer":                 c.CognitoIssuer,
			"authorization_endpoint": c.CognitoDomain + "/oauth2/authorize",
			"token_endpoint":         c.CognitoDomain + "/oauth2/token",
			"revocation_endpoint":    c.CognitoDomain + "/oauth2/revoke",
			"userinfo_endpoint":      c.CognitoDomain + "/oauth2/userInfo",
			"jwks_uri":               c.CognitoIssuer + "/.well-known/jwks.json",

			"response_types_supported":              []string{"code", "token"},
			"subject_types_supported":               []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256"},
			"scopes_supported":                      []string{"openid", "email", "phone", "profile"},
		})
	})
}

// relaying returns a function that deploys a broker for the token endpoint,
// which calls Cognito with client. If the client's transport makes real
// requests, a server on loopback answers them.
func relaying(client *http.Client) func(string) (*deployment, error) {
	return func(string) (*deployment, error) {
		p, err := newDirect()
		if err != nil {
			return nil, err
		}
		id, err := p.registerClient()
		if err != nil {
			return nil, err
		}
		p.HTTP, p.Environment.CognitoBackChannel = client, tokenServer()
		d := &deployment{p.router, p.clock, []map[string]string{{exampleClient: id}}}
		return d, token.Routes(p.router, p.Parts)
	}
}

// registerClient registers the client that requests tokens.
func (p *parts) registerClient() (id string, err error) {
	if err := p.registrations(fake.NewPool()); err != nil {
		return "", err
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/register", bytes.NewReader([]byte(`{"redirect_uris":["http://localhost:3118/callback"]}`)))
	r.Header.Set("Content-Type", "application/json")
	p.router.ServeHTTP(w, r)
	var client struct {
		ID string `json:"client_id"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &client); err != nil || client.ID == "" {
		return "", fmt.Errorf("registration: %d %s", w.Code, w.Body)
	}
	return client.ID, nil
}

// tokenAnswer returns an answer of the same size as Cognito's.
func tokenAnswer() string { return tokens }

var tokens = func() string {
	jwt := func(claims string) string {
		pad := fmt.Sprintf(`,"jti":"%s"}`, strings.Repeat("0", 400))
		return strings.Join([]string{
			base64.RawURLEncoding.EncodeToString([]byte(`{"kid":"k","alg":"RS256"}`)),
			base64.RawURLEncoding.EncodeToString([]byte(claims + pad)),
			strings.Repeat("s", 342), // a signature with 2,048 bits
		}, ".")
	}
	return fmt.Sprintf(`{"access_token":%q,"id_token":%q,"refresh_token":%q,"token_type":"Bearer","expires_in":3600}`,
		jwt(`{"scope":"openid mcp/read"`), jwt(`{"sub":"alice"`), strings.Repeat("r", 1800))
}()

// tokenServer starts a server on loopback, which answers every request with
// tokens until the process ends. It returns its origin.
var tokenServer = sync.OnceValue(func() string {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, tokens)
	})).URL
})
