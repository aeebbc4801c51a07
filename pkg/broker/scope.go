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

// ChooseScopes returns the scopes to grant to a request (RFC 6749 §3.3):
//
//   - Of the requested scopes, those that are allowed.
//   - If none is allowed but one is known, none: the request is to be refused. An
//     MCP server that asks for more scopes would otherwise send the client here
//     again and again.
//   - If none is known, the allowed defaults, as for a request without scope. Some
//     clients always send the same scopes, such as openid and offline_access,
//     whatever the metadata says.
//
// openid alone counts as none, because it lets a client do nothing: it is for the
// broker itself. It is only granted alone if there is no other default. known
// reports whether a client of this deployment could get a scope.
func ChooseScopes(requested, allowed, defaults []string, known func(scope string) bool) []string {
	if granted := CommonScopes(requested, allowed); PublicScopes(granted) != "" {
		return granted
	}
	if slices.ContainsFunc(requested, known) {
		return nil
	}
	granted := CommonScopes(defaults, allowed)
	if PublicScopes(granted) == "" && PublicScopes(defaults) != "" {
		return nil
	}
	return granted
}

// CommonScopes returns the scopes of a that are also in b, each once.
func CommonScopes(a, b []string) []string {
	var common []string
	for _, s := range a {
		if slices.Contains(b, s) && !slices.Contains(common, s) {
			common = append(common, s)
		}
	}
	return common
}
