package gosdk

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/dcr-broker/dcr-broker/pkg/mcpauth"
)

// pool is a user pool that signs tokens.
type pool struct {
	key *rsa.PrivateKey
	url string
}

func newPool(t *testing.T) *pool {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	}))
	t.Cleanup(srv.Close)
	return &pool{key, srv.URL}
}

func (p *pool) token(t *testing.T, sub string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: p.key}, (&jose.SignerOptions{}).WithHeader("kid", "k"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": p.url, "sub": sub, "client_id": "app", "token_use": "access", "scope": "mcp/read", "exp": time.Now().Add(time.Hour).Unix(),
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// as sends a token with every request.
type as struct{ token *string }

func (a as) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+*a.token)
	return http.DefaultTransport.RoundTrip(r)
}

// newServer starts a server with sessions, whose tool who returns the Claims.
func newServer(t *testing.T, p *pool) string {
	t.Helper()
	server := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "who"}, func(_ context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		c, ok := Claims(req.Extra)
		return nil, map[string]any{"sub": c.Subject, "ok": ok}, nil
	})
	srv := httptest.NewUnstartedServer(nil)
	resource := "http://" + srv.Listener.Addr().String() + "/mcp"
	guard, err := mcpauth.New(mcpauth.Config{
		Resource: resource, AuthorizationServer: "https://auth.example.com", TokenIssuer: p.url, KeySet: p.url, Scopes: []string{"mcp/read"},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = guard.Handler(Handler(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)))
	srv.Start()
	t.Cleanup(srv.Close)
	return resource
}

func TestToolsSeeTheClaims(t *testing.T) {
	p := newPool(t)
	token := p.token(t, "alice")
	session := connect(t, newServer(t, p), &token)
	for _, sub := range []string{"alice", "alice"} {
		token = p.token(t, sub) // a new token of the same user, as after a refresh
		res, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "who"})
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := json.Marshal(res.StructuredContent)
		if want := `{"ok":true,"sub":"alice"}`; string(raw) != want {
			t.Errorf("who = %s, want %s", raw, want)
		}
	}
}

// A guessed or stolen session is useless with the token of another user.
func TestSessionBelongsToItsUser(t *testing.T) {
	p := newPool(t)
	token := p.token(t, "alice")
	session := connect(t, newServer(t, p), &token)
	if session.ID() == "" {
		t.Fatal("the server has no sessions; the test is worth nothing")
	}
	token = p.token(t, "mallory")
	if res, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "who"}); err == nil {
		t.Errorf("CallTool in another user's session = %v, want an error", res)
	}
	token = p.token(t, "alice")
}

func connect(t *testing.T, resource string, token *string) *mcp.ClientSession {
	t.Helper()
	// Only the revisions before 2026-07-28 have sessions.
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: resource, HTTPClient: &http.Client{Transport: as{token}}, DisableStandaloneSSE: true, MaxRetries: -1,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

func TestNothingPassesWithoutAGuard(t *testing.T) {
	h := Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request got through") }))
	r := httptest.NewRequest("POST", "/mcp", strings.NewReader("{}"))
	r.Header.Set("Authorization", "Bearer abc")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 401 {
		t.Errorf("got %d, want 401", w.Code)
	}
	for _, extra := range []*mcp.RequestExtra{nil, {}} {
		if _, ok := Claims(extra); ok {
			t.Errorf("Claims(%v) = true, want false", extra)
		}
	}
}
