package samplemcp

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	testResource = "http://localhost:8090/mcp"
	testIssuer   = "http://localhost:9229/us-east-1_local00001"
	testBroker   = "http://localhost:8080"
	testMetadata = "http://localhost:8090/.well-known/oauth-protected-resource/mcp"
)

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var testKey = sync.OnceValue(func() *rsa.PrivateKey { return newKey() })

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

// newKeyServer serves the key set of a user pool whose key is key.
func newKeyServer(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "RS256", Use: "sig"}}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(set)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func testConfig(jwks string) Config {
	return Config{
		Resource: testResource, AuthorizationServer: testBroker, TokenIssuer: testIssuer, JWKSURL: jwks,
		Scopes: []string{"mcp/read"}, Now: func() time.Time { return testNow },
	}
}

func newHandler(t *testing.T, cfg Config) http.Handler {
	t.Helper()
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// goodClaims are those of an access token as Cognito makes it.
func goodClaims() map[string]any {
	return map[string]any{
		"sub": "8f1c2a34", "iss": testIssuer, "version": 2, "client_id": "1example23456789", "origin_jti": "o", "token_use": "access",
		"scope": "openid mcp/read", "auth_time": testNow.Unix(), "exp": testNow.Add(time.Hour).Unix(), "iat": testNow.Unix(),
		"jti": "j", "username": "alice", "cognito:groups": []string{"staff"},
	}
}

func sign(t *testing.T, key any, alg jose.SignatureAlgorithm, kid string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", kid))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func changed(changes map[string]any) map[string]any {
	claims := goodClaims()
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

const listTools = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}`

func post(h http.Handler, body string, authorization ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", testResource, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header["Authorization"] = authorization
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestTokens(t *testing.T) {
	key := testKey()
	h := newHandler(t, testConfig(newKeyServer(t, key)))
	const (
		none    = `Bearer resource_metadata="` + testMetadata + `", scope="mcp/read"`
		invalid = `Bearer error="invalid_token", error_description="`
		scope   = `Bearer error="insufficient_scope", error_description="`
	)
	rs256 := func(changes map[string]any) []string {
		return []string{"Bearer " + sign(t, key, jose.RS256, "k1", changed(changes))}
	}
	tests := []struct {
		name          string
		authorization []string
		status        int
		challenge     string // the beginning of it
	}{
		{"no header", nil, 401, none},
		{"another scheme", []string{"Basic YWxpY2U6cGFzc3dvcmQ="}, 401, none}, // no token was sent
		{"good", rs256(nil), 200, ""},
		{"the scheme in lower case", []string{strings.Replace(rs256(nil)[0], "Bearer", "bearer", 1)}, 200, ""}, // RFC 9110 section 11.1
		{"no groups, no user", rs256(map[string]any{"cognito:groups": nil, "username": nil}), 200, ""},         // client_credentials
		{"bound to this resource", rs256(map[string]any{"aud": testResource}), 200, ""},
		{"bound to this resource with a slash", rs256(map[string]any{"aud": testResource + "/"}), 200, ""}, // what some clients send
		{"bound to this and another", rs256(map[string]any{"aud": []string{"https://other.example", testResource}}), 200, ""},
		{"bound to another resource", rs256(map[string]any{"aud": "http://localhost:8090/other"}), 401, invalid},
		{"bound to nothing", rs256(map[string]any{"aud": []string{}}), 401, invalid},
		{"empty", []string{"Bearer "}, 401, invalid},
		{"not a JWT", []string{"Bearer abc"}, 401, invalid},
		{"two headers", append(rs256(nil), rs256(nil)...), 401, invalid},
		{"expired", rs256(map[string]any{"exp": testNow.Add(-time.Second).Unix()}), 401, invalid + `the access token has expired"`},
		{"never expires", rs256(map[string]any{"exp": nil}), 401, invalid},
		{"another pool", rs256(map[string]any{"iss": testIssuer + "x"}), 401, invalid},
		{"the broker as issuer", rs256(map[string]any{"iss": testBroker}), 401, invalid},
		{"an ID token", rs256(map[string]any{"token_use": "id", "aud": "1example23456789"}), 401, invalid + `this is not an access token"`},
		{"no token_use", rs256(map[string]any{"token_use": nil}), 401, invalid},
		{"no client", rs256(map[string]any{"client_id": nil}), 401, invalid},
		{"no subject", rs256(map[string]any{"sub": nil}), 401, invalid},
		{"claims of the wrong type", rs256(map[string]any{"scope": []string{"mcp/read"}}), 401, invalid},
		{"another key", []string{"Bearer " + sign(t, newKey(), jose.RS256, "k1", goodClaims())}, 401, invalid},
		{"unknown key id", []string{"Bearer " + sign(t, newKey(), jose.RS256, "k2", goodClaims())}, 401, invalid},
		{"another algorithm", []string{"Bearer " + sign(t, key, jose.PS256, "k1", goodClaims())}, 401, invalid},
		{"HMAC with a guessable key", []string{"Bearer " + sign(t, make([]byte, 32), jose.HS256, "k1", goodClaims())}, 401, invalid},
		{"unsigned", []string{"Bearer eyJhbGciOiJub25lIn0." + strings.Split(rs256(nil)[0], ".")[1] + "."}, 401, invalid},
		{"another scope", rs256(map[string]any{"scope": "openid mcp/write"}), 403, scope},
		{"no scope", rs256(map[string]any{"scope": nil}), 403, scope},
		{"a longer scope", rs256(map[string]any{"scope": "mcp/readall"}), 403, scope},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := post(h, listTools, tt.authorization...)
			challenge := w.Header().Get("WWW-Authenticate")
			if w.Code != tt.status || !strings.HasPrefix(challenge, tt.challenge) {
				t.Fatalf("got %d with challenge %q, want %d with %q...", w.Code, challenge, tt.status, tt.challenge)
			}
			if tt.status == 200 {
				if challenge != "" || !strings.Contains(w.Body.String(), `"whoami"`) {
					t.Errorf("got challenge %q and body %s, want no challenge and the list of tools", challenge, w.Body)
				}
				return
			}
			if !strings.HasSuffix(challenge, none[len("Bearer "):]) {
				t.Errorf("challenge = %q, want it to end in %q", challenge, none[len("Bearer "):])
			}
			var body struct {
				Error       string `json:"error"`
				Description string `json:"error_description"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Error == "" || body.Description == "" {
				t.Errorf("body = %s, want JSON with error and error_description", w.Body)
			}
		})
	}
}

// A 401 would make the client throw away a good token.
func TestUnreachableKeysAreNoFaultOfTheToken(t *testing.T) {
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }))
	defer broken.Close()
	h := newHandler(t, testConfig(broken.URL))
	w := post(h, listTools, "Bearer "+sign(t, testKey(), jose.RS256, "k1", goodClaims()))
	if w.Code != 503 || w.Header().Get("WWW-Authenticate") != "" || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d with headers %v, want 503 with Retry-After and no challenge", w.Code, w.Header())
	}
}

func TestMetadata(t *testing.T) {
	h := newHandler(t, testConfig("http://localhost:9229/jwks.json"))
	for _, path := range []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		var got, want any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("GET %s = %d %s: %v", path, w.Code, w.Body, err)
		}
		json.Unmarshal([]byte(`{
			"resource": "http://localhost:8090/mcp",
			"authorization_servers": ["http://localhost:8080"],
			"scopes_supported": ["mcp/read"],
			"bearer_methods_supported": ["header"],
			"resource_name": "Sample MCP server"
		}`), &want)
		gotJSON, _ := json.Marshal(got)
		wantJSON, _ := json.Marshal(want)
		if w.Code != 200 || string(gotJSON) != string(wantJSON) {
			t.Errorf("GET %s = %d %s, want 200 %s", path, w.Code, gotJSON, wantJSON)
		}
		if ct := w.Header().Get("Content-Type"); ct != "application/json" {
			t.Errorf("GET %s: Content-Type = %q, want application/json", path, ct)
		}
	}
}

func TestPathsAndMethods(t *testing.T) {
	h := newHandler(t, testConfig("http://localhost:9229/jwks.json"))
	tests := []struct {
		method, path string
		status       int
		allow        string
	}{
		{"HEAD", "/.well-known/oauth-protected-resource/mcp", 200, ""},
		{"POST", "/.well-known/oauth-protected-resource/mcp", 405, "GET, HEAD, OPTIONS"},
		{"GET", "/.well-known/oauth-protected-resource/other", 404, ""},
		{"GET", "/.well-known/oauth-authorization-server", 404, ""}, // clients look here too, and must not get a 5xx
		{"POST", "/", 404, ""},
		{"POST", "/mcp/", 404, ""},
		{"GET", "/mcp", 401, ""}, // whoever has no token learns that first
	}
	for _, tt := range tests {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
		if w.Code != tt.status || w.Header().Get("Allow") != tt.allow {
			t.Errorf("%s %s = %d, Allow %q; want %d, %q", tt.method, tt.path, w.Code, w.Header().Get("Allow"), tt.status, tt.allow)
		}
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != "*" {
			t.Errorf("%s %s: Access-Control-Allow-Origin = %q, want *", tt.method, tt.path, got)
		}
	}
}

// MCP Inspector connects from a page on another origin.
func TestPreflightAllowsWhatBrowserClientsSend(t *testing.T) {
	h := newHandler(t, testConfig("http://localhost:9229/jwks.json"))
	for path, method := range map[string]string{"/mcp": "POST", "/.well-known/oauth-protected-resource/mcp": "GET"} {
		r := httptest.NewRequest("OPTIONS", path, nil)
		r.Header.Set("Origin", "http://localhost:6274")
		r.Header.Set("Access-Control-Request-Method", method)
		r.Header.Set("Access-Control-Request-Headers", "authorization,content-type,mcp-protocol-version")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 204 || !slices.Contains(strings.Split(w.Header().Get("Access-Control-Allow-Methods"), ", "), method) {
			t.Errorf("OPTIONS %s = %d, methods %q; want 204 with %s", path, w.Code, w.Header().Get("Access-Control-Allow-Methods"), method)
		}
		allowed := strings.Split(strings.ToLower(w.Header().Get("Access-Control-Allow-Headers")), ", ")
		for _, want := range []string{"authorization", "content-type", "mcp-protocol-version", "mcp-session-id", "mcp-method", "mcp-name"} {
			if !slices.Contains(allowed, want) {
				t.Errorf("OPTIONS %s allows the headers %q, want %s among them", path, allowed, want)
			}
		}
	}
	w := post(h, listTools)
	if got := w.Header().Get("Access-Control-Expose-Headers"); !strings.Contains(got, "WWW-Authenticate") {
		t.Errorf("Access-Control-Expose-Headers = %q, want WWW-Authenticate in it", got)
	}
}

func TestNewRefusesWhatCannotBePublished(t *testing.T) {
	tests := map[string]func(*Config){
		"no resource":            func(c *Config) { c.Resource = "" },
		"resource without path":  func(c *Config) { c.Resource = "http://localhost:8090" },
		"resource with slash":    func(c *Config) { c.Resource += "/" },
		"resource with query":    func(c *Config) { c.Resource += "?a=b" },
		"resource with fragment": func(c *Config) { c.Resource += "#a" },
		"resource with a quote":  func(c *Config) { c.Resource += `"` },
		"relative issuer":        func(c *Config) { c.TokenIssuer = "/pool" },
		"no keys":                func(c *Config) { c.JWKSURL = "" },
		"no broker":              func(c *Config) { c.AuthorizationServer = "localhost:8080" },
		"no scopes":              func(c *Config) { c.Scopes = nil },
		"two scopes in one":      func(c *Config) { c.Scopes = []string{"mcp/read mcp/write"} },
		"scope with a quote":     func(c *Config) { c.Scopes = []string{`mcp"read`} },
	}
	for name, change := range tests {
		cfg := testConfig("http://localhost:9229/jwks.json")
		change(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: New = nil error, want one", name)
		}
	}
}

