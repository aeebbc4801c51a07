package authorization

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// Secret ties a transaction to one browser. It has 256 random bits and the time
// when the transaction began, and is stored in a cookie of the browser only. It
// prints as "[redacted]". The zero Secret belongs to no transaction.
type Secret struct {
	credential.Redacted
	text string
	// ended is set for a transaction that is over, whose browser has no secret of
	// it any more.
	ended bool
}

const (
	timeBytes   = 6 // milliseconds since 1970
	secretBytes = timeBytes + 32
	// idLength is the length of an ID.
	idLength = 16
	// endedText stands in place of the secret of a transaction that is over.
	endedText = "ended"
)

func newSecret(now time.Time) Secret {
	b := make([]byte, secretBytes)
	ms := uint64(now.UnixMilli())
	for i := range timeBytes {
		b[i] = byte(ms >> (8 * (timeBytes - 1 - i)))
	}
	rand.Read(b[timeBytes:])
	return Secret{text: encode(b)}
}

// ParseSecret reads text from Reveal. It returns the zero Secret for any other
// text, and for a text of another transaction than the one with this ID.
func ParseSecret(id, text string) Secret {
	if text == endedText {
		return EndedSecret()
	}
	s := Secret{text: text}
	if s.bytes() == nil || s.ID() != id {
		return Secret{}
	}
	return s
}

// EndedSecret replaces the secret of a transaction that is over. The browser then
// learns that, and not that it has no such transaction.
func EndedSecret() Secret { return Secret{ended: true} }

// Reveal returns the secret, to be sent only to its browser.
func (s Secret) Reveal() string {
	if s.ended {
		return endedText
	}
	return s.text
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.text == "" }

// ID is the public id of the transaction. It names the cookie and is in the state
// at Cognito, in the address of the consent page and in its form, so that one
// browser can have several transactions. It says nothing about the secret.
func (s Secret) ID() string { return s.derive("id")[:idLength] }

// IDOfState returns the ID in a state that the broker made. For any other state
// it is a text that no transaction has.
func IDOfState(state string) string {
	id, _, _ := strings.Cut(state, ".")
	return id
}

// Began is when the transaction began, or the zero time if there is no secret.
func (s Secret) Began() time.Time {
	b := s.bytes()
	if b == nil {
		return time.Time{}
	}
	var ms uint64
	for _, v := range b[:timeBytes] {
		ms = ms<<8 | uint64(v)
	}
	return time.UnixMilli(int64(ms))
}

// bytes decodes the secret. It returns nil if the text is no secret.
func (s Secret) bytes() []byte {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s.text)
	if err != nil || len(b) != secretBytes {
		return nil
	}
	return b
}

// missing is the Problem of a browser without the secret, or nil if it has one.
func (s Secret) missing() error {
	switch {
	case s.ended:
		return expired("this sign-in has ended")
	case s.IsZero():
		return &Problem{Kind: OtherBrowser, Detail: "no cookie of this transaction"}
	}
	return nil
}

// key is the key of the transaction in the store.
func (s Secret) key() credential.Hash { return credential.Presented(s.text).Hash() }

// state ties Cognito's answer to the browser (RFC 6749 §10.12). It begins with
// the ID, which says which cookie has to vouch for the rest.
func (s Secret) state() string { return s.ID() + "." + s.derive("state") }

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

// encode returns bytes in base64url. The buffer stays on the stack, which
// EncodeToString's does not.
func encode(b []byte) string {
	return string(base64.RawURLEncoding.AppendEncode(make([]byte, 0, 51), b))
}

// matches compares text from a request with a text derived from s, in constant
// time. Nothing matches the zero Secret: its derivations are no secrets.
func (s Secret) matches(sent, derived string) bool {
	return !s.IsZero() && subtle.ConstantTimeCompare([]byte(sent), []byte(derived)) == 1
}
