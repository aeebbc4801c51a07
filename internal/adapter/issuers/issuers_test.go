package issuers

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/jwt"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
	"github.com/go-jose/go-jose/v4"
)

// The claims of tokens of GitHub Actions, a Cognito user pool and Keycloak,
// shortened: https://docs.github.com/actions (OpenID Connect), Cognito's
// developer guide (ID token), Keycloak's server administration guide.
func gitHub(iss string) map[string]any {
	return map[string]any{
		"iss": iss, "sub": "repo:octo-org/octo-repo:environment:prod", "aud": "https://auth.example.com", "jti": "3b8c1d2e-1111-4a5b-9c1f-2d3e4f5a6b7c",
		"repository": "octo-org/octo-repo", "repository_owner": "octo-org", "ref": "refs/heads/main", "ref_protected": "true", "workflow": "deploy",
		"run_attempt": "1", "iat": start.Unix() - 10, "nbf": start.Unix() - 610, "exp": start.Add(5 * time.Minute).Unix(),
	}
}

func cognito(iss string) map[string]any {
	return map[string]any{
		"iss": iss, "sub": "aaaaaaaa-bbbb-4ccc-dddd-eeeeeeeeeeee", "aud": "1example23456789", "token_use": "id", "cognito:username": "alice",
		"cognito:groups": []string{"users", "operators"}, "email_verified": true, "auth_time": start.Unix() - 60, "origin_jti": "x", "event_id": "y",
		"jti": "aaaa-bbbb", "iat": start.Unix() - 60, "exp": start.Add(time.Hour).Unix(),
	}
}

func keycloak(iss string) map[string]any {
	return map[string]any{
		"iss": iss, "sub": "f:1:service-account-ci", "aud": []string{"account", "https://auth.example.com"}, "azp": "ci", "typ": "Bearer", "scope": "email profile",
		"realm_access": map[string]any{"roles": []string{"a"}}, "acr": "1", "iat": start.Unix() - 1, "exp": start.Add(5 * time.Minute).Unix(),
	}
}

func TestVerify(t *testing.T) {
	tests := []struct {
		name, path string
		claims     func(string) map[string]any
		key        jose.JSONWebKey // public
		alg        jose.SignatureAlgorithm
		private    any
		trust      []string
	}{
		{"GitHub Actions", "", gitHub, public(&rsaKey.PublicKey, "38826b17", jose.RS256), jose.RS256, rsaKey, nil},
		{"Cognito", "/us-east-1_AbCdEfGhI", cognito, public(&rsaKey.PublicKey, "pool", jose.RS256), jose.RS256, rsaKey, nil},
		{"Keycloak with ES256", "/realms/ops", keycloak, public(&ecKey.PublicKey, "ec", jose.ES256), jose.ES256, ecKey, nil},
		{"an issuer that ends with a slash", "/tenant/", keycloak, public(&rsaKey.PublicKey, "k", jose.RS256), jose.RS256, rsaKey, nil},
		{"a key that names no algorithm", "", keycloak, public(&rsaKey.PublicKey, "k", ""), jose.RS256, rsaKey, nil},
		{"PS512, which the policy names", "", keycloak, public(&rsaKey.PublicKey, "k", jose.PS512), jose.PS512, rsaKey, []string{"PS512"}},
		{"EdDSA, which the policy names", "", keycloak, public(edPublic, "k", jose.EdDSA), jose.EdDSA, edKey, []string{"EdDSA"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := newIssuer(t, tt.path, tt.key)
			v, _ := newVerifier()
			claims := tt.claims(i.url())
			others := policy.Issuer{URL: "https://other.example", Algorithms: []string{"RS256"}}
			got, err := v.Verify(t.Context(), []policy.Issuer{others, i.trusted(tt.trust...)}, fake.Sign(t, tt.alg, tt.private, tt.key.KeyID, claims))
			if err != nil {
				t.Fatal(err)
			}
			if got.Issuer != i.url() || got.Subject != claims["sub"] || got.ExpiresAt.Unix() != claims["exp"] || len(got.ID) != 64 {
				t.Errorf("got %+v of %v", got, claims)
			}
			if a, b := fmt.Sprint(got.Claims["aud"]), fmt.Sprint(claims["aud"]); a != b || got.Claims["scope"] != claims["scope"] {
				t.Errorf("claims = %v, want %v", got.Claims, claims)
			}
		})
	}
}

