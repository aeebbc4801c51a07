package mcpauth

import (
	"bytes"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/dcr-broker/dcr-broker/test/fake"
)

func TestTokens(t *testing.T) {
	keys := newKeyServer(t, map[string]*rsa.PrivateKey{"k1": testKey()})
	open := testConfig(keys.url)
	bound := testConfig(keys.url)
	bound.RequireAudience = true
	chosen := testConfig(keys.url)
	chosen.AppClients = []string{"2example", "1example23456789"}
	boundChosen := chosen
	boundChosen.RequireAudience = true
	others := testConfig(keys.url)
	others.AppClients = []string{"2example"}
	const (
		none    = `Bearer resource_metadata="` + testMetadata + `", scope="mcp/read"`
		invalid = `Bearer error="invalid_token", error_description="not a valid access token`
		scope   = `Bearer error="insufficient_scope", error_description="`
	)
	// machine are the changes to the claims that make a token of client_credentials.
	machine := map[string]any{"sub": "1example23456789", "username": nil, "origin_jti": nil, "cognito:groups": nil}
	with := func(changes map[string]any, name string, value any) map[string]any {
		changes = maps.Clone(changes)
		changes[name] = value
		return changes
	}
	rs256 := func(changes map[string]any) []string { return []string{"Bearer " + good(t, changes)} }
	tests := []struct {
		name          string
		cfg           Config
		authorization []string
		status        int
		challenge     string // the beginning of it
	}{
		{"no header", open, nil, 401, none},
		{"another scheme", open, []string{"Basic YWxpY2U6cGFzc3dvcmQ="}, 401, none}, // no token was sent
		{"good", open, rs256(nil), 200, ""},
		{"the scheme in lower case", open, []string{strings.Replace(rs256(nil)[0], "Bearer", "bearer", 1)}, 200, ""}, // RFC 9110 §11.1
		{"a machine", open, rs256(machine), 200, ""},
		{"a machine, where aud is required", bound, rs256(machine), 401, invalid + ` here: not bound to a resource"`},
		{"a machine whose app client is chosen, where aud is required", boundChosen, rs256(machine), 200, ""},
		{"another machine", boundChosen, rs256(with(with(machine, "sub", "3example"), "client_id", "3example")), 401, invalid + ` here: issued to another app client"`},
		{"a machine without the scope", boundChosen, rs256(with(machine, "scope", "mcp/write")), 403, scope},
		{"a machine, bound to another resource", boundChosen, rs256(with(machine, "aud", "http://localhost:8090/other")), 401, invalid + ` here: bound to another resource"`},
		{"a user of a chosen app client, where aud is required", boundChosen, rs256(nil), 401, invalid + ` here: not bound to a resource"`},
		{"a user whose username is missing, where aud is required", boundChosen, rs256(map[string]any{"username": nil, "origin_jti": nil}), 401, invalid + ` here: not bound to a resource"`},
		{"bound to this resource", bound, rs256(map[string]any{"aud": testResource}), 200, ""},
		{"bound, but not required", open, rs256(map[string]any{"aud": testResource}), 200, ""},
		{"bound to this resource with a slash", bound, rs256(map[string]any{"aud": testResource + "/"}), 200, ""}, // some clients send it
		{"bound to this and another", bound, rs256(map[string]any{"aud": []string{"https://other.example", testResource}}), 200, ""},
		{"bound to another resource", open, rs256(map[string]any{"aud": "http://localhost:8090/other"}), 401, invalid + ` here: bound to another resource"`},
		{"bound to two slashes", bound, rs256(map[string]any{"aud": testResource + "//"}), 401, invalid},
		{"bound to nothing", open, rs256(map[string]any{"aud": []string{}}), 401, invalid},
		{"bound to the empty string", open, rs256(map[string]any{"aud": ""}), 401, invalid},
		{"not bound, but required", bound, rs256(nil), 401, invalid + ` here: not bound to a resource"`},
		{"a chosen app client", chosen, rs256(nil), 200, ""},
		{"another app client", others, rs256(nil), 401, invalid + ` here: issued to another app client"`},
		{"empty", open, []string{"Bearer "}, 401, invalid},
		{"not a JWT", open, []string{"Bearer abc"}, 401, invalid},
		{"two headers", open, append(rs256(nil), rs256(nil)...), 401, invalid},
		{"a space in the token", open, []string{strings.Replace(rs256(nil)[0], ".", " .", 1)}, 401, invalid},
		{"expired", open, rs256(map[string]any{"exp": testNow.Add(-time.Second).Unix()}), 401, invalid + `: expired"`},
		{"expires now", open, rs256(map[string]any{"exp": testNow.Unix()}), 401, invalid + `: expired"`},
		{"never expires", open, rs256(map[string]any{"exp": nil}), 401, invalid},
		{"another pool", open, rs256(map[string]any{"iss": testIssuer + "x"}), 401, invalid + `: another issuer"`},
		{"the broker as issuer", open, rs256(map[string]any{"iss": testBroker}), 401, invalid},
		{"an ID token", bound, rs256(map[string]any{"token_use": "id", "aud": testResource}), 401, invalid + `: token_use is not access"`},
		{"no token_use", open, rs256(map[string]any{"token_use": nil}), 401, invalid},
		{"no client", open, rs256(map[string]any{"client_id": nil}), 401, invalid},
		{"no subject", open, rs256(map[string]any{"sub": nil}), 401, invalid},
		{"claims of the wrong type", open, rs256(map[string]any{"scope": []string{"mcp/read"}}), 401, invalid},
		{"groups of the wrong type", open, rs256(map[string]any{"cognito:groups": "staff"}), 401, invalid},
		{"another key", open, []string{"Bearer " + sign(t, otherKey(), jose.RS256, "k1", goodClaims())}, 401, invalid},
		{"unknown key id", open, []string{"Bearer " + sign(t, otherKey(), jose.RS256, "k2", goodClaims())}, 401, invalid},
		{"another algorithm", open, []string{"Bearer " + sign(t, testKey(), jose.PS256, "k1", goodClaims())}, 401, invalid},
		{"HMAC with a guessable key", open, []string{"Bearer " + sign(t, make([]byte, 32), jose.HS256, "k1", goodClaims())}, 401, invalid},
		{"unsigned", open, []string{"Bearer eyJhbGciOiJub25lIn0." + strings.Split(rs256(nil)[0], ".")[1] + "."}, 401, invalid},
		{"another scope", open, rs256(map[string]any{"scope": "openid mcp/write"}), 403, scope + `this needs the scope mcp/read"`},
		{"no scope", open, rs256(map[string]any{"scope": nil}), 403, scope},
		{"a longer scope", open, rs256(map[string]any{"scope": "mcp/readall"}), 403, scope},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := post(newGuard(t, tt.cfg).Handler(endpoint), listTools, tt.authorization...)
			challenge := w.Header().Get("WWW-Authenticate")
			if w.Code != tt.status || !strings.HasPrefix(challenge, tt.challenge) {
				t.Fatalf("got %d with challenge %q, want %d with %q...", w.Code, challenge, tt.status, tt.challenge)
			}
			if tt.status == 200 {
				if challenge != "" || w.Body.String() != listTools || w.Header().Get("Test-Subject") == "" {
					t.Errorf("got challenge %q, headers %v and body %s, want no challenge, the subject and the body", challenge, w.Header(), w.Body)
				}
				return
			}
			if !strings.HasSuffix(challenge, none[len("Bearer "):]) {
				t.Errorf("challenge = %q, want it to end in %q", challenge, none[len("Bearer "):])
			}
			if w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control = %q, want no-store", w.Header().Get("Cache-Control"))
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

// URLs appear in logs and histories, headers do not (MCP authorization, "Token
// Requirements").
func TestTokenInTheQueryIsIgnored(t *testing.T) {
	keys := newKeyServer(t, map[string]*rsa.PrivateKey{"k1": testKey()})
	h := newGuard(t, testConfig(keys.url)).Handler(endpoint)
	r := httptest.NewRequest("POST", testResource+"?access_token="+good(t, nil), strings.NewReader(listTools))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if got := w.Header().Get("WWW-Authenticate"); w.Code != 401 || strings.Contains(got, "error=") {
		t.Errorf("in the query: %d with challenge %q, want 401 as without a token", w.Code, got)
	}
}

func TestChallengesCanBeParsed(t *testing.T) {
	for in, want := range map[string]string{
		`unexpected "none"; C:\`:  `unexpected 'none'; C:'`,
		"caf\u00e9\r\nSet-Cookie": "caf???Set-Cookie",
		strings.Repeat("a", 300):  strings.Repeat("a", 200),
	} {
		if got := quoted(in); got != want {
			t.Errorf("quoted(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestNewKeysAreFetched(t *testing.T) {
	keys := newKeyServer(t, map[string]*rsa.PrivateKey{"k1": testKey()})
	cfg, now := testConfig(keys.url), testNow
	cfg.Now = func() time.Time { return now }
	h := newGuard(t, cfg).Handler(endpoint)
	next := "Bearer " + sign(t, otherKey(), jose.RS256, "k2", goodClaims())
	if w := post(h, listTools, "Bearer "+good(t, nil)); w.Code != 200 {
		t.Fatalf("the first key: %d, want 200", w.Code)
	}
	keys.set(map[string]*rsa.PrivateKey{"k1": testKey(), "k2": otherKey()})
	now = now.Add(time.Minute)
	if w := post(h, listTools, next); w.Code != 200 {
		t.Errorf("the next key: %d %s, want 200", w.Code, w.Body)
	}
	// Unknown key ids do not cause a request to Cognito each time.
	before := keys.fetches.Load()
	for i := range 20 {
		made := sign(t, otherKey(), jose.RS256, fmt.Sprint("made-up-", i), goodClaims())
		if w := post(h, listTools, "Bearer "+made); w.Code != 401 {
			t.Errorf("a key id that does not exist: %d, want 401", w.Code)
		}
	}
	if got := keys.fetches.Load() - before; got > 1 {
		t.Errorf("20 key ids that do not exist made %d fetches, want 1 at most", got)
	}
}

// A key that Cognito has withdrawn is accepted for an hour at most, even if
// Lambda has the server frozen in between.
func TestWithdrawnKeysAreRefusedAfterAnHour(t *testing.T) {
	keys := newKeyServer(t, map[string]*rsa.PrivateKey{"k1": testKey()})
	cfg, clock := testConfig(keys.url), fake.ClockAt(testNow)
	clock.Freeze()
	cfg.Now = clock.Now
	h := newGuard(t, cfg).Handler(endpoint)
	token := "Bearer " + sign(t, testKey(), jose.RS256, "k1", changed(map[string]any{"exp": testNow.Add(24 * time.Hour).Unix()}))
	if w := post(h, listTools, token); w.Code != 200 {
		t.Fatalf("at first: %d, want 200", w.Code)
	}
	keys.set(map[string]*rsa.PrivateKey{"k2": otherKey()})
	clock.Advance(time.Hour)
	if w := post(h, listTools, token); w.Code != 401 {
		t.Errorf("an hour after the key was withdrawn: %d, want 401", w.Code)
	}
}

// After a 401 the client would discard a valid token.
func TestUnreachableKeysGive503(t *testing.T) {
	keys := newKeyServer(t, nil)
	cfg, now := testConfig(keys.url), testNow
	cfg.Now = func() time.Time { return now }
	h := newGuard(t, cfg).Handler(endpoint)
	w := post(h, listTools, "Bearer "+good(t, nil))
	if w.Code != 503 || w.Header().Get("WWW-Authenticate") != "" || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d with headers %v, want 503 with Retry-After and no challenge", w.Code, w.Header())
	}
	keys.set(map[string]*rsa.PrivateKey{"k1": testKey()})
	now = now.Add(5 * time.Second)
	if w := post(h, listTools, "Bearer "+good(t, nil)); w.Code != 200 {
		t.Errorf("when the keys can be fetched again: %d, want 200", w.Code)
	}
	keys.set(nil)
	now = now.Add(30 * time.Minute)
	if w := post(h, listTools, "Bearer "+good(t, nil)); w.Code != 200 {
		t.Errorf("while they cannot be fetched again: %d, want 200 from the keys that are known", w.Code)
	}
}

func TestRefusalsAreLoggedWithoutTheToken(t *testing.T) {
	keys := newKeyServer(t, map[string]*rsa.PrivateKey{"k1": testKey()})
	cfg := testConfig(keys.url)
	var log bytes.Buffer
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	h := newGuard(t, cfg).Handler(endpoint)
	expired, narrow := good(t, map[string]any{"exp": 1}), good(t, map[string]any{"scope": "openid"})
	post(h, listTools, "Bearer "+expired)
	post(h, listTools, "Bearer "+narrow)
	for _, want := range []string{"expired", "needed=[mcp/read]", "token.sub=8f1c2a34", "token.client_id=1example23456789"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
	for _, token := range []string{expired, narrow} {
		for part := range strings.SplitSeq(token, ".") {
			if strings.Contains(log.String(), part[:20]) {
				t.Errorf("the log has a part of the token:\n%s", log.String())
			}
		}
	}
	if strings.Contains(log.String(), "alice") {
		t.Errorf("the log has unnecessary claims:\n%s", log.String())
	}
}

func TestClaims(t *testing.T) {
	keys := newKeyServer(t, map[string]*rsa.PrivateKey{"k1": testKey()})
	g := newGuard(t, testConfig(keys.url))
	c, err := g.verify(t.Context(), good(t, map[string]any{"aud": testResource}))
	if err != nil {
		t.Fatal(err)
	}
	if c.Issuer != testIssuer || c.Subject != "8f1c2a34" || c.Username != "alice" || c.ClientID != "1example23456789" ||
		!slices.Equal(c.Scopes, []string{"openid", "mcp/read"}) || !slices.Equal(c.Groups, []string{"staff"}) ||
		!slices.Equal(c.Audience, []string{testResource}) || !c.IssuedAt.Equal(testNow) || !c.ExpiresAt.Equal(testNow.Add(time.Hour)) {
		t.Errorf("claims = %+v of %v", struct{ Claims }{c}, changed(nil))
	}
	var own struct {
		Tenant string `json:"tenant"`
	}
	if err := c.Decode(&own); err != nil || own.Tenant != "acme" {
		t.Errorf("Decode = %v, %q; want the claim tenant, acme", err, own.Tenant)
	}
	if err := c.Decode(new(int)); err == nil {
		t.Error("Decode into a number = nil, want an error")
	}
	for _, s := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c)} {
		if s != "[claims]" {
			t.Errorf("claims print as %q, want [claims]", s)
		}
	}
	if _, ok := FromContext(t.Context()); ok {
		t.Error("FromContext = true of a request that passed no guard")
	}
}