// bearerTransport sends the token with every request.
type bearerTransport struct{ token string }

func (b bearerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return http.DefaultTransport.RoundTrip(r)
}

func TestTools(t *testing.T) {
	key := testKey()
	srv := httptest.NewUnstartedServer(nil)
	cfg := testConfig(newKeyServer(t, key))
	cfg.Resource = "http://" + srv.Listener.Addr().String() + "/mcp"
	srv.Config.Handler = newHandler(t, cfg)
	srv.Start()
	defer srv.Close()

	expires := testNow.Add(time.Hour).Unix()
	token := sign(t, key, jose.RS256, "k1", changed(map[string]any{"exp": expires, "aud": cfg.Resource}))
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(),
		&mcp.StreamableClientTransport{Endpoint: cfg.Resource, HTTPClient: &http.Client{Transport: bearerTransport{token}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()

	list, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
	}
	if !slices.Equal(names, []string{"echo", "whoami"}) {
		t.Errorf("tools = %q, want echo and whoami", names)
	}

	res, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"message": "a\nb \"c\""}})
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := res.Content[0].(*mcp.TextContent); !ok || text.Text != "a\nb \"c\"" {
		t.Errorf("echo = %#v, want the message", res.Content)
	}

	res, err = session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := json.Marshal(res.StructuredContent)
	var got identity
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatalf("whoami = %s: %v", raw, err)
	}
	want := identity{
		Subject: "8f1c2a34", Username: "alice", ClientID: "1example23456789", Scope: "openid mcp/read", Groups: []string{"staff"},
		Issuer: testIssuer, Audience: []string{cfg.Resource}, TokenUse: "access", Expires: expires,
	}
	gotJSON, _ := json.Marshal(got)
	wantJSON, _ := json.Marshal(want)
	if string(gotJSON) != string(wantJSON) {
		t.Errorf("whoami = %s, want %s", gotJSON, wantJSON)
	}
}

// The SDK's middleware only hands on what guard has found: by itself it lets
// nothing through.
func TestNothingReachesTheEndpointUnverified(t *testing.T) {
	if _, err := alreadyVerified(context.Background(), "token", nil); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("alreadyVerified = %v, want %v", err, auth.ErrInvalidToken)
	}
	h := newHandler(t, testConfig(newKeyServer(t, testKey()))).(*resource)
	r := httptest.NewRequest("POST", testResource, strings.NewReader(listTools))
	r.Header.Set("Authorization", "Bearer "+sign(t, testKey(), jose.RS256, "k1", goodClaims()))
	w := httptest.NewRecorder()
	h.endpoint.ServeHTTP(w, r)
	if body, _ := io.ReadAll(w.Result().Body); w.Code != 401 {
		t.Errorf("got %d %s, want 401", w.Code, body)
	}
}