// Each of these must be refused, although many are signed with the right key.
func TestVerifyRefusesHostileTokens(t *testing.T) {
	var elsewhere int
	i := newIssuer(t, "", public(&rsaKey.PublicKey, "k1", jose.RS256), public(&ecKey.PublicKey, "ec", jose.ES256),
		jose.JSONWebKey{Key: &strangerKey.PublicKey, KeyID: "enc", Algorithm: "RS256", Use: "enc"}, public(&strangerKey.PublicKey, "rs512", jose.RS512))
	stranger := newIssuer(t, "", public(&strangerKey.PublicKey, "k1", jose.RS256))
	stranger.set(func() { stranger.fails = func(http.ResponseWriter, *http.Request) { elsewhere++ } })
	claims := gitHub(i.url())
	changed := func(name string, value any) map[string]any {
		c := maps.Clone(claims)
		if c[name] = value; value == nil {
			delete(c, name)
		}
		return c
	}
	good := fake.Sign(t, jose.RS256, rsaKey, "k1", claims)
	parts := strings.Split(good, ".")
	encode := base64.RawURLEncoding.EncodeToString
	body := must.Marshal(t, claims)
	spki, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	jwk := jose.JSONWebKey{Key: &strangerKey.PublicKey, KeyID: "k1"}
	text := string(body)
	sign := func(claims any) string { return fake.Sign(t, jose.RS256, rsaKey, "k1", claims) }
	tests := []struct{ name, token string }{
		{"nothing", ""},
		{"garbage", "x.y.z"},
		{"only two dots", ".."},
		{"algorithm none", encode([]byte(`{"alg":"none","kid":"k1"}`)) + "." + encode(body) + "."},
		{"algorithm none with a signature", encode([]byte(`{"alg":"none","kid":"k1"}`)) + "." + encode(body) + "." + parts[2]},
		{"HS256 with the public key as the secret", fake.Sign(t, jose.HS256, spki, "k1", claims)},
		{"HS256 with the modulus as the secret", fake.Sign(t, jose.HS256, rsaKey.N.Bytes(), "k1", claims)},
		{"an algorithm that the policy does not name", fake.Sign(t, jose.PS256, rsaKey, "k1", claims)},
		{"another key under the id of a trusted key", fake.Sign(t, jose.RS256, strangerKey, "k1", claims)},
		{"the id of a key of another type", fake.Sign(t, jose.RS256, rsaKey, "ec", claims)},
		{"an RSA key id with ES256", fake.Sign(t, jose.ES256, ecKey, "k1", claims)},
		{"a key for encryption", fake.Sign(t, jose.RS256, strangerKey, "enc", claims)},
		{"a key for another algorithm", fake.Sign(t, jose.RS256, strangerKey, "rs512", claims)},
		{"no kid", fake.Sign(t, jose.RS256, rsaKey, "", claims)},
		{"an unknown kid", fake.Sign(t, jose.RS256, rsaKey, "k9", claims)},
		{"a kid that is a path", fake.Sign(t, jose.RS256, strangerKey, "../../../dev/null", claims)},
		{"a key in the header", fake.Sign(t, jose.RS256, strangerKey, "k1", claims, "jwk", jwk)},
		{"jku", fake.Sign(t, jose.RS256, strangerKey, "k1", claims, "jku", stranger.URL+"/the/keys")},
		{"x5u", fake.Sign(t, jose.RS256, strangerKey, "k1", claims, "x5u", stranger.URL+"/the/keys")},
		{"an unknown critical extension", fake.Sign(t, jose.RS256, rsaKey, "k1", claims, "crit", []string{"x"}, "x", 1)},
		{"changed claims", parts[0] + "." + encode([]byte(strings.Replace(text, "octo-org", "evil-org", 1))) + "." + parts[2]},
		{"no signature", parts[0] + "." + parts[1] + "."},
		{"five parts", good + ".x.y"},
		{"JSON serialization", `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`},
		{"huge", sign(changed("x", strings.Repeat("a", MaxToken)))},
		{"an issuer twice", sign(`{"iss":"https://evil.example",` + text[1:])},
		{"a subject twice", sign(`{"sub":"admin",` + text[1:])},
		{"a name twice further down", sign(`{"x":{"a":1,"a":2},` + text[1:])},
		{"claims that are a list", sign(`[` + text + `]`)},
		{"claims that are null", sign(`null`)},
		{"claims that are not JSON", sign(`x`)},
		{"expired, over a minute ago", sign(changed("exp", start.Add(-61*time.Second).Unix()))},
		{"exp that is a string", sign(changed("exp", "4102444800"))},
		{"exp past every date", sign(changed("exp", 1e18))},
		{"exp past every number", sign(strings.Replace(text, fmt.Sprint(claims["exp"]), "1e400", 1))},
		{"issued in two minutes", sign(changed("iat", start.Add(2*time.Minute).Unix()))},
		{"not before two minutes from now", sign(changed("nbf", start.Add(2*time.Minute).Unix()))},
		{"an audience that is a number", sign(changed("aud", 1))},
		{"a jti that is an object", sign(changed("jti", map[string]any{}))},
		{"an iss that is a list", sign(changed("iss", []string{i.url()}))},
		{"a sub that is a list", sign(changed("sub", []string{"admin"}))},
	}
	v, clock := newVerifier()
	issuers := []policy.Issuer{i.trusted()}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := v.Verify(t.Context(), issuers, tt.token)
			e, ok := errors.AsType[*policy.NotVerifiedError](err)
			if !ok || !strings.HasPrefix(e.Reason, "it") {
				t.Errorf("Verify = %+v, %v, want a *NotVerifiedError", got, err)
			}
			if len(tt.token) > 40 && strings.Contains(fmt.Sprint(err), tt.token[len(tt.token)-20:]) {
				t.Errorf("error %v contains the token, want none of it", err)
			}
		})
	}
	unknown := []struct {
		name string
		iss  any
	}{
		{"an issuer that is not trusted", stranger.url()}, {"a trusted issuer with a slash", i.url() + "/"}, {"in capitals", strings.ToUpper(i.url())}, {"none", nil},
	}
	for _, tt := range unknown {
		if got, err := v.Verify(t.Context(), issuers, sign(changed("iss", tt.iss))); !errors.Is(err, policy.ErrUnknownIssuer) {
			t.Errorf("%s: Verify = %+v, %v, want ErrUnknownIssuer", tt.name, got, err)
		}
	}
	for _, fits := range []map[string]any{
		claims, changed("exp", start.Add(-59*time.Second).Unix()), changed("nbf", start.Add(59*time.Second).Unix()), changed("iat", start.Add(59*time.Second).Unix()), changed("iat", nil),
	} {
		if _, err := v.Verify(t.Context(), issuers, sign(fits)); err != nil {
			t.Errorf("Verify of %v, within the minute of skew: %v, want no error", fits, err)
		}
	}
	clock.Advance(10 * time.Minute)
	if _, err := v.Verify(t.Context(), issuers, good); err == nil {
		t.Error("Verify of an expired token: no error")
	}
	if elsewhere > 0 || stranger.fetches() > 0 {
		t.Errorf("%d requests to a server that a token named", stranger.fetches())
	}
}

