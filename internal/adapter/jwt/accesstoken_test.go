package jwt

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/go-jose/go-jose/v4"
)

const issuer = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab"

var start = time.Date(2030, time.March, 1, 12, 0, 0, 0, time.UTC)

func key(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// pool is a server with a key set that a test can change. It counts fetches.
type pool struct {
	*httptest.Server
	fetches atomic.Int64
	mu      sync.Mutex
	answer  http.HandlerFunc
}

func newPool(t *testing.T, keys ...jose.JSONWebKey) *pool {
	p := &pool{}
	p.publish(keys...)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.fetches.Add(1)
		p.mu.Lock()
		answer := p.answer
		p.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

// setAnswer makes h the handler of the next requests.
func (p *pool) setAnswer(h http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = h
}

func (p *pool) publish(keys ...jose.JSONWebKey) {
	body, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		panic(err)
	}
	p.setAnswer(func(w http.ResponseWriter, _ *http.Request) { w.Write(body) })
}

func public(k *rsa.PrivateKey, id string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: &k.PublicKey, KeyID: id, Algorithm: "RS256", Use: "sig"}
}

func claims() map[string]any {
	return map[string]any{
		"iss": issuer, "token_use": "access", "client_id": "app", "sub": "user", "username": "alice", "origin_jti": "origin", "scope": "openid mcp/read",
		"iat": start.Unix(), "exp": start.Add(time.Hour).Unix(),
	}
}

func newVerifier(t *testing.T, p *pool) (*AccessTokens, *fake.Clock) {
	t.Helper()
	c := fake.ClockAt(start)
	return verifierAt(t, p, c), c
}

