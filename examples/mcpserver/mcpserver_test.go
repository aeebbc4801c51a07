package mcpserver

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/dcr-broker/dcr-broker/pkg/mcpauth"
)

// world is a server and the user pool whose tokens it accepts.
type world struct {
	key      *rsa.PrivateKey
	issuer   string
	resource string
	log      bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := new(world)
	var err error
	if w.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	keys := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		json.NewEncoder(rw).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: w.key.Public(), KeyID: "k1", Algorithm: "RS256", Use: "sig"}}})
	}))
	t.Cleanup(keys.Close)
	w.issuer = keys.URL
	srv := httptest.NewUnstartedServer(nil)
	w.resource = "http://" + srv.Listener.Addr().String() + "/mcp"
	cfg, err := FromEnv(func(name string) string {
		return map[string]string{
			"RESOURCE": w.resource, "AUTHORIZATION_SERVER": "https://auth.example.com", "TOKEN_ISSUER": w.issuer, "REQUIRE_AUDIENCE": "true",
		}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Log = slog.New(slog.NewTextHandler(&w.log, nil))
	if srv.Config.Handler, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(srv.Close)
	return w
}

// token returns an access token of alice, as Cognito issues it.
func (w *world) token(t *testing.T, scope string, expires time.Time) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: w.key}, (&jose.SignerOptions{}).WithHeader("kid", "k1"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(map[string]any{
		"sub": "8f1c2a34", "iss": w.issuer, "version": 2, "client_id": "1example23456789", "token_use": "access", "scope": scope,
		"exp": expires.Unix(), "username": "alice", "cognito:groups": []string{"staff"}, "aud": w.resource,
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// bearer sends the token with every request.
type bearer struct{ token string }

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return http.DefaultTransport.RoundTrip(r)
}

func (w *world) connect(t *testing.T, token string) *mcp.ClientSession {
	t.Helper()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(),
		&mcp.StreamableClientTransport{Endpoint: w.resource, HTTPClient: &http.Client{Transport: bearer{token}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

func TestTools(t *testing.T) {
	w := newWorld(t)
	expires := time.Now().Add(time.Hour)
	session := w.connect(t, w.token(t, "openid mcp/read mcp/write", expires))
	list, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
	}
	if !slices.Equal(names, []string{"echo", "whoami", "write_log"}) {
		t.Errorf("tools = %q, want echo, whoami and write_log", names)
	}

	const message = "a\nb \"c\""
	for tool, want := range map[string]string{"echo": message, "write_log": "written"} {
		res, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: map[string]any{"message": message}})
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := res.Content[0].(*mcp.TextContent); !ok || text.Text != want {
			t.Errorf("%s = %#v, want %q", tool, res.Content, want)
		}
	}
	if want := `msg="a user says" message="a\nb \"c\"" username=alice token.sub=8f1c2a34`; !strings.Contains(w.log.String(), want) {
		t.Errorf("log = %s, want a line with %s", w.log.String(), want)
	}
	res, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "write_log", Arguments: map[string]any{"message": strings.Repeat("a", 1001)}})
	if err != nil || !res.IsError || strings.Contains(w.log.String(), "aaaa") {
		t.Errorf("write_log with 1001 bytes = %v, %v; want an error of the tool, and nothing in the log", res, err)
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
		Subject: "8f1c2a34", Username: "alice", ClientID: "1example23456789", Scope: "openid mcp/read mcp/write", Groups: []string{"staff"},
		Issuer: w.issuer, Audience: []string{w.resource}, TokenUse: "access", Expires: expires.Unix(),
	}
	gotJSON, _ := json.Marshal(got)
	wantJSON, _ := json.Marshal(want)
	if string(gotJSON) != string(wantJSON) {
		t.Errorf("whoami = %s, want %s", gotJSON, wantJSON)
	}
}

// write_log refuses a token that has only the scope for reading.
func TestWritingNeedsAScopeOfItsOwn(t *testing.T) {
	w := newWorld(t)
	session := w.connect(t, w.token(t, "mcp/read", time.Now().Add(time.Hour)))
	if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"message": "a"}}); err != nil {
		t.Errorf("echo: %v", err)
	}
	res, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "write_log", Arguments: map[string]any{"message": "a"}})
	if err == nil || strings.Contains(w.log.String(), "a user says") {
		t.Errorf("write_log = %v, %v; want an error and nothing in the log:\n%s", res, err, w.log.String())
	}
}

func TestFromEnv(t *testing.T) {
	env := map[string]string{
		"RESOURCE": "https://mcp.example.com/mcp", "AUTHORIZATION_SERVER": "https://auth.example.com", "TOKEN_ISSUER": "https://pool.example.com",
	}
	getenv := func(name string) string { return env[name] }
	c, err := FromEnv(getenv)
	if err != nil {
		t.Fatal(err)
	}
	if c.RequireAudience || len(c.AppClients) != 0 || !slices.Equal(c.Scopes, []string{"mcp/read"}) || c.WriteScope != "mcp/write" || c.Name != "Example MCP server" {
		t.Errorf("defaults = %+v", c)
	}
	for name, value := range map[string]string{
		"REQUIRE_AUDIENCE": "true", "APP_CLIENTS": "a  b", "READ_SCOPE": "notes/read", "WRITE_SCOPE": "notes/write", "NAME": "Notes", "KEY_SET": "https://keys.example.com",
	} {
		env[name] = value
	}
	if c, err = FromEnv(getenv); err != nil {
		t.Fatal(err)
	}
	want := mcpauth.Config{
		Resource: env["RESOURCE"], Name: "Notes", AuthorizationServer: env["AUTHORIZATION_SERVER"], TokenIssuer: env["TOKEN_ISSUER"],
		KeySet: env["KEY_SET"], RequireAudience: true, AppClients: []string{"a", "b"}, Scopes: []string{"notes/read"},
	}
	got, _ := json.Marshal(comparable(c.Config))
	wantJSON, _ := json.Marshal(comparable(want))
	if string(got) != string(wantJSON) || c.WriteScope != "notes/write" {
		t.Errorf("all = %s and %s, want %s and notes/write", got, c.WriteScope, wantJSON)
	}
	env["REQUIRE_AUDIENCE"] = "yes"
	if _, err := FromEnv(getenv); err == nil || !strings.Contains(err.Error(), "REQUIRE_AUDIENCE") {
		t.Errorf("REQUIRE_AUDIENCE=yes: error = %v, want one that names it", err)
	}
	if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), "Resource") || !strings.Contains(err.Error(), "ToolScopes") {
		t.Errorf("New of nothing = %v, want all faults", err)
	}
}

// comparable returns c as JSON values, without the fields that JSON cannot have.
func comparable(c mcpauth.Config) map[string]any {
	return map[string]any{
		"resource": c.Resource, "name": c.Name, "server": c.AuthorizationServer, "issuer": c.TokenIssuer, "keys": c.KeySet,
		"bound": c.RequireAudience, "clients": c.AppClients, "scopes": c.Scopes,
	}
}
