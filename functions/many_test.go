package functions

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// 200 MCP servers that share 40 described scopes fit in a document, and every
// function serves them.
func TestManyProtectedResources(t *testing.T) {
	t.Parallel()
	const (
		servers = 200
		scopes  = 40
	)
	name := func(i int) string { return fmt.Sprintf("mcp/tool%02d", i%scopes) }
	server := func(i int) string { return fmt.Sprintf("https://mcp%03d.example.com/servers/%03d", i, i) }
	var names []string
	d := deployWith(t, 10, func(w *world) {
		declared := []object{{"name": "mcp/read", "description": "Read your notes"}}
		for i := range scopes {
			names = append(names, name(i))
			declared = append(declared, object{"name": name(i), "description": fmt.Sprintf("Read your notes with tool %d", i)})
		}
		resources := w.resources()
		for i := range servers {
			resources = append(resources, object{
				"resource": server(i), "name": fmt.Sprintf("MCP server %d", i), "scopes": []string{name(i), name(i + 1)},
				"introspection_clients": []object{{"id": fmt.Sprintf("server%03d", i), "secret_sha256": sha256Hex(introspectionSecret)}},
			})
		}
		w.document["scopes"], w.document["protected_resources"] = declared, resources
		if n := len(must.Marshal(t, w.document)); n > configuration.MaxSize {
			t.Errorf("the document has %d bytes, want at most %d", n, configuration.MaxSize)
		}
		if err := w.cognito.DeclareScopes(names); err != nil {
			t.Fatal(err)
		}
	})
	for i := range servers {
		got := d.protectedResource(fmt.Sprintf("/servers/%03d", i), http.StatusOK)
		if got.Resource != server(i) || len(got.Scopes) != 2 || got.Scopes[0] != name(i) || len(got.Servers) != 1 || got.Servers[0] != d.issuer {
			t.Errorf("metadata of server %d: %+v", i, got)
		}
	}
	d.checkFlow(t)
	last := registration{resource: server(servers - 1), scope: name(servers - 1)}
	d.checkServer(last, fmt.Sprintf("server%03d", servers-1))
	d.finishUncounted()
}

// Two MCP servers on different hosts may have the same path. The broker's copy
// of their metadata would be at one address, so there is none; the servers
// publish their own. Everything else goes by the whole URL.
func TestOnePathOnTwoHosts(t *testing.T) {
	t.Parallel()
	const second = "https://second.example.com/mcp"
	d := deployWith(t, 10, func(w *world) {
		w.document["protected_resources"] = append(w.resources(),
			object{"resource": second, "scopes": []string{"mcp/read"}, "introspection_clients": []object{{"id": "second", "secret_sha256": sha256Hex(introspectionSecret)}}},
			object{"resource": "https://third.example.com/other", "scopes": []string{"mcp/read"}},
		)
	})
	d.protectedResource("/mcp", http.StatusNotFound)
	d.protectedResource("/other", http.StatusOK)
	d.checkServer(registration{resource: mcpServer, scope: "mcp/read"}, introspectionID)
	d.checkServer(registration{resource: second, scope: "mcp/read"}, "second")
	d.finishUncounted()
}

// protectedResource is protected resource metadata (RFC 9728).
type protectedResource struct {
	Resource string   `json:"resource"`
	Scopes   []string `json:"scopes_supported"`
	Servers  []string `json:"authorization_servers"`
}

// protectedResource returns the broker's copy of the metadata of the server with
// this path.
func (d *deployment) protectedResource(path string, status int) protectedResource {
	d.tb().Helper()
	path = "/.well-known/oauth-protected-resource" + path
	a := d.send(&http.Client{Transport: d.transport}, "GET", path, nil, "")
	var got protectedResource
	if err := json.Unmarshal(a.Body, &got); a.Status != status || err != nil {
		d.tb().Errorf("GET %s = %d %s (%v), want %d", path, a.Status, a.Body, err, status)
	}
	return got
}

// checkServer gets an access token for the resource of r, which only the server
// with this introspection client may use.
func (d *deployment) checkServer(r registration, introspection string) {
	t := d.tb()
	t.Helper()
	client := d.register(fmt.Sprintf(`{"client_name":"Client of %s"}`, introspection), "http://127.0.0.1:40001/callback", "")
	client.resource, client.scope = r.resource, r.scope
	b := d.browser()
	_, at := d.begin(b, client)
	tok := d.tokens(client, d.consent(b, client, at).Get("code"))
	if claims := claimsOf(t, text(tok, "access_token")); claims.Audience != r.resource || text(tok, "scope") != r.scope {
		t.Errorf("tokens for %s: %v with the claims %+v", r.resource, tok, claims)
	}
	if !d.activeFor(introspection, text(tok, "access_token")) {
		t.Errorf("the token for %s is not active there", r.resource)
	}
	for _, other := range []string{introspectionID, "second"} {
		if other != introspection && d.introspects(other) && d.activeFor(other, text(tok, "access_token")) {
			t.Errorf("the token for %s is active at the server of %s", r.resource, other)
		}
	}
}

// introspects reports whether the document has the introspection client.
func (d *deployment) introspects(id string) bool {
	for _, r := range d.resources() {
		clients, _ := r["introspection_clients"].([]object)
		for _, c := range clients {
			if c["id"] == id {
				return true
			}
		}
	}
	return false
}