// Each key must be used with exactly one algorithm (RFC 8725 §3.1), even if the
// policy accepts both.
func TestAKeyIsUsedForItsAlgorithmOnly(t *testing.T) {
	i := newIssuer(t, "", public(&rsaKey.PublicKey, "k1", jose.PS256))
	v, _ := newVerifier()
	issuers := []policy.Issuer{i.trusted("RS256", "PS256")}
	if _, err := v.Verify(t.Context(), issuers, fake.Sign(t, jose.PS256, rsaKey, "k1", keycloak(i.url()))); err != nil {
		t.Error(err)
	}
	if _, err := v.Verify(t.Context(), issuers, fake.Sign(t, jose.RS256, rsaKey, "k1", keycloak(i.url()))); err == nil {
		t.Error("Verify of an RS256 signature with a key for PS256: no error")
	}
}

func TestStatementsNeedNoExpiry(t *testing.T) {
	i := newIssuer(t, "", public(&rsaKey.PublicKey, "k1", jose.RS256))
	v, _ := newVerifier()
	got, err := v.Verify(t.Context(), []policy.Issuer{i.trusted()}, fake.Sign(t, jose.RS256, rsaKey, "k1", map[string]any{"iss": i.url(), "software_id": "x"}))
	if err != nil || !got.ExpiresAt.IsZero() || got.Subject != "" {
		t.Errorf("Verify = %+v, %v, want no expiry and no subject", got, err)
	}
}

