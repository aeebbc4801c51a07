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
	// maxServerScopes is how many scopes a resource server can have in Cognito.
	maxServerScopes = 100
	// maxServers is the number to which the quota of resource servers of a user
	// pool can be raised.
	maxServers = 300
	// maxDescription is the length of a scope's text, in characters.
	maxDescription = 200
)

func (d *checker) scopes(path string, list []DocumentScope) []Scope {
	if list == nil && !d.Within(path) {
		d.Add(path, "required, with at least one scope")
	}
	var scopes []Scope
	seen := make(map[string]bool)
	for i, o := range list {
		at := strict.Index(path, i)
		switch name := at + ".name"; {
		case d.At(at) || d.At(name):
			continue
		case !policy.ValidScope(o.Name):
			d.Add(name, "%s has characters that a scope cannot have, or is too long (RFC 6749 section 3.3)", strict.Quote(o.Name))
			continue
		case o.Name == "offline_access":
			d.Add(name, "offline_access does not exist in Cognito, which issues refresh tokens without it")
		case seen[o.Name]:
			d.Add(name, "%s is listed twice", strict.Quote(o.Name))
			continue
		}
		seen[o.Name] = true
		scopes = append(scopes, Scope{o.Name, d.optionalText(at+".description", o.Description, maxDescription)})
	}
	return scopes
}

// resourceServers counts the resource servers that the user pool needs. The
// resource server of a scope is the part before the last slash.
func (d *checker) resourceServers(path string, scopes []string, quota int) {
	count := make(map[string]int)
	for _, s := range scopes {
		if i := strings.LastIndexByte(s, '/'); i >= 0 {
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
		if n := count[server]; n > maxServerScopes {
			d.Add(path, "%d scopes of the resource server %s, which can have %d; %sdivide them among resource servers", n, strict.Quote(server), maxServerScopes, share)
		}
	}
}