func verifierAt(t *testing.T, p *pool, c *fake.Clock) *AccessTokens {
	t.Helper()
	v, err := NewAccessTokens(AccessTokensConfig{Issuer: issuer, KeySet: p.URL, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVerify(t *testing.T) {
	k := key(t)
	v, _ := newVerifier(t, newPool(t, public(k, "k1")))
	c := claims()
	c["aud"] = "https://mcp.example.com"
	got, err := v.Verify(t.Context(), fake.Sign(t, jose.RS256, k, "k1", c))
	if err != nil {
		t.Fatal(err)
	}
	if got.ClientID != "app" || got.Sub != "user" || got.Username != "alice" || got.OriginJTI != "origin" ||
		strings.Join(got.Scopes, " ") != "openid mcp/read" || strings.Join(got.Audience, " ") != "https://mcp.example.com" ||
		!got.IssuedAt.Equal(start) || !got.ExpiresAt.Equal(start.Add(time.Hour)) {
		t.Errorf("got %+v, want the claims of the token", got)
	}
}

func TestVerifyRefuses(t *testing.T) {
	k, stranger := key(t), key(t)
	v, _ := newVerifier(t, newPool(t, public(k, "k1"), jose.JSONWebKey{Key: &stranger.PublicKey, KeyID: "enc", Algorithm: "RS256", Use: "enc"}))
	changed := func(name string, value any) string {
		c := maps.Clone(claims())
		if c[name] = value; value == nil {
			delete(c, name)
		}
		return fake.Sign(t, jose.RS256, k, "k1", c)
	}
	good := fake.Sign(t, jose.RS256, k, "k1", claims())
	parts := strings.Split(good, ".")
	encode := base64.RawURLEncoding.EncodeToString
	body, _ := json.Marshal(claims())
	spki, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, token string }{
		{"nothing", ""},
		{"garbage", "x"},
		{"three parts of garbage", "a.b.c"},
		{"algorithm none", encode([]byte(`{"alg":"none","kid":"k1"}`)) + "." + encode(body) + "."},
		{"signed with the public key as the secret", fake.Sign(t, jose.HS256, spki, "k1", claims())},
		{"another algorithm", fake.Sign(t, jose.PS256, k, "k1", claims())},
		{"another key under that id", fake.Sign(t, jose.RS256, stranger, "k1", claims())},
		{"a key for encryption", fake.Sign(t, jose.RS256, stranger, "enc", claims())},
		{"a key in the token", fake.Sign(t, jose.RS256, stranger, "k2", claims())},
		{"no key id", fake.Sign(t, jose.RS256, k, "", claims())},
		{"changed claims", parts[0] + "." + encode([]byte(strings.Replace(string(body), "mcp/read", "mcp/root", 1))) + "." + parts[2]},
		{"no signature", parts[0] + "." + parts[1] + "."},
		{"five parts", good + ".x.y"},
		{"JSON serialization", `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`},
		{"another issuer", changed("iss", issuer+"x")},
		{"no issuer", changed("iss", nil)},
		{"an ID token", changed("token_use", "id")},
		{"no token_use", changed("token_use", nil)},
		{"no client_id", changed("client_id", nil)},
		{"no sub", changed("sub", nil)},
		{"no exp", changed("exp", nil)},
		{"expires now", changed("exp", start.Unix())},
		{"exp that is not a number", changed("exp", "soon")},
		{"scope that is not a string", changed("scope", []string{"mcp/read"})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := v.Verify(t.Context(), tt.token); !errors.Is(err, ErrInvalid) {
				t.Errorf("Verify = %+v, %v, want ErrInvalid", got, err)
			} else if text := err.Error(); strings.Contains(text, "jose") || strings.Contains(text, "json") || strings.Contains(text, "unmarshal") {
				t.Errorf("the error has the text of a library, and clients see it: %v", err)
			}
		})
	}
	if _, err := v.Verify(t.Context(), good); err != nil {
		t.Errorf("the unchanged token: got error %v, want none", err)
	}
}

func TestKeysAreFetchedOnce(t *testing.T) {
	k := key(t)
	p := newPool(t, public(k, "k1"))
	v, clock := newVerifier(t, p)
	good := fake.Sign(t, jose.RS256, k, "k1", claims())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := v.Verify(t.Context(), good); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	// Within MinAge, made-up key ids cause no fetch.
	for range 100 {
		clock.Advance(time.Second / 10)
		if _, err := v.Verify(t.Context(), fake.Sign(t, jose.RS256, k, "made up", claims())); !errors.Is(err, ErrInvalid) {
			t.Fatalf("made-up key: %v, want ErrInvalid", err)
		}
	}
	if got := p.fetches.Load(); got != 1 {
		t.Errorf("%d fetches, want 1", got)
	}
}

func TestNewKeyIsFetched(t *testing.T) {
	k, next := key(t), key(t)
	p := newPool(t, public(k, "k1"))
	v, clock := newVerifier(t, p)
	if _, err := v.Verify(t.Context(), fake.Sign(t, jose.RS256, k, "k1", claims())); err != nil {
		t.Fatal(err)
	}
	p.publish(public(k, "k1"), public(next, "k2"))
	clock.Advance(MinAge)
	if _, err := v.Verify(t.Context(), fake.Sign(t, jose.RS256, next, "k2", claims())); err != nil {
		t.Errorf("the new key: %v", err)
	}
}

func TestWithdrawnKeyIsRefusedWithinAnHour(t *testing.T) {
	k, next := key(t), key(t)
	c := claims()
	c["exp"] = start.Add(24 * time.Hour).Unix()
	token := fake.Sign(t, jose.RS256, k, "k1", c)
	fake.EachClock(t, func(t *testing.T, clock *fake.Clock) {
		p := newPool(t, public(k, "k1"))
		v := verifierAt(t, p, clock)
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		p.publish(public(next, "k2"))
		clock.Advance(MaxAge - 1)
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("within the hour: got error %v, want none", err)
		}
		clock.Advance(1)
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, ErrInvalid) {
			t.Errorf("token of the old key: %v, want ErrInvalid", err)
		}
	})
}

func TestKeysAreFetchedAgainAfterTheClockWasSetBack(t *testing.T) {
	k, next := key(t), key(t)
	p := newPool(t, public(k, "k1"))
	v, clock := newVerifier(t, p)
	token := fake.Sign(t, jose.RS256, k, "k1", claims())
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	p.publish(public(next, "k2"))
	clock.Advance(-time.Second)
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, ErrInvalid) {
		t.Errorf("token of the old key: %v, want ErrInvalid", err)
	}
}

