package fake

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"sync"
	"time"
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
