package credential

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strings"
)

// Prefixes of the secrets that the broker issues as an authorization server.
const (
	ClientSecretPrefix      = "dcr_cs_"
	RefreshTokenPrefix      = "dcr_rt_"
	AuthorizationCodePrefix = "dcr_ac_"
)

// NewClientSecret makes a client secret (RFC 6749 §2.3.1). It needs no escaping
// in HTTP Basic.
func NewClientSecret() Token { return Token{secret: ClientSecretPrefix + random(32)} }

// DerivedAuthorizationCode makes the authorization code (RFC 6749 §1.3.1) of a
// grant from a secret of at least 256 random bits, which only the user's
// browser has. The code carries the id of its grant, made by DerivedID or
// NewID, so that the broker finds the grant by the code. The same secret and id
// make the same code: a decision that the browser sends twice has one code.
// Without the secret an attacker cannot guess the code (RFC 6749 §10.10).
func DerivedAuthorizationCode(secret, grantID string) Token {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte("code " + grantID))
	return Token{secret: AuthorizationCodePrefix + grantID + Encoding.EncodeToString(h.Sum(nil))}
}

// Keys makes keyed hashes; *seal.Ring does.
type Keys interface {
	MAC(purpose string, parts ...string) [sha256.Size]byte
}

// NewRefreshToken makes a refresh token (RFC 6749 §1.5) that carries the id of
// its grant. Half of its secret is random (128 bits). The other half is a keyed
// hash of the first, so that MadeRefreshToken recognises a token whose hash is
// no longer stored.
func NewRefreshToken(grantID string, keys Keys) Token {
	half := NewID()
	return Token{secret: RefreshTokenPrefix + grantID + half + refreshTag(grantID, half, keys)}
}

// MadeRefreshToken reports whether NewRefreshToken made t for this grant with
// these keys.
func MadeRefreshToken(t Token, grantID string, keys Keys) bool {
	if id, err := GrantID(t); err != nil || id != grantID || !strings.HasPrefix(t.secret, RefreshTokenPrefix) {
		return false
	}
	secret := t.secret[len(RefreshTokenPrefix)+idLen:]
	half, tag := secret[:secretLen/2], secret[secretLen/2:]
	return subtle.ConstantTimeCompare([]byte(tag), []byte(refreshTag(grantID, half, keys))) == 1
}

func refreshTag(grantID, half string, keys Keys) string {
	return DerivedID(keys.MAC("refresh_token", grantID, half))
}

// GrantID returns the id of the grant in an authorization code or a refresh
// token, or an error if t does not have the form of this broker's codes and
// tokens. The caller compares t with the hashes in the grant.
func GrantID(t Token) (string, error) {
	rest, ok := strings.CutPrefix(t.secret, RefreshTokenPrefix)
	if !ok {
		rest, ok = strings.CutPrefix(t.secret, AuthorizationCodePrefix)
	}
	if !ok || len(rest) != idLen+secretLen || strings.Trim(rest, alphabet) != "" {
		return "", errors.New("not an authorization code or refresh token of this server")
	}
	return rest[:idLen], nil
}

// DerivedID makes an identifier of the first 130 bits of a keyed hash: 26
// characters of [a-z2-7], like NewID.
func DerivedID(mac [sha256.Size]byte) string {
	return Encoding.EncodeToString(mac[:])[:idLen]
}