// Keys whose fetch began before the process was frozen are as old as the fetch.
func TestTheAgeOfKeysBeginsBeforeTheirFetch(t *testing.T) {
	k := key(t)
	p := newPool(t, public(k, "k1"))
	v, clock := newVerifier(t, p)
	published := p.answer
	p.setAnswer(func(w http.ResponseWriter, r *http.Request) {
		clock.Advance(MaxAge) // Lambda freezes the process
		published(w, r)
	})
	c := claims()
	c["exp"] = start.Add(24 * time.Hour).Unix()
	token := fake.Sign(t, jose.RS256, k, "k1", c)
	for want := range int64(2) {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Error(err)
		}
		if got := p.fetches.Load(); got != want+1 {
			t.Errorf("%d fetches, want %d", got, want+1)
		}
	}
}

func TestFailedFetchIsNotErrInvalid(t *testing.T) {
	k := key(t)
	good := fake.Sign(t, jose.RS256, k, "k1", claims())
	failures := map[string]http.HandlerFunc{
		"500":         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"HTML":        func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
		"no keys":     func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"keys":[]}`) },
		"other keys":  func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"keys":[{"kty":"X","kid":"k1"}]}`) },
		"a huge body": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat(" ", MaxBody+1)) },
		"a redirect":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
	}
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, public(k, "k1"))
			working := p.answer
			v, clock := newVerifier(t, p)
			p.setAnswer(fail)
			if _, err := v.Verify(t.Context(), good); err == nil || errors.Is(err, ErrInvalid) {
				t.Errorf("Verify: %v, want an error that is not ErrInvalid", err)
			}
			p.setAnswer(working)
			if _, err := v.Verify(t.Context(), good); err == nil || errors.Is(err, ErrInvalid) {
				t.Errorf("Verify again at once: %v, want the same error without another fetch", err)
			}
			clock.Advance(RetryTime)
			if _, err := v.Verify(t.Context(), good); err != nil {
				t.Errorf("after RetryTime, with a working server: %v, want no error", err)
			}
			// Keys in memory stay in use.
			p.setAnswer(fail)
			clock.Advance(MaxAge - time.Minute)
			if _, err := v.Verify(t.Context(), good); err != nil {
				t.Errorf("with keys in memory: %v, want no error", err)
			}
		})
	}
}

func TestStaleKeysStayInUseWhileFetchesFail(t *testing.T) {
	k := key(t)
	p := newPool(t, public(k, "k1"))
	v, clock := newVerifier(t, p)
	c := claims()
	c["exp"] = start.Add(25 * time.Hour).Unix()
	token := fake.Sign(t, jose.RS256, k, "k1", c)
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	p.setAnswer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	for _, age := range []time.Duration{2 * MaxAge, MaxStale - 1 - 2*MaxAge} {
		clock.Advance(age)
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("Verify: %v, want the key in memory used", err)
		}
	}
	// A key that the pool has withdrawn must not be used for ever.
	clock.Advance(RetryTime)
	if _, err := v.Verify(t.Context(), token); err == nil || errors.Is(err, ErrInvalid) {
		t.Errorf("Verify with keys of more than a day: %v, want an error of the fetch", err)
	}
	p.publish(public(k, "k1"))
	clock.Advance(RetryTime)
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Errorf("Verify when the keys can be fetched again: %v, want no error", err)
	}
}

func TestNewRequiresIssuerKeySetAndClock(t *testing.T) {
	now := fake.NewClock().Now
	for _, c := range []AccessTokensConfig{{}, {Issuer: issuer, Now: now}, {KeySet: "https://x.example", Now: now}, {Issuer: issuer, KeySet: "https://x.example"}} {
		if _, err := NewAccessTokens(c); err == nil {
			t.Errorf("NewAccessTokens with issuer %q, key set %q, clock %t: no error", c.Issuer, c.KeySet, c.Now != nil)
		}
	}
}