// With different ids a token with one use could be used twice.
func TestTheIDOfATokenDoesNotDependOnItsSignature(t *testing.T) {
	i := newIssuer(t, "", public(&ecKey.PublicKey, "ec", jose.ES256))
	v, _ := newVerifier()
	id := func(token string) string {
		t.Helper()
		got, err := v.Verify(t.Context(), []policy.Issuer{i.trusted()}, token)
		if err != nil {
			t.Fatal(err)
		}
		return got.ID
	}
	claims := keycloak(i.url()) // without jti
	token := fake.Sign(t, jose.ES256, ecKey, "ec", claims)
	if again := fake.Sign(t, jose.ES256, ecKey, "ec", claims); again == token || id(again) != id(token) {
		t.Error("the same claims signed twice: got two ids, want one")
	}
	// If the ECDSA signature (r, s) is valid, so is (r, n-s).
	parts := strings.Split(token, ".")
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).Sub(ecKey.Params().N, new(big.Int).SetBytes(sig[32:]))
	other := parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(append(sig[:32:32], s.FillBytes(make([]byte, 32))...))
	if other == token || id(other) != id(token) {
		t.Error("the token with the other signature: got another id, want the same")
	}
	claims["sub"] = "another subject"
	if id(fake.Sign(t, jose.ES256, ecKey, "ec", claims)) == id(token) {
		t.Error("other claims: got the same id, want another")
	}
	claims["jti"] = "1"
	first := id(fake.Sign(t, jose.ES256, ecKey, "ec", claims))
	claims["iat"] = start.Unix()
	if id(fake.Sign(t, jose.ES256, ecKey, "ec", claims)) != first {
		t.Error("the same jti: got two ids, want one")
	}
	claims["jti"] = "2"
	if id(fake.Sign(t, jose.ES256, ecKey, "ec", claims)) == first {
		t.Error("two values of jti: got one id, want two")
	}
}

func TestKeysAreFetchedOnceAtFirstUse(t *testing.T) {
	i := newIssuer(t, "/realms/a", public(&rsaKey.PublicKey, "k1", jose.RS256))
	v, clock := newVerifier()
	issuers := []policy.Issuer{i.trusted()}
	if n := i.fetches(); n != 0 {
		t.Errorf("got %d requests before the first token, want none", n)
	}
	good := fake.Sign(t, jose.RS256, rsaKey, "k1", keycloak(i.url()))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := v.Verify(t.Context(), issuers, good); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	// Made-up key ids and bad signatures cause no fetch.
	for n := range 100 {
		clock.Advance(jwt.MinAge / 200)
		for _, bad := range []string{
			fake.Sign(t, jose.RS256, strangerKey, fmt.Sprint("made up ", n), keycloak(i.url())),
			fake.Sign(t, jose.RS256, strangerKey, "k1", keycloak(i.url())),
		} {
			if _, err := v.Verify(t.Context(), issuers, bad); err == nil {
				t.Fatal("Verify of a bad token: no error")
			}
		}
	}
	if d, k := i.documents.Load(), i.keyFetch.Load(); d != 1 || k != 1 {
		t.Errorf("%d discoveries and %d key sets fetched, want 1 and 1", d, k)
	}
}

func TestKeysRotate(t *testing.T) { fake.EachClock(t, testKeysRotate) }

