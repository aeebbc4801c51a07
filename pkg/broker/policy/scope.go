package policy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

// scopeAdmin is Cognito's own scope that lets the holder of an access token
// change the user's attributes, password and second factors.
const scopeAdmin = "aws.cognito.signin.user.admin"

// MaxScopes is the maximum number of scopes of an app client in Cognito.
const MaxScopes = 50

// needsOpenID reports whether a scope needs openid, as AWS documents. Recorded
// answers of real pools have email without it; such a token cannot be used at
// userInfo.
func needsOpenID(scope string) bool {
	return scope == "email" || scope == "phone" || scope == "profile"
}

// aboutUser reports whether a scope is about a signed-in user.
// client_credentials cannot have such a scope.
func aboutUser(scope string) bool {
	return scope == broker.ScopeOpenID || scope == scopeAdmin || needsOpenID(scope)
}

// maxScope is the length of a scope of an app client in Cognito.
const maxScope = 256

// CheckScope returns an error if Cognito cannot have the scope. A scope is one of
// Cognito's own, or a custom one, resourceServer/name, whose name has no slash.
func CheckScope(s string) error {
	switch i := strings.LastIndexByte(s, '/'); {
	case s == "offline_access":
		return errors.New("offline_access does not exist in Cognito, which issues refresh tokens without it")
	case len(s) > maxScope:
		return fmt.Errorf("%s has %d characters, and a scope of an app client can have %d", strict.Quote(s), len(s), maxScope)
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }):
		return fmt.Errorf("%s has characters that a scope cannot have (RFC 6749 section 3.3)", strict.Quote(s))
	case !aboutUser(s) && (i < 1 || i == len(s)-1):
		return fmt.Errorf("%s is not a scope that Cognito can have: openid, email, phone, profile, %s, or resourceServer/name as in mcp/read", strict.Quote(s), scopeAdmin)
	}
	return nil
}
