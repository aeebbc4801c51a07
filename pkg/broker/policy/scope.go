package policy

// The scopes that are Cognito's own and not a resource server's.
const (
	scopeOpenID = "openid"
	// scopeAdmin lets whoever holds an access token change the user's attributes, password and second factors.
	scopeAdmin = "aws.cognito.signin.user.admin"
)

// MaxScopes is how many scopes an app client can have in Cognito.
const MaxScopes = 50

// needsOpenID reports whether Cognito grants a scope only together with openid.
func needsOpenID(scope string) bool {
	return scope == "email" || scope == "phone" || scope == "profile"
}

// aboutUser reports whether a scope is about a signed-in user, so that client_credentials cannot have it.
func aboutUser(scope string) bool {
	return scope == scopeOpenID || scope == scopeAdmin || needsOpenID(scope)
}

// validScope reports whether s has the form that Cognito asks for: RFC 6749 section 3.3 and at most 256 characters,
// 513 with the identifier of a resource server and a slash in front of it.
func validScope(s string) bool {
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