func testKeysRotate(t *testing.T, clock *fake.Clock) {
	i := newIssuer(t, "", public(&rsaKey.PublicKey, "k1", jose.RS256))
	v := New(nil, clock.Now)
	issuers := []policy.Issuer{i.trusted()}
	token := func(key any, alg jose.SignatureAlgorithm, id string) string {
		c := keycloak(i.url())
		c["exp"] = start.Add(100 * time.Hour).Unix()
		return fake.Sign(t, alg, key, id, c)
	}
	old, next := token(rsaKey, jose.RS256, "k1"), token(ecKey, jose.ES256, "k2")
	if _, err := v.Verify(t.Context(), issuers, old); err != nil {
		t.Fatal(err)
	}
	i.set(func() { i.keys = append(i.keys, public(&ecKey.PublicKey, "k2", jose.ES256)) })
	clock.Advance(jwt.MinAge)
	for name, tok := range map[string]string{"the new key": next, "the old key beside it": old} {
		if _, err := v.Verify(t.Context(), issuers, tok); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	i.set(func() { i.keys = i.keys[1:] })
	clock.Advance(jwt.MaxAge)
	if _, err := v.Verify(t.Context(), issuers, old); err == nil {
		t.Error("an hour after the key was withdrawn: no error, want a refusal")
	}
	if _, err := v.Verify(t.Context(), issuers, next); err != nil {
		t.Errorf("the new key alone: %v", err)
	}
	// While the issuer cannot be reached, its keys stay in use for a day.
	i.set(func() { i.fails = http.NotFound })
	clock.Advance(jwt.MaxStale - 1)
	if _, err := v.Verify(t.Context(), issuers, next); err != nil {
		t.Errorf("within a day: %v, want no error", err)
	}
	clock.Advance(jwt.RetryTime)
	if _, err := v.Verify(t.Context(), issuers, next); err == nil {
		t.Error("after a day without the issuer: no error, want one")
	}
}

func TestAKeySetInThePolicyNeedsNoDiscovery(t *testing.T) {
	i := newIssuer(t, "", public(&rsaKey.PublicKey, "k1", jose.RS256))
	v, _ := newVerifier()
	claims := map[string]any{"iss": "https://apps.example.com", "exp": start.Add(time.Hour).Unix()}
	named := policy.Issuer{URL: "https://apps.example.com", KeySet: i.URL + "/the/keys", Algorithms: []string{"RS256"}}
	if _, err := v.Verify(t.Context(), []policy.Issuer{named}, fake.Sign(t, jose.RS256, rsaKey, "k1", claims)); err != nil {
		t.Error(err)
	}
	if i.documents.Load() != 0 {
		t.Error("the discovery document was fetched")
	}
}

// anyHost is a network in which every host is the same server.
type anyHost struct{ host string }

func (a anyHost) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "http", a.host
	return http.DefaultTransport.RoundTrip(r)
}

// https protects the discovery document of an issuer. It has to protect the
// keys too.
func TestKeysAreFetchedOverHTTPSOnly(t *testing.T) {
	for keys, want := range map[string]bool{
		"https://keys.example/the/keys": true, "http://keys.example/the/keys": false, "http://localhost/the/keys": false, "ftp://keys.example/the/keys": false, "/the/keys": false, "https:///the/keys": false,
	} {
		i := newIssuer(t, "", public(&rsaKey.PublicKey, "k1", jose.RS256))
		i.document["issuer"], i.document["jwks_uri"] = "https://idp.example", keys
		clock := fake.ClockAt(start)
		v := New(&http.Client{Transport: anyHost{strings.TrimPrefix(i.URL, "http://")}}, clock.Now)
		issuers := []policy.Issuer{{URL: "https://idp.example", Algorithms: []string{"RS256"}}}
		_, err := v.Verify(t.Context(), issuers, fake.Sign(t, jose.RS256, rsaKey, "k1", keycloak("https://idp.example")))
		if got := err == nil; got != want || !want && i.keyFetch.Load() > 0 {
			t.Errorf("jwks_uri %s: verified: %t (%v) and %d key sets fetched, want %t", keys, got, err, i.keyFetch.Load(), want)
		}
	}
}

func TestATokenWithoutAPossibleKeyCausesNoRequest(t *testing.T) {
	i := newIssuer(t, "", public(&rsaKey.PublicKey, "k1", jose.RS256))
	v, _ := newVerifier()
	issuers := []policy.Issuer{i.trusted()}
	for name, token := range map[string]string{
		"no kid":            fake.Sign(t, jose.RS256, rsaKey, "", keycloak(i.url())),
		"another algorithm": fake.Sign(t, jose.PS256, rsaKey, "k1", keycloak(i.url())),
		"another issuer":    fake.Sign(t, jose.RS256, rsaKey, "k1", keycloak("https://idp.example")),
	} {
		if _, err := v.Verify(t.Context(), issuers, token); err == nil || i.fetches() != 0 {
			t.Errorf("%s: %v, and %d requests, want a refusal and none", name, err, i.fetches())
		}
	}
}

