package broker

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// UserInfo is what Cognito's userInfo endpoint says about the user of an access
// token (OpenID Connect Core 1.0 §5.3.2).
type UserInfo struct {
	// Sub is the user. If it is not the sub of the tokens, the rest is about
	// another user and must not be used.
	Sub string
	// Email is the address, empty if there is none or it is not verified.
	Email string
}

// maxEmail is the longest email address in bytes (RFC 5321 §4.5.3.1.3).
const maxEmail = 254

// VerifiedEmail returns the claim email if email_verified is true, and otherwise
// "". email_verified is a Boolean in ID tokens, and text at userInfo. What is too
// long for an address, has no @ or has a space or an invisible character is "",
// too: a federated provider may have sent any text.
func VerifiedEmail(email string, verified json.RawMessage) string {
	unseen := func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) }
	local, host, ok := strings.Cut(email, "@")
	if !isTrue(verified) || !ok || local == "" || host == "" || len(email) > maxEmail || !utf8.ValidString(email) || strings.ContainsFunc(email, unseen) {
		return ""
	}
	return email
}
