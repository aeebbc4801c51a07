package cognitoauth

import (
	"encoding/json"
	"errors"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// parseTokens reads a successful response of the token endpoint (RFC 6749
// §5.1).
func parseTokens(body []byte, app broker.AppCredentials) (broker.Tokens, error) {
	o, ok := object(body)
	access := o.text("access_token")
	if !ok || access == "" {
		return broker.Tokens{}, errors.New("status 200 without a token")
	}
	return broker.ParseTokens(app, access, o.text("refresh_token"), o.text("id_token"))
}

// parseUserInfo reads a successful response of userInfo (OpenID Connect Core 1.0
// §5.3.2).
func parseUserInfo(body []byte) (broker.UserInfo, error) {
	o, ok := object(body)
	if !ok || o.text("sub") == "" {
		return broker.UserInfo{}, badAnswer(errors.New("status 200 without a user"))
	}
	return broker.UserInfo{Sub: o.text("sub"), Email: broker.VerifiedEmail(o.text("email"), o["email_verified"])}, nil
}

// members are the members of a JSON object by their exact names.
type members map[string]json.RawMessage

// object returns the members of a JSON object, or false if b is not one.
func object(b []byte) (members, bool) {
	var o members
	err := json.Unmarshal(b, &o)
	return o, err == nil && o != nil
}

// text returns the member if it is a string, and otherwise "".
func (o members) text(name string) string {
	var s string
	if json.Unmarshal(o[name], &s) != nil {
		return ""
	}
	return s
}
