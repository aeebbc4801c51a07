package policy

import "github.com/dcr-broker/dcr-broker/pkg/broker"

// scopeAdmin is Cognito's own scope that lets the holder of an access token
// change the user's attributes, password and second factors.
const scopeAdmin = "aws.cognito.signin.user.admin"

// MaxScopes is the maximum number of scopes of an app client in Cognito.
const MaxScopes = 50

// needsOpenID reports whether Cognito grants a scope only together with openid.
func needsOpenID(scope string) bool {
	return scope == "email" || scope == "phone" || scope == "profile"
}

// aboutUser reports whether a scope is about a signed-in user.
// client_credentials cannot have such a scope.
func aboutUser(scope string) bool {
	return scope == broker.ScopeOpenID || scope == scopeAdmin || needsOpenID(scope)
}

// ValidScope reports whether s is a scope-token (RFC 6749 §3.3) within
// Cognito's limits: 256 characters, or 513 with the identifier of a resource
// server and a slash before it.
func ValidScope(s string) bool {
	if s == "" || len(s) > 513 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return true
}
