package mcpauth

import (
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

const noKeys = "http://localhost:1/jwks.json"

func TestMetadata(t *testing.T) {
	published := testConfig(noKeys)
	published.ScopesSupported = []string{"mcp/read", "mcp/write"}
	nameless := testConfig(noKeys)
	nameless.Name = ""
	root := testConfig(noKeys)
	root.Resource = "https://mcp.example.com"
	const asTold = `"authorization_servers":["http://localhost:8080"],"bearer_methods_supported":["header"]`
	for _, tt := range []struct {
		cfg   Config
		paths []string
		want  string // members in order of their names
	}{
		{testConfig(noKeys), []string{"", "/mcp"}, `{` + asTold + `,"resource":"http://localhost:8090/mcp","resource_name":"Test server","scopes_supported":["mcp/read"]}`},
		{published, []string{"/mcp"}, `{` + asTold + `,"resource":"http://localhost:8090/mcp","resource_name":"Test server","scopes_supported":["mcp/read","mcp/write"]}`},
		{nameless, []string{"/mcp"}, `{` + asTold + `,"resource":"http://localhost:8090/mcp","scopes_supported":["mcp/read"]}`},
		{root, []string{""}, `{` + asTold + `,"resource":"https://mcp.example.com","resource_name":"Test server","scopes_supported":["mcp/read"]}`},
	} {
		h := newGuard(t, tt.cfg).Handler(endpoint)
		for _, path := range tt.paths {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", metadataPath+path, nil))
			var got map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("GET %s = %d %s: %v", path, w.Code, w.Body, err)
			}
			sorted, _ := json.Marshal(got)
			if w.Code != 200 || string(sorted) != tt.want {
				t.Errorf("GET %s = %d %s, want 200 %s", path, w.Code, sorted, tt.want)
			}
			if ct := w.Header().Get("Content-Type"); ct != "application/json" {
				t.Errorf("GET %s: Content-Type = %q, want application/json", path, ct)
			}
		}
	}
}

// The URL in a challenge serves the document.
func TestChallengesNameTheMetadata(t *testing.T) {
	for resource, want := range map[string]string{
		"https://mcp.example.com":          "https://mcp.example.com/.well-known/oauth-protected-resource",
		"https://mcp.example.com/mcp":      "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
		"https://mcp.example.com:8443/a/b": "https://mcp.example.com:8443/.well-known/oauth-protected-resource/a/b",
	} {
		cfg := testConfig(noKeys)
		cfg.Resource = resource
		h := newGuard(t, cfg).Handler(endpoint)
		at := strings.TrimPrefix(resource, "https://mcp.example.com")
		if at == "" {
			at = "/"
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", strings.TrimPrefix(at, ":8443"), nil))
		if got := w.Header().Get("WWW-Authenticate"); w.Code != 401 || !strings.Contains(got, `resource_metadata="`+want+`"`) {
			t.Errorf("%s: %d with challenge %q, want 401 with %s", resource, w.Code, got, want)
		}
		w = httptest.NewRecorder()
		_, path, _ := strings.Cut(strings.TrimPrefix(want, "https://"), "/")
		h.ServeHTTP(w, httptest.NewRequest("GET", "/"+path, nil))
		if w.Code != 200 {
			t.Errorf("GET %s = %d, want 200", want, w.Code)
		}
	}
}

func TestPathsAndMethods(t *testing.T) {
	h := newGuard(t, testConfig(noKeys)).Handler(endpoint)
	tests := []struct {
		method, path string
		status       int
		allow        string
	}{
		{"HEAD", "/.well-known/oauth-protected-resource/mcp", 200, ""},
		{"POST", "/.well-known/oauth-protected-resource/mcp", 405, "GET, HEAD, OPTIONS"},
		{"GET", "/.well-known/oauth-protected-resource/other", 404, ""},
		{"GET", "/.well-known/oauth-authorization-server", 404, ""}, // clients try this path too and must not get a 5xx
		{"POST", "/", 404, ""},
		{"POST", "/mcp/", 404, ""},
		{"GET", "/mcp", 401, ""}, // the missing token comes first
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
	h := newGuard(t, testConfig(noKeys)).Handler(endpoint)
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

func TestNewRefusesInvalidConfigurations(t *testing.T) {
	tests := map[string]func(*Config){
		"no resource":                 func(c *Config) { c.Resource = "" },
		"resource with slash":         func(c *Config) { c.Resource += "/" },
		"resource with escapes":       func(c *Config) { c.Resource += "/a%2Fb" },
		"resource with query":         func(c *Config) { c.Resource += "?a=b" },
		"resource with an empty one":  func(c *Config) { c.Resource += "?" },
		"resource with fragment":      func(c *Config) { c.Resource += "#a" },
		"resource with a quote":       func(c *Config) { c.Resource += `"` },
		"resource over plain http":    func(c *Config) { c.Resource = "http://mcp.example.com/mcp" },
		"broker over plain http":      func(c *Config) { c.AuthorizationServer = "http://auth.example.com" },
		"no broker":                   func(c *Config) { c.AuthorizationServer = "localhost:8080" },
		"relative issuer":             func(c *Config) { c.TokenIssuer = "/pool" },
		"key set that is not a URL":   func(c *Config) { c.KeySet = "keys" },
		"no scopes":                   func(c *Config) { c.Scopes = nil },
		"two scopes in one":           func(c *Config) { c.Scopes = []string{"mcp/read mcp/write"} },
		"scope with a quote":          func(c *Config) { c.Scopes = []string{`mcp"read`} },
		"offline_access":              func(c *Config) { c.Scopes = []string{"mcp/read", "offline_access"} },
		"offline_access published":    func(c *Config) { c.ScopesSupported = []string{"offline_access"} },
		"a tool's scope with a quote": func(c *Config) { c.ToolScopes = map[string][]string{"a": {`"`}} },
		"a tool without a name":       func(c *Config) { c.ToolScopes = map[string][]string{"": {"mcp/write"}} },
		"a tool without scopes":       func(c *Config) { c.ToolScopes = map[string][]string{"a": nil} },
		"an app client without an id": func(c *Config) { c.AppClients = []string{""} },
	}
	for name, change := range tests {
		cfg := testConfig(noKeys)
		change(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: New = nil error, want one", name)
		}
	}
	_, err := New(Config{})
	for _, field := range []string{"Resource", "AuthorizationServer", "TokenIssuer", "KeySet", "Scopes"} {
		if err == nil || !strings.Contains(err.Error(), "field "+field+":") {
			t.Errorf("New of nothing = %v, want all faults, %s among them", err, field)
		}
	}
}

func TestDefaultKeySet(t *testing.T) {
	cfg := Config{TokenIssuer: "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_EXAMPLE"}
	if got, want := cfg.keySet(), cfg.TokenIssuer+"/.well-known/jwks.json"; got != want {
		t.Errorf("keySet = %s, want %s", got, want)
	}
}
