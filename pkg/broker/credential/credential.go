// Package credential is a value: the secrets that the broker issues, made and
// checked. They are initial access tokens (RFC 7591 §3), registration access
// tokens (RFC 7592 §3), client secrets, authorization codes and refresh tokens.
// The package leaves out storage. The SHA-256 of a token is stored and never
// the token itself, which is enough for a secret of 256 random bits.
package credential

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// Prefixes let secret scanners find a leaked token.
const (
	InitialAccessTokenPrefix      = "dcr_iat_"
	RegistrationAccessTokenPrefix = "dcr_rat_"
)

// Redacted is embedded in a struct that holds secrets. The struct then prints
// and logs as "[redacted]". Its JSON form does not change.
type Redacted struct{}

// String implements fmt.Stringer.
func (Redacted) String() string { return "[redacted]" }

// GoString implements fmt.GoStringer, which %#v uses.
func (Redacted) GoString() string { return "[redacted]" }

// LogValue implements slog.LogValuer.
func (Redacted) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// A Token is a secret in the form that its bearer has. It prints as
// "[redacted]"; only Reveal returns the secret.
type Token struct {
	Redacted
	secret string
}

// Reveal returns the secret, to be sent only to its bearer.
func (t Token) Reveal() string { return t.secret }

// IsZero reports whether there is no token.
func (t Token) IsZero() bool { return t.secret == "" }

// Presented returns a token that arrived in a request and is not checked yet.
func Presented(s string) Token { return Token{secret: s} }

// Hash returns the hash that is stored in place of the token.
func (t Token) Hash() Hash { return sha256.Sum256([]byte(t.secret)) }

// A Hash is the SHA-256 of a token.
type Hash [sha256.Size]byte

// IsZero reports whether h is the zero Hash, which belongs to no token.
func (h Hash) IsZero() bool { return h == Hash{} }

// Matches reports in constant time whether h is the hash of t. The zero Hash
// matches no token, in the same time.
func (h Hash) Matches(t Token) bool {
	sum := t.Hash()
	return subtle.ConstantTimeCompare(h[:], sum[:]) == 1 && !h.IsZero()
}

// String returns the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads what String wrote.
func ParseHash(s string) (Hash, error) {
	var h Hash
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) {
		return Hash{}, errors.New("not a SHA-256 in hexadecimal")
	}
	copy(h[:], b)
	return h, nil
}

// MarshalText returns the hash in base64url, the shorter form that bodies of
// stored records have. Keys have the form of String.
func (h Hash) MarshalText() ([]byte, error) {
	return []byte(base64.RawURLEncoding.EncodeToString(h[:])), nil
}

// UnmarshalText reads what MarshalText wrote.
func (h *Hash) UnmarshalText(text []byte) error {
	b, err := base64.RawURLEncoding.DecodeString(string(text))
	if err != nil || len(b) != len(h) {
		return errors.New("not a SHA-256 in base64url")
	}
	copy(h[:], b)
	return nil
}

// NewRegistrationAccessToken makes a registration access token.
func NewRegistrationAccessToken() Token {
	return Token{secret: RegistrationAccessTokenPrefix + random(32)}
}

// NewID makes an identifier of 128 random bits: 26 characters of [a-z2-7].
func NewID() string { return random(16) }

// newInitialAccessToken makes a token that carries the id of its record, so
// that the record is found by key and the token is compared by hash.
func newInitialAccessToken(id string) Token {
	return Token{secret: InitialAccessTokenPrefix + id + random(32)}
}

// InitialAccessTokenID returns the id of the token's record, or an error if t
// does not have the form of this broker's initial access tokens.
func InitialAccessTokenID(t Token) (string, error) {
	rest, ok := strings.CutPrefix(t.secret, InitialAccessTokenPrefix)
	if !ok || len(rest) != idLen+secretLen || strings.Trim(rest, alphabet) != "" {
		return "", fmt.Errorf("not an initial access token: want %s and %d characters", InitialAccessTokenPrefix, idLen+secretLen)
	}
	return rest[:idLen], nil
}

const (
	alphabet  = "abcdefghijklmnopqrstuvwxyz234567"
	idLen     = 26 // 16 bytes
	secretLen = 52 // 32 bytes
)

// Encoding writes ids and secrets: base32 in lower case, without padding.
var Encoding = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

func random(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return Encoding.EncodeToString(b)
}
