package configuration

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

func (d *checker) resources(path string, list []DocumentResource) []broker.Resource {
	var resources []broker.Resource
	seen := make(map[string]bool)
	for i, o := range list {
		path := strict.Index(path, i)
		if d.At(path) {
			continue
		}
		key := canonical(o.Resource)
		switch {
		case d.At(path + ".resource"):
		case !policy.IsURL(o.Resource) || strings.Contains(o.Resource, "?"):
			d.Want(path+".resource", o.Resource, "an https URL without query and fragment; http on loopback only")
		case seen[key]:
			d.Add(path+".resource", "%s is listed twice; a trailing slash, the default port and upper case in the host make no difference", strict.Quote(o.Resource))
		}
		seen[key] = true
		for _, e := range d.Elements(path+".scopes", o.Scopes) {
			if d.undeclared(e.Value) {
				d.Add(e.Path, "%s", policy.UnknownScope{Scope: e.Value, Declared: d.declared})
			}
		}
		resources = append(resources, broker.Resource{URL: o.Resource, Scopes: o.Scopes, Name: d.optionalText(path+".name", o.Name, 128)})
	}
	return resources
}

// canonical returns the canonical form of a resource without a default port,
// which a program may add or leave out.
func canonical(resource string) string {
	s := broker.CanonicalResource(resource)
	u, err := url.Parse(s)
	if err != nil || u.Scheme+u.Port() != "https443" && u.Scheme+u.Port() != "http80" {
		return s
	}
	return strings.Replace(s, ":"+u.Port(), "", 1)
}

// noSharedScopes adds a fault if two protected resources share a scope: a token
// without audience is valid at each resource that has its scope.
func (d *checker) noSharedScopes(path string, list []DocumentResource) {
	owner := make(map[string]int)
	for i, r := range list {
		for j, s := range r.Scopes {
			other, owned := owner[s]
			if !owned {
				owner[s] = i
				continue
			}
			if at := strict.Index(strict.Index(path, i)+".scopes", j); other != i && !d.At(at) {
				d.Add(at, "%s is also a scope of %s, so a token for one would be valid at both; set resource_binding, which needs the plan Essentials or Plus and managed login, or give each its own scopes",
					strict.Quote(s), strict.Index(path, other))
			}
		}
	}
}

func (d *checker) introspectionClients(path string, list []DocumentResource) []IntrospectionClient {
	var clients []IntrospectionClient
	ids := make(map[string]bool)
	for i, r := range list {
		for j, o := range r.IntrospectionClients {
			d.introspectionClient(strict.Index(strict.Index(path, i)+".introspection_clients", j), o, ids)
			clients = append(clients, IntrospectionClient{o.ID, o.SecretSHA256, r.Resource})
		}
	}
	return clients
}

// introspectionClient checks a credential for introspection. ids has those
// before.
func (d *checker) introspectionClient(path string, o DocumentIntrospectionClient, ids map[string]bool) {
	if d.At(path) {
		return
	}
	id, secret := path+".id", path+".secret_sha256"
	switch {
	case d.At(id):
	case len(o.ID) > 128 || strings.ContainsFunc(o.ID, notInID) || o.ID == "":
		d.Want(id, o.ID, "1 to 128 letters, digits, '-' and '_'")
	case ids[o.ID]:
		d.Add(id, "%s is the id of another client", strict.Quote(o.ID))
	}
	ids[o.ID] = true
	switch hash, err := hex.DecodeString(o.SecretSHA256); {
	case d.At(secret):
	case err != nil || len(hash) != sha256.Size:
		d.Want(secret, o.SecretSHA256, "the SHA-256 of the secret: 64 hexadecimal characters")
	case [sha256.Size]byte(hash) == sha256.Sum256(nil):
		d.Add(secret, "this is the SHA-256 of no characters, with which everybody could introspect tokens; the secret was empty")
	}
}

func notInID(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
}
