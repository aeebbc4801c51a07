package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/dcr-broker/dcr-broker/internal/adapter/cognito"
	"github.com/dcr-broker/dcr-broker/internal/adapter/cognitoauth"
	"github.com/dcr-broker/dcr-broker/internal/adapter/issuers"
	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/endpoint/register"
	endpoint "github.com/dcr-broker/dcr-broker/internal/endpoint/token"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/wire/metadata"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/brokered"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/direct"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/registration"
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

// environment is the environment of every function in direct mode. A function
// makes no connection at its start.
var functionEnv = map[string]string{
	"AUTHORIZATION":         "direct",
	"AWS_REGION":            "us-east-1",
	"AWS_ACCESS_KEY_ID":     "local",
	"AWS_SECRET_ACCESS_KEY": "local",
	"ISSUER":                "https://auth.example.com",
	"USER_POOL_ID":          "us-east-1_local00001",
	"COGNITO_DOMAIN":        "https://example.auth.us-east-1.amazoncognito.com",
	"SCOPES":                "openid mcp/read mcp/write",
	"PROTECTED_RESOURCES":   `[{"resource":"https://mcp.example.com/mcp","scopes":["mcp/read"],"name":"Example MCP server"}]`,
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

// clock advances by a minute with every request, so that limits per hour and
// per second are never reached.
type clock struct{ minutes atomic.Int64 }

func (c *clock) step() { c.minutes.Add(1) }

func (c *clock) now() time.Time {
	return time.Unix(1_795_558_449, 0).Add(time.Duration(c.minutes.Load()) * time.Minute)
}

// parts has the common parts of all brokers.
type parts struct {
	config *environment.Config
	store  *memory.Store
	clock  *clock
	log    *slog.Logger
	router *httpapi.Router
}

func newParts() (*parts, error) {
	c, err := environment.Registration(func(name string) string { return functionEnv[name] })
	if err != nil {
		return nil, err
	}
	return partsOf(c), nil
}

func partsOf(c *environment.Config) *parts {
	p := &parts{config: c, clock: new(clock), log: c.Logger(io.Discard)}
	p.store, p.router = memory.NewStore(p.clock.now), httpapi.NewRouter(p.log)
	return p
}

// registering returns a function that deploys a broker for registrations.
func registering(apps func(*parts) (direct.Pool, error)) func(string) (*deployment, error) {
	return func(string) (*deployment, error) {
		p, err := newParts()
		if err != nil {
			return nil, err
		}
		a, err := apps(p)
		if err != nil {
			return nil, err
		}
		if err := p.directRegistrations(a); err != nil {
			return nil, err
		}
		tok, rec, err := credential.NewInitialAccessToken(credential.Grant{Label: "bench", Profile: "trusted", CreatedBy: "bench"}, p.clock.now())
		if err != nil {
			return nil, err
		}
		if err := p.store.CreateInitialAccessToken(context.Background(), rec); err != nil {
			return nil, err
		}
		return &deployment{p.router, p.clock, []map[string]string{{"dcr_iat_" + strings.Repeat("exampletoken", 5): tok.Reveal()}}}, nil
	}
}

// registrations adds the routes of registration in a mode, where now is the clock.
func (p *parts) registrations(mode broker.Mode, l registration.Lifecycle, former registration.Deleter, now func() time.Time) error {
	registrar, err := registration.New(registration.Config{
		Store:     p.store,
		Mode:      mode,
		Lifecycle: l,
		Former:    former,
		JWTs:      issuers.New(nil, now),
		Policy:    func(context.Context) (*policy.Policy, error) { return p.config.Policy, nil },
		Issuer:    p.config.Issuer,
		Now:       now,
		Log:       p.log,
	})
	if err != nil {
		return err
	}
	register.Mount(p.router, registrar)
	return nil
}

// directRegistrations adds the routes of registration in direct mode.
func (p *parts) directRegistrations(apps direct.Pool) error {
	l, err := direct.New(direct.Config{Store: p.store, Pool: apps, Deployment: "bench", Now: p.clock.now, Log: p.log})
	if err != nil {
		return err
	}
	return p.registrations(broker.ModeDirect, l, brokered.NewSwitch(p.store, p.clock.now, p.log), p.clock.now)
}

// inMemory replaces Cognito at the port direct.Pool.
func inMemory(*parts) (direct.Pool, error) { return fake.NewPool(), nil }

// throughSDK replaces Cognito below the AWS SDK, so that the SDK encodes, signs
// and decodes.
func throughSDK(p *parts) (direct.Pool, error) {
	var made atomic.Int64
	api := cip.New(cip.Options{
		Region: p.config.Region,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
		HTTPClient: &http.Client{Transport: atOnce(func() string {
			return fmt.Sprintf(`{"UserPoolClient":{"UserPoolId":%q,"ClientId":"appclient%d","ClientName":"bench","ClientSecret":"%s"}}`,
				p.config.UserPoolID, made.Add(1), strings.Repeat("s", 51))
		})},
	})
	return cognito.New(api, cognito.Config{
		Pool:       p.config.UserPoolID,
		Deployment: p.config.DeploymentID,
		Settings:   cognito.DefaultSettings(),
		Slots:      p.store,
		Now:        p.clock.now,
	})
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
	p, err := newParts()
	if err != nil {
		return nil, err
	}
	pool := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{
			"issuer":                 p.config.CognitoIssuer,
			"authorization_endpoint": p.config.CognitoDomain + "/oauth2/authorize",
			"token_endpoint":         p.config.CognitoDomain + "/oauth2/token",
			"revocation_endpoint":    p.config.CognitoDomain + "/oauth2/revoke",
			"userinfo_endpoint":      p.config.CognitoDomain + "/oauth2/userInfo",
			"jwks_uri":               p.config.CognitoIssuer + "/.well-known/jwks.json",

			"response_types_supported":              []string{"code", "token"},
			"subject_types_supported":               []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256"},
			"scopes_supported":                      []string{"openid", "email", "phone", "profile"},
		})
	}))
	defer pool.Close()
	p.config.CognitoDiscovery = pool.URL
	if err := metadata.Routes(p.router, p.config, p.log); err != nil {
		return nil, err
	}
	// The first request fetches the document; later ones come from memory.
	b := &deployment{p.router, p.clock, asItIs}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/oauth-authorization-server", nil))
	if !strings.Contains(w.Header().Get("Cache-Control"), "3600") {
		return nil, fmt.Errorf("the pool's document was not read: %d %s", w.Code, w.Header())
	}
	return b, nil
}

