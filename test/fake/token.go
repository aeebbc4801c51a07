package fake

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/test/must"
	"github.com/go-jose/go-jose/v4"
)

// SigningKey returns an RSA key of 2,048 bits. All calls in a process return
// the same key, because generating one takes time.
var SigningKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// Ring returns new sealing keys.
func Ring(t testing.TB) *seal.Ring {
	t.Helper()
	ring, err := seal.Parse(seal.Generate())
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// JWT returns a token with these claims. No key verifies its signature.
func JWT(claims map[string]any) string {
	b, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return "e30." + base64.RawURLEncoding.EncodeToString(b) + ".c2ln"
}

// AccessToken returns a JWT for the user sub that is valid for an hour.
func AccessToken(sub string, now time.Time) string {
	return JWT(map[string]any{"sub": sub, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()})
}

// Sign returns a JWT with these claims, a value or JSON text, and these further
// header members, name and value in turns.
func Sign(t testing.TB, alg jose.SignatureAlgorithm, key any, id string, claims any, header ...any) string {
	t.Helper()
	body, ok := claims.(string)
	if !ok {
		body = string(must.Marshal(t, claims))
	}
	options := new(jose.SignerOptions)
	for i := 0; i < len(header); i += 2 {
		options = options.WithHeader(jose.HeaderKey(header[i].(string)), header[i+1])
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: id}}, options)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}
