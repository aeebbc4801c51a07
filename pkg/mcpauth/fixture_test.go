package mcpauth

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	testResource = "http://localhost:8090/mcp"
	testIssuer   = "http://localhost:9229/us-east-1_local00001"
	testBroker   = "http://localhost:8080"
	testMetadata = "http://localhost:8090/.well-known/oauth-protected-resource/mcp"
)

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var testKey, otherKey = sync.OnceValue(newKey), sync.OnceValue(newKey)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

// keyServer serves a key set and counts the requests.
type keyServer struct {
	url     string
	fetches atomic.Int32
	mu      sync.Mutex
	keys    map[string]*rsa.PrivateKey // nil: it fails
}

func newKeyServer(t *testing.T, keys map[string]*rsa.PrivateKey) *keyServer {
	t.Helper()
	s := &keyServer{keys: keys}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fetches.Add(1)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.keys == nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		var set jose.JSONWebKeySet
		for id, key := range s.keys {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: id, Algorithm: "RS256", Use: "sig"})
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(set)
	}))
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

func (s *keyServer) set(keys map[string]*rsa.PrivateKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = keys
}

func testConfig(keySet string) Config {
	return Config{
		Resource: testResource, Name: "Test server", AuthorizationServer: testBroker, TokenIssuer: testIssuer, KeySet: keySet,
		Scopes: []string{"mcp/read"}, ToolScopes: map[string][]string{"delete": {"mcp/write", "mcp/admin"}, "list": {"mcp/read"}},
		Now: func() time.Time { return testNow },
	}
}

// endpoint responds with the body of the request, and the subject in a header.
var endpoint = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	c, ok := FromContext(r.Context())
	if !ok {
		http.Error(w, "no claims", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Test-Subject", c.Subject)
	io.Copy(w, r.Body)
})

func newGuard(t *testing.T, cfg Config) *Guard {
	t.Helper()
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// goodClaims returns the claims of an access token like Cognito's.
func goodClaims() map[string]any {
	return map[string]any{
		"sub": "8f1c2a34", "iss": testIssuer, "version": 2, "client_id": "1example23456789", "origin_jti": "o", "token_use": "access",
		"scope": "openid mcp/read", "auth_time": testNow.Unix(), "exp": testNow.Add(time.Hour).Unix(), "iat": testNow.Unix(),
		"jti": "j", "username": "alice", "cognito:groups": []string{"staff"}, "tenant": "acme",
	}
}

// changed returns the good claims with changes; nil removes a claim.
func changed(changes map[string]any) map[string]any {
	claims := goodClaims()
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
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

// good returns an access token with changed claims.
func good(t *testing.T, changes map[string]any) string {
	return sign(t, testKey(), jose.RS256, "k1", changed(changes))
}

const listTools = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}`

func post(h http.Handler, body string, authorization ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", testResource, strings.NewReader(body))
	r.Header["Authorization"] = authorization
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
