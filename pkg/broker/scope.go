package broker

import (
	"slices"
	"strings"
)

// ScopeOpenID is the scope that makes Cognito issue an ID token (OpenID Connect
// Core 1.0 §3.1.2.1). In brokered mode only the broker uses it.
const ScopeOpenID = "openid"

// MaxServerScopes is the maximum number of scopes of a resource server in
// Cognito.
const MaxServerScopes = 100

// WithOpenID returns scopes with openid among them, first if it was missing.
func WithOpenID(scopes []string) []string {
	if slices.Contains(scopes, ScopeOpenID) {
		return scopes
	}
	return append([]string{ScopeOpenID}, scopes...)
}

// PublicScopes returns scopes as clients and protected resources see them in
// brokered mode, separated by spaces: without openid, since the broker issues
// no ID token.
func PublicScopes(scopes []string) string {
	length := 0
	for _, s := range scopes {
		length += len(s) + len(" ")
	}
	var b strings.Builder
	b.Grow(length)
	for _, s := range scopes {
		if s == ScopeOpenID {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(s)
	}
	return b.String()
}
