package issuers

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/go-jose/go-jose/v4"
)

var start = time.Date(2030, time.March, 1, 12, 0, 0, 0, time.UTC)

// issuer is an OpenID provider that can change its keys and fail. It counts
// requests.
type issuer struct {
	*httptest.Server
	path                string
	documents, keyFetch atomic.Int64

	mu       sync.Mutex
	keys     []jose.JSONWebKey
	document map[string]any
	fails    http.HandlerFunc // instead of both answers, if set
	keysFail http.HandlerFunc
}

// newIssuer starts an issuer with a path in its URL, as many issuers have.
func newIssuer(t testing.TB, path string, keys ...jose.JSONWebKey) *issuer {
	t.Helper()
	i := &issuer{path: path, keys: keys}
	i.Server = httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(i.Close)
	i.document = map[string]any{
		"issuer": i.url(), "jwks_uri": i.URL + "/the/keys", "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token",
		"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
	}
	return i
}

func (i *issuer) url() string { return i.URL + i.path }

func (i *issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	keys, document, fails, keysFail := i.keys, i.document, i.fails, i.keysFail
	i.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case strings.TrimSuffix(i.path, "/") + "/.well-known/openid-configuration":
		i.documents.Add(1)
		if fails != nil {
			fails(w, r)
			return
		}
		json.NewEncoder(w).Encode(document)
	case "/the/keys":
		i.keyFetch.Add(1)
		if fails == nil {
			fails = keysFail
		}
		if fails != nil {
			fails(w, r)
			return
		}
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: keys})
	case "/elsewhere": // only a redirect leads here
		json.NewEncoder(w).Encode(document)
	default:
		http.NotFound(w, r)
	}
}

func (i *issuer) set(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
}

// trusted returns the issuer as a policy names it.
func (i *issuer) trusted(algorithms ...string) policy.Issuer {
	if len(algorithms) == 0 {
		algorithms = []string{"RS256", "ES256"}
	}
	return policy.Issuer{URL: i.url(), Algorithms: algorithms}
}

func (i *issuer) fetches() int64 { return i.documents.Load() + i.keyFetch.Load() }

// Keys are generated once, because an RSA key of 2048 bits takes long.
var (
	rsaKey, strangerKey = newRSA(2048), newRSA(2048)
	ecKey               = newEC()
	edPublic, edKey     = newEd()
)

func newRSA(bits int) *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return k
}

func newEC() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

func newEd() (ed25519.PublicKey, ed25519.PrivateKey) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return public, private
}

func public(key any, id string, alg jose.SignatureAlgorithm) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key, KeyID: id, Algorithm: string(alg), Use: "sig"}
}

func newVerifier() (*Verifier, *fake.Clock) {
	c := fake.ClockAt(start)
	return New(nil, c.Now), c
}
