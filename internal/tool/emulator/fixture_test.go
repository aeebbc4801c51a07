package emulator_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/smithy-go"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
	"github.com/go-jose/go-jose/v4"
)

const (
	pool     = "us-east-1_local00001"
	callback = "http://localhost:7777/cb"
	apiScope = "https://api.example.com/mcp/read"
)

// local is an emulator behind a real listener, called with the real SDK.
type local struct {
	*emulator.Cognito
	t     *testing.T
	base  string
	sdk   *cip.Client
	clock *fake.Clock
}

func start(t *testing.T, change func(*emulator.Config)) *local {
	t.Helper()
	var handler http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	srv.Config.ErrorLog = nil
	t.Cleanup(srv.Close)
	ck := fake.ClockAt(time.Unix(1_800_000_000, 0))
	cfg := emulator.Config{
		BaseURL: srv.URL,
		Users: []emulator.User{
			{Name: "alice", Password: "Correct-Horse-9", Email: "alice@example.com", Groups: []string{"staff"}},
			{Name: "bob", Password: "Battery-Staple-8", Email: "bob@example.com"},
		},
		ResourceServers: []emulator.ResourceServer{{Identifier: "https://api.example.com/mcp", Scopes: []string{"read", "write"}}},
		NoRateLimit:     true,
		Now:             ck.Now,
		Key:             fake.SigningKey(),
	}
	if change != nil {
		change(&cfg)
	}
	c, err := emulator.New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	handler = c
	sdk := cip.New(cip.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(srv.URL),
		Credentials:  credentials.NewStaticCredentialsProvider("AKIDLOCAL", "local", ""),
		Retryer:      aws.NopRetryer{},
	})
	return &local{Cognito: c, t: t, base: srv.URL, sdk: sdk, clock: ck}
}

// publicClient is the smallest app client of the code grant through which a
// user can sign in.
func publicClient() *cip.CreateUserPoolClientInput {
	return &cip.CreateUserPoolClientInput{
		UserPoolId:                      aws.String(pool),
		ClientName:                      aws.String("Test client"),
		AllowedOAuthFlowsUserPoolClient: true,
		AllowedOAuthFlows:               []types.OAuthFlowType{"code"},
		AllowedOAuthScopes:              []string{"openid", "email", apiScope},
		CallbackURLs:                    []string{callback},
		LogoutURLs:                      []string{"http://localhost:7777/bye"},
		SupportedIdentityProviders:      []string{"COGNITO"},
		ExplicitAuthFlows:               []types.ExplicitAuthFlowsType{"ALLOW_ADMIN_USER_PASSWORD_AUTH"},
	}
}

// refreshingClient is a publicClient that may refresh without rotation.
func refreshingClient() *cip.CreateUserPoolClientInput {
	in := publicClient()
	in.ExplicitAuthFlows = []types.ExplicitAuthFlowsType{"ALLOW_REFRESH_TOKEN_AUTH"}
	return in
}

func machineClient() *cip.CreateUserPoolClientInput {
	return &cip.CreateUserPoolClientInput{
		UserPoolId:                      aws.String(pool),
		ClientName:                      aws.String("Machine"),
		GenerateSecret:                  true,
		AllowedOAuthFlowsUserPoolClient: true,
		AllowedOAuthFlows:               []types.OAuthFlowType{"client_credentials"},
		AllowedOAuthScopes:              []string{apiScope},
	}
}

func (l *local) create(in *cip.CreateUserPoolClientInput) *types.UserPoolClientType {
	l.t.Helper()
	out, err := l.sdk.CreateUserPoolClient(l.t.Context(), in)
	if err != nil {
		l.t.Fatalf("CreateUserPoolClient: %v", err)
	}
	return out.UserPoolClient
}

// wantAPIError checks the exception's name and that its message contains text.
func wantAPIError(t *testing.T, err error, name, text string) {
	t.Helper()
	var e smithy.APIError
	if !asError(err, &e) {
		t.Fatalf("got error %v, want %s", err, name)
	}
	if e.ErrorCode() != name || !strings.Contains(e.ErrorMessage(), text) {
		t.Errorf("got %s %q, want %s with %q", e.ErrorCode(), e.ErrorMessage(), name, text)
	}
}

