package authorization

import (
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
	r.allowed = broker.CommonScopes(r.allowed, scopes)
	return r
}

// choose returns the scopes to grant to a request with this scope parameter.
func (r scopeRules) choose(sent string) ([]string, *broker.Refusal) {
	granted := broker.ChooseScopes(strings.Fields(sent), r.allowed, r.defaults, r.known)
	if len(granted) == 0 {
		return nil, broker.Refuse(broker.InvalidScope, "none of the scopes is one that this client may have here")
	}
	return granted, nil
}
