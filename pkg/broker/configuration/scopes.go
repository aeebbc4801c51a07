package configuration

import (
	"maps"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

const (
	// maxServers is the number to which the quota of resource servers of a user
	// pool can be raised.
	maxServers = 300
	// maxDescription is the length of a scope's text, in characters.
	maxDescription = 200
)

// scopes checks the declared scopes, and sets them in d with those that Cognito
// cannot have: the rest of the document may name these without another fault.
func (d *checker) scopes(path string, list []DocumentScope) []Scope {
	if list == nil && !d.Within(path) {
		d.Add(path, "required, with at least one scope")
	}
	known := list != nil
	var names []string
	var scopes []Scope
	seen := make(map[string]bool)
	for i, o := range list {
		at := strict.Index(path, i)
		name := at + ".name"
		if d.At(at) || d.At(name) {
			known = false
			continue
		}
		description := d.optionalText(at+".description", o.Description, maxDescription)
		switch err := policy.CheckScope(o.Name); {
		case o.Name == "":
			d.Add(name, "required: a scope as in mcp/read")
			known = false
			continue
		case seen[o.Name]:
			d.Add(name, "%s is listed twice", strict.Quote(o.Name))
			continue
		case err != nil:
			d.Add(name, "%v", err)
		}
		seen[o.Name] = true
		names, scopes = append(names, o.Name), append(scopes, Scope{o.Name, description})
	}
	if known {
		d.declared, d.isDeclared = names, seen
	}
	return scopes
}

// undeclared reports whether the document does not declare a scope.
func (d *checker) undeclared(scope string) bool { return d.declared != nil && !d.isDeclared[scope] }

// resourceServers counts the resource servers that the user pool needs. The
// resource server of a scope is the part before the last slash.
func (d *checker) resourceServers(path string, quota int) {
	count := make(map[string]int)
	for _, s := range d.declared {
		if i := strings.LastIndexByte(s, '/'); i > 0 {
			count[s[:i]]++
		}
	}
	share := ""
	if d.deployment.Mode == broker.ModeBrokered {
		share = "let MCP servers share scopes and set resource_binding, which tells them apart, or "
	}
	if len(count) > quota {
		d.Add(path, "%d resource servers, and the user pool can have %d; %shave the quota raised, to at most %d, and set resource_server_quota",
			len(count), quota, share, maxServers)
	}
	for _, server := range slices.Sorted(maps.Keys(count)) {
		if n := count[server]; n > broker.MaxServerScopes {
			d.Add(path, "%d scopes of the resource server %s, which can have %d; %sdivide them among resource servers", n, strict.Quote(server), broker.MaxServerScopes, share)
		}
	}
}
