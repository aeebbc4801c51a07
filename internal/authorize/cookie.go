package authorize

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// secret is what ties a transaction to a browser: 256 random bits, in the
// cookie and nowhere else. It prints as "[redacted]".
type secret struct{ text string }

const secretBytes = 32

func newSecret() secret {
	b := make([]byte, secretBytes)
	rand.Read(b)
	return secret{base64.RawURLEncoding.EncodeToString(b)}
}

func (secret) String() string       { return "[redacted]" }
func (secret) GoString() string     { return "[redacted]" }
func (secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// key is what the transaction is stored under.
func (s secret) key() credential.Hash { return credential.Presented(s.text).Hash() }

// What is derived from a secret.
func (s secret) state() string    { return base64.RawURLEncoding.EncodeToString(s.derive("state")) }
func (s secret) verifier() string { return base64.RawURLEncoding.EncodeToString(s.derive("verifier")) }
func (s secret) csrf() string     { return base64.RawURLEncoding.EncodeToString(s.derive("csrf")) }

// code is the authorization code of the grant with that id, made as
// credential.NewAuthorizationCode makes one but for where its bits come from.
func (s secret) code(grantID string) credential.Token {
	return credential.Presented(credential.AuthorizationCodePrefix + grantID + credential.Encoding.EncodeToString(s.derive("code "+grantID)))
}

func (s secret) derive(label string) []byte {
	h := hmac.New(sha256.New, []byte(s.text))
	h.Write([]byte(label))
	return h.Sum(nil)
}

// same compares what was sent with what was derived, in constant time.
func same(sent, derived string) bool {
	return subtle.ConstantTimeCompare([]byte(sent), []byte(derived)) == 1
}

// cookies reads and sets the cookie. The prefix __Host- keeps other hosts of
// the domain from setting it, and needs Secure, which a browser does not take
// from the http loopback issuer of development.
type cookies struct{ secure bool }

func newCookies(issuer string) cookies { return cookies{strings.HasPrefix(issuer, "https://")} }

func (c cookies) name() string {
	if c.secure {
		return "__Host-dcr_tx"
	}
	return "dcr_tx"
}

// read returns the secret of the transaction that the browser is in.
func (c cookies) read(r *http.Request) (secret, bool) {
	found := r.CookiesNamed(c.name())
	if len(found) != 1 {
		return secret{}, false
	}
	s := found[0].Value
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return secret{s}, err == nil && len(b) == secretBytes
}

// set puts the browser into the transaction of s. SameSite=Lax, since the way
// back from Cognito begins at another site.
func (c cookies) set(w http.ResponseWriter, s secret) {
	c.write(w, s.text, int(broker.TransactionLifetime/time.Second))
}

func (c cookies) clear(w http.ResponseWriter) { c.write(w, "", -1) }

func (c cookies) write(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: c.name(), Value: value, Path: "/", MaxAge: maxAge,
		Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
