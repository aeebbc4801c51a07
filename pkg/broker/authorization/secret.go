package authorization

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// Secret ties a transaction to one browser: 256 random bits, which are stored in
// the browser's cookie only. It prints as "[redacted]". The zero Secret belongs
// to no transaction.
type Secret struct {
	credential.Redacted
	text string
}

const secretBytes = 32

func newSecret() Secret {
	b := make([]byte, secretBytes)
	rand.Read(b)
	return Secret{text: encode(b)}
}

// ParseSecret reads text from Reveal. It returns the zero Secret for any other
// text.
func ParseSecret(text string) Secret {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != secretBytes {
		return Secret{}
	}
	return Secret{text: text}
}

// Reveal returns the secret, to be sent only to its browser.
func (s Secret) Reveal() string { return s.text }

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.text == "" }

// key is the key of the transaction in the store.
func (s Secret) key() credential.Hash { return credential.Presented(s.text).Hash() }

// state ties Cognito's answer to the browser (RFC 6749 §10.12).
func (s Secret) state() string { return s.derive("state") }

// verifier is the PKCE verifier for Cognito: 43 characters (RFC 7636 §4.1).
func (s Secret) verifier() string { return s.derive("verifier") }

// csrf ties the form of the consent page to the browser.
func (s Secret) csrf() string { return s.derive("csrf") }

// code is the authorization code of the grant with this id.
func (s Secret) code(grantID string) credential.Token {
	return credential.DerivedAuthorizationCode(s.text, grantID)
}

func (s Secret) derive(label string) string {
	h := hmac.New(sha256.New, []byte(s.text))
	h.Write([]byte(label))
	return encode(h.Sum(nil))
}

// encode returns 32 bytes in base64url. The buffer stays on the stack, which
// EncodeToString's does not.
func encode(b []byte) string {
	return string(base64.RawURLEncoding.AppendEncode(make([]byte, 0, 43), b))
}

// matches compares text from a request with a text derived from s, in constant
// time. Nothing matches the zero Secret: its derivations are no secrets.
func (s Secret) matches(sent, derived string) bool {
	return !s.IsZero() && subtle.ConstantTimeCompare([]byte(sent), []byte(derived)) == 1
}
