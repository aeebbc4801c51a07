package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

func (d *checker) profileScopes(path string, o *DocumentScopes, open bool) (allowed, defaults []string) {
	if d.At(path) {
		return nil, nil
	}
	if o == nil {
		o = &DocumentScopes{}
	}
	allowed, from := d.implied, d.impliedSet
	switch {
	case o.Allowed != nil || d.At(path+".allowed"):
		allowed = d.scopeList(path+".allowed", o.Allowed, d.declared, open)
		from = set(allowed)
	case len(allowed) == 0 && d.scopes != nil:
		d.Add(path+".allowed", "scopes declares none that could be allowed")
	}
	d.checkScopes(path+".allowed", allowed, from)
	if o.Default == nil {
		return allowed, allowed
	}
	if open {
		d.Add(path+".default", "not supported on the profile of open registration, which grants all of allowed")
		return allowed, nil
	}
	if d.Within(path + ".allowed") {
		from = d.declared
	}
	defaults = d.scopeList(path+".default", o.Default, from, open)
	d.checkScopes(path+".default", defaults, set(defaults))
	return allowed, defaults
}

// scopeList checks a list of scopes; each must be in from.
func (d *checker) scopeList(path string, list []string, from map[string]bool, open bool) []string {
	elements := d.nonEmpty(path, list)
	for _, e := range elements {
		switch {
		case open && e.Value == scopeAdmin:
			d.Add(e.Path, "not allowed on the profile of open registration: it lets a client change the user's account")
		case d.rules.noAdmin && e.Value == scopeAdmin:
			d.Add(e.Path, "not allowed in brokered mode: no app client of the broker has it")
		case d.scopes == nil:
		case !d.declared[e.Value]:
			d.Add(e.Path, "%s", UnknownScope{e.Value, d.scopes})
		case !from[e.Value]:
			d.Add(e.Path, "%s is not in allowed", strict.Quote(e.Value))
		}
	}
	return values(elements)
}

const (
	maxListed = 20   // scopes that a message lists
	maxList   = 1000 // bytes of such a list
)

// UnknownScope is the message for a scope that the document does not declare. It
// names the declared scopes that are spelled almost alike, or all of them if
// there are few.
type UnknownScope struct {
	Scope    string
	Declared []string
}

// String returns the message.
func (u UnknownScope) String() string {
	var alike []string
	for _, s := range u.Declared {
		if len(alike) < maxListed && almostEqual(u.Scope, s) {
			alike = append(alike, strict.Quote(s))
		}
	}
	unknown := strict.Quote(u.Scope) + " is not declared under scopes"
	if len(alike) > 0 {
		return unknown + "; did you mean " + strings.Join(alike, " or ") + "?"
	}
	if len(u.Declared) <= maxListed {
		// A declared scope that is a fault itself may have any characters.
		if all := strings.Join(u.Declared, " "); len(all) <= maxList && broker.Printable(all) {
			return unknown + ", which has: " + all
		}
	}
	return fmt.Sprintf("%s, which has %d", unknown, len(u.Declared))
}

// almostEqual reports whether a and b differ only in case, or in one or two
// neighbouring characters.
func almostEqual(a, b string) bool {
	if len(a)-len(b) > 2 || len(b)-len(a) > 2 {
		return false
	}
	for a != "" && b != "" && lowerCase(a[0]) == lowerCase(b[0]) {
		a, b = a[1:], b[1:]
	}
	for a != "" && b != "" && lowerCase(a[len(a)-1]) == lowerCase(b[len(b)-1]) {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return len(a) <= 2 && len(b) <= 2
}

func lowerCase(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// checkScopes applies Cognito's rules for the scopes of an app client. has is the
// set of scopes.
func (d *checker) checkScopes(path string, scopes []string, has map[string]bool) {
	limit, besides := MaxScopes, ""
	if d.rules.addsOpenID && !has[broker.ScopeOpenID] {
		limit, besides = MaxScopes-1, " besides openid, which the broker needs"
	}
	if len(scopes) > limit {
		share := ""
		if d.rules.signsIn {
			share = ", let MCP servers share scopes and set resource_binding, which tells them apart"
		}
		d.Add(path, "%d scopes, and an app client can have %d%s; list those that are needed%s, or divide the profile", len(scopes), limit, besides, share)
		return
	}
	if i := slices.IndexFunc(scopes, needsOpenID); i >= 0 && !has[broker.ScopeOpenID] {
		d.Add(path, "%s needs openid in the same list", scopes[i])
	}
}
