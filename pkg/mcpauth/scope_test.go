package mcpauth

import (
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func call(tool string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","arguments":{"name":"delete"}}}`
}

func TestToolsNeedTheirScopes(t *testing.T) {
	keys := newKeyServer(t, map[string]*rsa.PrivateKey{"k1": testKey()})
	h := newGuard(t, testConfig(keys.url)).Handler(endpoint)
	const (
		read, all = "openid mcp/read", "mcp/admin mcp/read mcp/write"
		needed    = "mcp/read mcp/write mcp/admin"
	)
	tests := []struct {
		name, scope, body string
		status            int
		challenged        string // the scope in the challenge; "" without one
	}{
		{"a tool without scopes of its own", read, call("echo"), 200, ""},
		{"a tool with the scopes of all requests", read, call("list"), 200, ""},
		{"a tool with additional scopes", read, call("delete"), 403, needed},
		{"one of two scopes", read + " mcp/write", call("delete"), 403, needed},
		{"all scopes", all, call("delete"), 200, ""},
		{"without the scope of all requests", "mcp/write mcp/admin", call("delete"), 403, "mcp/read"},
		{"no tool", read, listTools, 200, ""},
		{"a response", read, `{"jsonrpc":"2.0","id":1,"result":{"name":"delete"}}`, 200, ""},
		{"a notification of another method", read, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"name":"delete"}}`, 200, ""},
		{"names of another method", read, `{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"delete"}}`, 200, ""},
		{"a call without a name", read, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}`, 200, ""}, // the server refuses it
		{"in a batch", read, `[` + listTools + `,` + call("echo") + "," + call("delete") + `]`, 403, needed},
		{"a batch of other messages", read, `[` + listTools + `,` + call("echo") + `]`, 200, ""},
		{"escaped", read, `{"method":"tools\/call","\u0070arams":{"n\u0061me":"d\u0065lete"}}`, 403, needed},
		{"space before a batch", read, " \r\n\t[" + call("delete") + "]", 403, needed},
		// Bodies that another decoder could read as a call of delete, or as no
		// call.
		{"the name twice", read, `{"method":"tools/call","params":{"name":"echo","name":"delete"}}`, 400, ""},
		{"the name twice, the other way round", read, `{"method":"tools/call","params":{"name":"delete","name":"echo"}}`, 400, ""},
		{"the name in capitals", read, `{"method":"tools/call","params":{"name":"echo","NAME":"delete"}}`, 400, ""},
		{"the name escaped, again", read, `{"method":"tools/call","params":{"name":"echo","n\u0061me":"delete"}}`, 400, ""},
		{"the params twice", read, `{"method":"tools/call","params":{"name":"echo"},"params":{"name":"delete"}}`, 400, ""},
		{"the method twice", read, `{"method":"ping","method":"tools/call","params":{"name":"delete"}}`, 400, ""},
		{"the method in capitals", read, `{"Method":"tools/call","params":{"name":"delete"}}`, 400, ""},
		{"text after the message", read, call("echo") + call("delete"), 400, ""},
		{"text after a batch", read, "[" + call("echo") + "]" + call("delete"), 400, ""},
		{"not JSON", read, "delete", 400, ""},
		{"nothing", read, "", 400, ""},
		{"too much", read, `"` + strings.Repeat("a", MaxBody) + `"`, 413, ""},
		{"the maximum", read, `"` + strings.Repeat("a", MaxBody-2) + `"`, 200, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := post(h, tt.body, "Bearer "+good(t, map[string]any{"scope": tt.scope}))
			challenge := w.Header().Get("WWW-Authenticate")
			want := ""
			if tt.challenged != "" {
				want = `Bearer error="insufficient_scope", error_description="this needs the scope ` + tt.challenged +
					`", resource_metadata="` + testMetadata + `", scope="` + tt.challenged + `"`
			}
			if w.Code != tt.status || challenge != want {
				t.Fatalf("got %d with challenge %q, want %d with %q", w.Code, challenge, tt.status, want)
			}
			switch tt.status {
			case 200:
				if w.Body.String() != tt.body {
					t.Errorf("the server got %.200s, want the body unchanged", w.Body)
				}
			case 400, 413:
				var body struct {
					Version string `json:"jsonrpc"`
					ID      any    `json:"id"`
					Error   struct {
						Code    int    `json:"code"`
						Message string `json:"message"`
					} `json:"error"`
				}
				if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Version != "2.0" || body.ID != nil || body.Error.Code == 0 || body.Error.Message == "" {
					t.Errorf("body = %s, want an error of JSON-RPC", w.Body)
				}
			}
		})
	}
}

// A request without a valid token does not make the server read its body.
func TestBodiesAreReadOnlyForGoodTokens(t *testing.T) {
	keys := newKeyServer(t, map[string]*rsa.PrivateKey{"k1": testKey()})
	h := newGuard(t, testConfig(keys.url)).Handler(endpoint)
	for _, token := range []string{"", "abc", good(t, map[string]any{"scope": "openid"})} {
		body := &countingReader{strings.NewReader(call("delete")), 0}
		r := httptest.NewRequest("POST", testResource, body)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if body.n > 0 || w.Code < 401 {
			t.Errorf("token %.10q: %d after %d bytes were read, want a challenge and none", token, w.Code, body.n)
		}
	}
}

type countingReader struct {
	r *strings.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func TestProtectAddsScopes(t *testing.T) {
	keys := newKeyServer(t, map[string]*rsa.PrivateKey{"k1": testKey()})
	h := newGuard(t, testConfig(keys.url)).Protect(endpoint, "mcp/export", "mcp/read")
	get := func(authorization ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "http://localhost:8090/export", nil)
		r.Header["Authorization"] = authorization
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	const scope = `scope="mcp/read mcp/export"`
	for _, tt := range []struct {
		name          string
		authorization []string
		status        int
		challenge     string
	}{
		{"no token", nil, 401, scope},
		{"too small a scope", []string{"Bearer " + good(t, nil)}, 403, scope},
		{"both scopes", []string{"Bearer " + good(t, map[string]any{"scope": "mcp/export mcp/read"})}, 200, ""},
	} {
		w := get(tt.authorization...)
		if got := w.Header().Get("WWW-Authenticate"); w.Code != tt.status || !strings.HasSuffix(got, tt.challenge) {
			t.Errorf("%s: %d with challenge %q, want %d with ...%s", tt.name, w.Code, got, tt.status, tt.challenge)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("Protect with an invalid scope did not panic")
		}
	}()
	newGuard(t, testConfig(keys.url)).Protect(http.NotFoundHandler(), `a"b`)
}

func FuzzToolsOf(f *testing.F) {
	for _, s := range []string{listTools, call("delete"), "[" + call("a") + "]", `{"method":"tools/call","params":{"name":"a","Name":"b"}}`, "[[{}]]", "null", `{"method":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		tools, err := toolsOf(body)
		if err != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatalf("%q is not JSON, and was accepted", body)
		}
		// A decoder that ignores case and uses the last member reads the same.
		var m struct {
			Method string `json:"method"`
			Params struct {
				Name string `json:"name"`
			} `json:"params"`
		}
		if json.Unmarshal(body, &m) == nil && m.Method == "tools/call" && (len(tools) != 1 || tools[0] != m.Params.Name) {
			t.Errorf("%q: tools = %q, want %q", body, tools, m.Params.Name)
		}
	})
}
