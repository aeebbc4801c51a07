package configuration

import (
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

func (d *checker) resources(path string, list []DocumentResource, offered []string, c *Configuration) {
	known, seen, ids := setOf(offered), make(map[string]bool), make(map[string]bool)
	for i, o := range list {
		path := strict.Index(path, i)
		if d.At(path) {
			continue
		}
		r := broker.Resource{URL: o.Resource, Scopes: o.Scopes, Name: d.optionalText(path+".name", o.Name, 128)}
		canonical := broker.CanonicalResource(o.Resource)
		switch {
		case d.At(path + ".resource"):
		case !isResource(o.Resource):
			d.Add(path+".resource", "required, an https URL without query and fragment; http on loopback only")
		case seen[canonical]:
			d.Add(path+".resource", "%s is listed twice; a trailing slash and upper case in the host make no difference", strict.Quote(o.Resource))
		}
		seen[canonical] = true
		for j, s := range o.Scopes {
			if known[s] {
				continue
			}
			if at := strict.Index(path+".scopes", j); !d.At(at) {
				d.Add(at, "%s", policy.UnknownScope{Scope: s, Offered: offered})
			}
		}
		c.Resources = append(c.Resources, r)
		for j, client := range o.IntrospectionClients {
			d.introspectionClient(strict.Index(path+".introspection_clients", j), client, ids)
			c.IntrospectionClients = append(c.IntrospectionClients, IntrospectionClient{client.ID, client.SecretSHA256, o.Resource})
		}
	}
	if !c.ResourceBinding && d.deployment.Mode == broker.ModeBrokered && !d.At("resource_binding") {
		d.noSharedScopes(path, list)
	}
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

func (d *checker) introspectionClient(path string, o DocumentIntrospectionClient, ids map[string]bool) {
	if d.At(path) {
		return
	}
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	switch {
	case d.At(path + ".id"):
	case o.ID == "" || len(o.ID) > 128 || strings.Trim(o.ID, alphabet) != "":
		d.Add(path+".id", "required, 1 to 128 letters, digits, '-' and '_'")
	case ids[o.ID]:
		d.Add(path+".id", "%s is the id of another client", strict.Quote(o.ID))
	}
	ids[o.ID] = true
	if b, err := hex.DecodeString(o.SecretSHA256); (err != nil || len(b) != 32) && !d.At(path+".secret_sha256") {
		d.Add(path+".secret_sha256", "required, the SHA-256 of the secret: 64 hexadecimal characters")
	}
}

func isResource(s string) bool {
	u, err := url.Parse(s)
	return err == nil && isURLText(s) && u.Host != "" &&
		(strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") && dcr.IsLoopback(u.Hostname())) &&
		u.User == nil && !strings.ContainsAny(s, "?#")
}