func (l *local) authorizeURL(client string, extra url.Values) string {
	v := url.Values{"response_type": {"code"}, "client_id": {client}, "redirect_uri": {callback}, "state": {"s1"}}
	for k, values := range extra {
		v[k] = values
		if values == nil {
			delete(v, k)
		}
	}
	return l.base + "/oauth2/authorize?" + v.Encode()
}

// code signs alice in with a new browser and returns the authorization code.
func (l *local) code(client string, extra url.Values) string {
	l.t.Helper()
	back, err := emulator.NewBrowser().SignIn(l.t.Context(), l.authorizeURL(client, extra), "alice", "Correct-Horse-9")
	if err != nil {
		l.t.Fatalf("SignIn: %v", err)
	}
	code := back.Query().Get("code")
	if code == "" {
		l.t.Fatalf("sign-in ended at %s, want a code", back)
	}
	return code
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func (a answer) text(name string) string { s, _ := a.body[name].(string); return s }

// post sends a form; user and password go as HTTP Basic if user is not empty.
func (l *local) post(path string, form url.Values, user, password string) answer {
	l.t.Helper()
	req := must.Request(l.t, http.MethodPost, l.base+path, form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	return l.do(req)
}

func (l *local) do(req *http.Request) answer {
	l.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		l.t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(b)}
	_ = json.Unmarshal(b, &a.body)
	return a
}

func (l *local) get(path string, header http.Header) answer {
	l.t.Helper()
	req := must.Request(l.t, http.MethodGet, l.base+path, "")
	for k, v := range header {
		req.Header[k] = v
	}
	return l.do(req)
}

// redeem exchanges a code of a public client.
func (l *local) redeem(client, code string, extra url.Values) answer {
	l.t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {client}, "code": {code}, "redirect_uri": {callback}}
	for k, v := range extra {
		form[k] = v
	}
	return l.post("/oauth2/token", form, "", "")
}

func wantOAuthError(t *testing.T, a answer, status int, code string) {
	t.Helper()
	if a.status != status || a.text("error") != code {
		t.Errorf("got %d %s, want %d %s", a.status, a.raw, status, code)
	}
}

// claims verifies a token against the published key set and returns its header
// and claims.
func (l *local) claims(token string) (header, claims map[string]any) {
	l.t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(l.get("/"+pool+"/.well-known/jwks.json", nil).raw), &set); err != nil {
		l.t.Fatalf("key set: %v", err)
	}
	sig, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		l.t.Fatalf("parse token: %v", err)
	}
	keys := set.Key(sig.Signatures[0].Protected.KeyID)
	if len(keys) != 1 {
		l.t.Fatalf("the key set has %d keys with the token's kid, want 1", len(keys))
	}
	b, err := sig.Verify(keys[0])
	if err != nil {
		l.t.Fatalf("verify token: %v", err)
	}
	if err := json.Unmarshal(b, &claims); err != nil {
		l.t.Fatalf("claims: %v", err)
	}
	first, _, _ := strings.Cut(token, ".")
	if err := json.Unmarshal(decodeSegment(l.t, first), &header); err != nil {
		l.t.Fatalf("header: %v", err)
	}
	return header, claims
}

// requests sends body to every endpoint.
func requests(t *testing.T, op, body string) []*http.Request {
	t.Helper()
	control := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	control.Header.Set("X-Amz-Target", "AWSCognitoIdentityProviderService."+op)
	control.Header.Set("Content-Type", "application/x-amz-json-1.1")
	control.Header.Set("Authorization", "AWS4-HMAC-SHA256 test")
	out := []*http.Request{control}
	for _, path := range []string{"/oauth2/token", "/oauth2/revoke", "/login"} {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		out = append(out, r)
	}
	for _, path := range []string{"/oauth2/authorize", "/login", "/logout", "/error"} {
		r := httptest.NewRequest(http.MethodGet, path+"?"+escaped(body), nil)
		raw := httptest.NewRequest(http.MethodGet, path, nil)
		raw.URL.RawQuery = body
		out = append(out, r, raw)
	}
	r := httptest.NewRequest(http.MethodGet, "/oauth2/userInfo", nil)
	r.Header.Set("Authorization", "Bearer "+body)
	return append(out, r)
}

func serve(h http.Handler, r *http.Request) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}
