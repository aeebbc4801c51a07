package devstack

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
	"github.com/go-jose/go-jose/v4"
)

// provider is an issuer of JWTs, with a discovery document and keys.
type provider struct {
	*httptest.Server
	key  *ecdsa.PrivateKey
	mu   sync.Mutex
	down bool
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{key: key}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		switch {
		case p.down:
			w.WriteHeader(http.StatusBadGateway)
		case r.URL.Path == "/.well-known/openid-configuration":
			json.NewEncoder(w).Encode(map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/keys"})
		case r.URL.Path == "/keys":
			json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &p.key.PublicKey, KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	claims["iss"] = p.URL
	return fake.Sign(t, jose.ES256, p.key, "k", claims)
}

// A CI system registers a client with its own OIDC token, and a publisher's
// software statement has the client's metadata: over HTTP, in the whole stack,
// with discovery documents and keys that the broker fetches.
func TestTokenIssuersAndStatementIssuersAllowRegistrations(t *testing.T) {
	for _, mode := range []broker.Mode{broker.ModeBrokered, broker.ModeDirect} {
		t.Run(string(mode), func(t *testing.T) { testTokenIssuersAndStatementIssuersAllowRegistrations(t, mode) })
	}
}

func testTokenIssuersAndStatementIssuersAllowRegistrations(t *testing.T, mode broker.Mode) {
	ci, publisher, down := newProvider(t), newProvider(t), newProvider(t)
	down.down = true
	document := filepath.Join(t.TempDir(), "broker.json")
	err := os.WriteFile(document, fmt.Appendf(nil, `{"version":1,"scopes":[{"name":"mcp/read"}],"profiles":{"ci":{"redirect_uris":{"any_https":true},
		"token_endpoint_auth_methods":["client_secret_basic"],"software_statements":"accept"}, "trusted":{"redirect_uris":{"any_https":true}}},
		"token_issuers":[
			{"name":"actions","issuer":%q,"audience":"https://auth.example.com","claims":{"repository":"octo-org/octo-repo"},"profile":"ci","max_uses":1},
			{"name":"down","issuer":%q,"audience":"https://auth.example.com","claims":{"repository":"octo-org/octo-repo"},"profile":"ci"}],
		"statement_issuers":[{"issuer":%q}]}`, ci.URL, down.URL, publisher.URL), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	log := new(fake.Log)
	s, err := Start(t.Context(), Options{
		Log:           slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Configuration: document,
		Getenv:        func(name string) string { return map[string]string{"AUTHORIZATION": string(mode)}[name] },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()

	var secrets []string
	claims := func(sub string) map[string]any {
		return map[string]any{"sub": sub, "aud": "https://auth.example.com", "repository": "octo-org/octo-repo", "jti": sub, "iat": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix()}
	}
	register := func(token, statement string) (*http.Response, map[string]any) {
		t.Helper()
		secrets = append(secrets, token)
		body := `{"client_name":"App","redirect_uris":["https://app.example.com/cb"]}`
		if statement != "" {
			body = `{"software_statement":"` + statement + `",` + body[1:]
		}
		req := must.Request(t, http.MethodPost, s.Issuer+"/register", body)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var answer map[string]any
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		return res, answer
	}

	token := ci.sign(t, claims("one"))
	statement := publisher.sign(t, map[string]any{"client_name": "Stated", "software_id": "app"})
	res, answer := register(token, statement)
	if res.StatusCode != http.StatusCreated || answer["client_name"] != "Stated" || answer["software_statement"] != statement || answer["software_id"] != "app" ||
		answer["client_secret"] == nil || answer["registration_access_token"] == nil {
		t.Errorf("POST /register = %d %v", res.StatusCode, answer)
	}
	other := claims("three")
	other["repository"] = "evil/repo"
	elsewhere := claims("four")
	elsewhere["aud"] = "https://else.example"
	for _, tt := range []struct {
		name, token, statement string
		status                 int
		code, challenge, retry string
	}{
		{"the same token again", token, "", 401, "invalid_token", `Bearer error="invalid_token"`, ""},
		{"for another repository", ci.sign(t, other), "", 403, "insufficient_scope", `Bearer error="insufficient_scope"`, ""},
		{"for another audience", ci.sign(t, elsewhere), "", 401, "invalid_token", `Bearer error="invalid_token"`, ""},
		{"signed by another issuer", strings.Join(append(strings.Split(ci.sign(t, claims("five")), ".")[:2], strings.Split(publisher.sign(t, claims("five")), ".")[2]), "."), "",
			401, "invalid_token", `Bearer error="invalid_token"`, ""},
		{"from the issuer of statements", publisher.sign(t, claims("six")), "", 401, "invalid_token", `Bearer error="invalid_token"`, ""},
		{"from an issuer that is down", down.sign(t, claims("seven")), "", 503, "temporarily_unavailable", "", "10"},
		{"with a statement from another issuer", ci.sign(t, claims("eight")), ci.sign(t, map[string]any{}), 400, "unapproved_software_statement", "", ""},
		{"with a statement that is not signed", ci.sign(t, claims("nine")), statement[:len(statement)-40] + strings.Repeat("A", 40), 400, "invalid_software_statement", "", ""},
	} {
		res, answer := register(tt.token, tt.statement)
		if res.StatusCode != tt.status || answer["error"] != tt.code || !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), tt.challenge) || res.Header.Get("Retry-After") != tt.retry {
			t.Errorf("%s: %d %v, %v, want %d %s", tt.name, res.StatusCode, answer, res.Header, tt.status, tt.code)
		}
		if tt.challenge == "" && res.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: challenge %q, want none", tt.name, res.Header.Get("WWW-Authenticate"))
		}
	}
	// A rejected registration does not count as a use of its token.
	if res, answer := register(ci.sign(t, claims("eight")), ""); res.StatusCode != http.StatusCreated {
		t.Errorf("a token whose registration was rejected before: %d %v", res.StatusCode, answer)
	}
	for _, secret := range secrets {
		if signature := secret[strings.LastIndex(secret, ".")+1:]; strings.Contains(log.String(), signature) {
			t.Errorf("the log has the token %.20s...", secret)
		}
	}
	if !strings.Contains(log.String(), down.URL) {
		t.Error("the log does not say which issuer is down")
	}
}
