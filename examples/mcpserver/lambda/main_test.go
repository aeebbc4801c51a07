package main

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const resource = "https://example.execute-api.us-east-1.amazonaws.com/mcp"

// event returns the event of an HTTP API for a request, payload format 2.0.
func event(method, path, body string, headers map[string]string) events.APIGatewayV2HTTPRequest {
	return events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: path, Headers: headers, Body: body,
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			DomainName: "example.execute-api.us-east-1.amazonaws.com", Stage: "$default",
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: method, Path: path, Protocol: "HTTP/1.1", SourceIP: "192.0.2.1"},
		},
	}
}

func TestEvents(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pool := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	}))
	defer pool.Close()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "k"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": pool.URL, "sub": "alice", "client_id": "app", "token_use": "access", "scope": "mcp/read", "exp": time.Now().Add(time.Hour).Unix(),
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"RESOURCE": resource, "AUTHORIZATION_SERVER": "https://auth.example.com", "TOKEN_ISSUER": pool.URL}
	h, err := handler(func(name string) string { return env[name] }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}

	const list = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}`
	const write = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"write_log","arguments":{"message":"a"}}}`
	// Header names are in lower case in events of an HTTP API.
	with := map[string]string{
		"authorization": "Bearer " + token, "content-type": "application/json", "accept": "application/json, text/event-stream", "host": "example.execute-api.us-east-1.amazonaws.com",
	}
	for _, tt := range []struct {
		name      string
		event     events.APIGatewayV2HTTPRequest
		status    int
		challenge string
		body      string
	}{
		{"metadata", event("GET", "/.well-known/oauth-protected-resource/mcp", "", nil), 200, "", `"resource": "` + resource + `"`},
		{"no token", event("POST", "/mcp", list, nil), 401, `Bearer resource_metadata="https://example.execute-api.us-east-1.amazonaws.com/.well-known/oauth-protected-resource/mcp", scope="mcp/read"`, "error"},
		{"a token", event("POST", "/mcp", list, with), 200, "", `"whoami"`},
		{"too small a scope", event("POST", "/mcp", write, with), 403, `Bearer error="insufficient_scope"`, "mcp/write"},
		{"preflight", event("OPTIONS", "/mcp", "", map[string]string{"origin": "http://localhost:6274"}), 204, "", ""},
		{"another path", event("GET", "/favicon.ico", "", nil), 404, "", "error"},
		{"a percent sign in the path", event("GET", "/%zz", "", nil), 404, "", "error"}, // /%25zz on the wire
		{"a question mark in the path", event("GET", "/mcp?a", "", nil), 404, "", "error"},
		{"a body that is not base64", func() events.APIGatewayV2HTTPRequest {
			e := event("POST", "/mcp", "!", nil)
			e.IsBase64Encoded = true
			return e
		}(), 400, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, err := h(t.Context(), tt.event)
			if err != nil {
				t.Fatal(err)
			}
			get := func(name string) string { return header(res, name) }
			if res.StatusCode != tt.status || !strings.HasPrefix(get("WWW-Authenticate"), tt.challenge) || !strings.Contains(res.Body, tt.body) {
				t.Errorf("got %d with challenge %q and %s; want %d, %q and %q", res.StatusCode, get("WWW-Authenticate"), res.Body, tt.status, tt.challenge, tt.body)
			}
			if get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("Access-Control-Allow-Origin = %q, want *", get("Access-Control-Allow-Origin"))
			}
		})
	}
}

// header returns a header of the response by its name in any case.
func header(res events.APIGatewayV2HTTPResponse, name string) string {
	h := make(http.Header)
	for k, v := range res.Headers {
		h.Set(k, v)
	}
	for k, v := range res.MultiValueHeaders {
		for _, s := range v {
			h.Add(k, s)
		}
	}
	return h.Get(name)
}

func TestHandlerNeedsItsEnvironment(t *testing.T) {
	if _, err := handler(func(string) string { return "" }, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("handler = nil error, want one")
	}
	if _, err := handler(func(string) string { return "maybe" }, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("handler = nil error, want one")
	}
}