func TestTheErrorNamesAnExpiredToken(t *testing.T) {
	i := newIssuer(t, "", public(&rsaKey.PublicKey, "k1", jose.RS256))
	v, clock := newVerifier()
	token := fake.Sign(t, jose.RS256, rsaKey, "k1", keycloak(i.url()))
	clock.Advance(time.Hour)
	_, err := v.Verify(t.Context(), []policy.Issuer{i.trusted()}, token)
	if e, ok := errors.AsType[*policy.NotVerifiedError](err); !ok || e.Reason != "it has expired" {
		t.Errorf("got error %v, want the reason that it has expired", err)
	}
}

func TestAnIssuerThatFailsIsNotANotVerifiedError(t *testing.T) {
	document := func(name string, value any) func(*issuer) {
		return func(i *issuer) {
			i.document = maps.Clone(i.document)
			i.document[name] = value
		}
	}
	fail := func(h http.HandlerFunc) func(*issuer) { return func(i *issuer) { i.fails = h } }
	failures := map[string]func(*issuer){
		"500":                fail(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }),
		"HTML":               fail(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }),
		"a body without end": document("padding", strings.Repeat(" ", jwt.MaxBody)),
		"a redirect": fail(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/the/keys" {
				json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public(&rsaKey.PublicKey, "k1", jose.RS256)}})
				return
			}
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}),
		"another issuer":          document("issuer", "https://evil.example"),
		"no jwks_uri":             document("jwks_uri", ""),
		"a jwks_uri that is file": document("jwks_uri", "file:///etc/passwd"),
		"a jwks_uri in clear":     document("jwks_uri", "http://evil.example/keys"),
		"keys that answer 404":    func(i *issuer) { i.keysFail = http.NotFound },
		"no keys":                 func(i *issuer) { i.keys = nil },
		"only short keys":         func(i *issuer) { i.keys = []jose.JSONWebKey{public(&newRSA(1024).PublicKey, "k1", jose.RS256)} },
		"a private key":           func(i *issuer) { i.keys = []jose.JSONWebKey{{Key: rsaKey, KeyID: "k1"}} },
		"only symmetric keys":     func(i *issuer) { i.keys = []jose.JSONWebKey{{Key: []byte("secret"), KeyID: "k1"}} },
	}
	for name, failure := range failures {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t, "", public(&rsaKey.PublicKey, "k1", jose.RS256))
			v, clock := newVerifier()
			issuers := []policy.Issuer{i.trusted()}
			good := fake.Sign(t, jose.RS256, rsaKey, "k1", func() map[string]any {
				c := keycloak(i.url())
				c["exp"] = start.Add(100 * time.Hour).Unix()
				return c
			}())
			working, keys := i.document, i.keys
			refused := func(when string) {
				t.Helper()
				_, err := v.Verify(t.Context(), issuers, good)
				if _, verdict := errors.AsType[*policy.NotVerifiedError](err); err == nil || verdict || errors.Is(err, policy.ErrUnknownIssuer) {
					t.Errorf("%s: got %v, want an error that does not blame the token", when, err)
				}
				if len(fmt.Sprint(err)) > 1000 {
					t.Errorf("%s: the error has %d bytes", when, len(fmt.Sprint(err)))
				}
			}
			i.set(func() { failure(i) })
			refused("at first")
			before := i.fetches()
			refused("immediately again")
			if i.fetches() != before {
				t.Error("the issuer got a second request before RetryTime")
			}
			i.set(func() { i.document, i.keys, i.fails, i.keysFail = working, keys, nil, nil })
			clock.Advance(jwt.RetryTime)
			if _, err := v.Verify(t.Context(), issuers, good); err != nil {
				t.Errorf("when the issuer works again: %v, want no error", err)
			}
			// Keys in memory stay in use for a day.
			i.set(func() { failure(i) })
			clock.Advance(jwt.MaxStale - time.Minute)
			if _, err := v.Verify(t.Context(), issuers, good); err != nil {
				t.Errorf("with keys in memory: %v, want no error", err)
			}
			clock.Advance(time.Minute)
			refused("a day later")
		})
	}
}