// relaying returns a function that deploys a broker for the token endpoint,
// which calls Cognito with client. If the client's transport makes real
// requests, a server on loopback answers them.
func relaying(client *http.Client) func(string) (*deployment, error) {
	return func(string) (*deployment, error) {
		p, err := newParts()
		if err != nil {
			return nil, err
		}
		id, err := p.registerClient()
		if err != nil {
			return nil, err
		}
		rt := httpapi.NewRouter(p.log)
		relay, err := direct.NewRelay(direct.RelayConfig{
			Clients: clients.New(broker.ModeDirect, p.store, p.clock.now), Log: p.log,
			Cognito: cognitoauth.New(cognitoauth.Config{TokenEndpoint: tokenEndpoint(), HTTP: client}),
		})
		if err != nil {
			return nil, err
		}
		endpoint.Routes(rt, relay)
		return &deployment{rt, p.clock, []map[string]string{{exampleClient: id}}}, nil
	}
}

// registerClient registers the client that requests tokens.
func (p *parts) registerClient() (id string, err error) {
	if err := p.directRegistrations(fake.NewPool()); err != nil {
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

// tokenEndpoint starts a server on loopback, which runs until the process ends.
var tokenEndpoint = sync.OnceValue(func() string {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, tokens)
	})).URL
})
