package emulator

import (
	"fmt"
	"slices"
	"strings"
)

// DeclareScopes adds the custom scopes that no resource server has yet, and the
// resource servers that they need. It leaves out scopes without a slash, which
// belong to Cognito itself. It removes nothing.
func (c *Cognito) DeclareScopes(scopes []string) error {
	for _, scope := range scopes {
		i := strings.LastIndexByte(scope, '/')
		if i < 0 {
			continue
		}
		if err := c.declareScope(scope[:i], scope[i+1:]); err != nil {
			return fmt.Errorf("scope %q: %w", scope, err)
		}
	}
	return nil
}

func (c *Cognito) declareScope(identifier, name string) error {
	var cs constraints
	cs.text(name, "scopes.member.scopeName", 1, 256, subScopePattern)
	if err := cs.err(); err != nil {
		return err
	}
	if c.hasResourceServer(identifier, resourceScope{name, name}) {
		return nil
	}
	added := resourceServer{Identifier: identifier, Name: resourceServerName(identifier), Scopes: []resourceScope{{name, name}}}
	if err := c.addResourceServer(added); err != nil {
		return err
	}
	return nil
}

// hasResourceServer reports whether the resource server exists, and then adds
// the scope if it does not have it.
func (c *Cognito) hasResourceServer(identifier string, scope resourceScope) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.resources, func(rs resourceServer) bool { return rs.Identifier == identifier })
	if i < 0 {
		return false
	}
	rs := &c.resources[i]
	if !slices.ContainsFunc(rs.Scopes, func(s resourceScope) bool { return s.ScopeName == scope.ScopeName }) {
		rs.Scopes = append(slices.Clone(rs.Scopes), scope) // an answer may have the old slice
	}
	return true
}
