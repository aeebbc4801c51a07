package authorization

import (
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// scopeRules decide which scopes a request is granted.
type scopeRules struct {
	allowed  []string // scopes that the client can get
	defaults []string // scopes for a request that names none that exists
	// known reports whether a client of this deployment could get a scope.
	known func(scope string) bool
}

// within returns r for an app client or a protected resource with these scopes.
func (r scopeRules) within(scopes []string) scopeRules {
	r.allowed = intersect(r.allowed, scopes)
	return r
}

// choose returns the scopes to grant to a request with this scope parameter (RFC
// 6749 §3.3):
//
//   - Of the requested scopes, those that are allowed.
//   - If none is allowed but one is known, the request is refused. An MCP server
//     that asks for more scopes would otherwise send the client here again and
//     again.
//   - If none is known, the allowed defaults, as for a request without scope. Some
//     clients always send the same scopes, such as openid and offline_access,
//     whatever the metadata says.
//
// openid alone counts as none, because it lets a client do nothing: it is for the
// broker itself. Only a profile without other defaults grants it.
func (r scopeRules) choose(sent string) ([]string, *broker.Refusal) {
	requested := strings.Fields(sent)
	if granted := intersect(requested, r.allowed); broker.PublicScopes(granted) != "" {
		return granted, nil
	}
	if slices.ContainsFunc(requested, r.known) {
		return nil, broker.Refuse(broker.InvalidScope, "none of the scopes is one that this client may have here")
	}
	granted := intersect(r.defaults, r.allowed)
	if len(granted) == 0 || broker.PublicScopes(granted) == "" && broker.PublicScopes(r.defaults) != "" {
		return nil, broker.Refuse(broker.InvalidScope, "there is no scope that this client may have here")
	}
	return granted, nil
}

// intersect returns the elements of a that are also in b, each once.
func intersect(a, b []string) []string {
	var both []string
	for _, s := range a {
		if slices.Contains(b, s) && !slices.Contains(both, s) {
			both = append(both, s)
		}
	}
	return both
}
