package functions

import (
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// Once a function has a configuration, it serves whatever happens to the table.
func TestLastGoodConfigurationStays(t *testing.T) {
	t.Parallel()
	d := deployWith(t, 10, (*world).moveClock)
	d.checkFlow(t)
	for _, trouble := range troubles {
		t.Run(trouble.name, func(t *testing.T) {
			trouble.begin(d)
			d.later(configuration.MaxAge)
			d.checkFlow(t)
			trouble.end(d)
			d.later(configuration.MaxAge)
			d.checkFlow(t)
		})
	}
	d.finishUncounted()
}

// A process that starts while the newest version cannot be used takes the one
// before.
func TestColdStartTakesTheNewestUsableVersion(t *testing.T) {
	t.Parallel()
	d := deploy(t, 10)
	for _, tt := range []struct {
		name   string
		onTop  func()
		errors int
		says   string
	}{
		{"a newer schema", d.appendNewer, 1, "schema"},
		{"a body that is gone", func() {
			d.configureLarge()
			d.remove(documentID(d.newest()))
		}, 1, "gone"},
		// The head has a copy of it.
		{"a small body that is gone", func() {
			d.document["support_contact"] = "mailto:help@example.com"
			d.configure()
			d.remove(documentID(d.newest()))
		}, 0, `"configuration_version":2`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			storedAgain(d)
			tt.onTop()
			d.start()
			d.checkFlow(t)
			for name, f := range d.all {
				f.Close() // after which the log is complete
				if logs := f.Logs(); errorsIn(t, logs, "configuration") != tt.errors || !strings.Contains(logs, tt.says) {
					t.Errorf("%s: want %d errors about the configuration, and %q:\n%s", name, tt.errors, tt.says, logs)
				}
			}
		})
	}
	d.finishUncounted()
}

// dcrctl refuses a document with a fault and does not store it, so all functions
// go on as before.
func TestRefusedDocumentsChangeNothing(t *testing.T) {
	t.Parallel()
	d := deployWith(t, 10, (*world).moveClock)
	d.checkFlow(t)
	good := string(must.Marshal(t, d.document))
	before := d.newest()
	for _, tt := range []struct {
		name, body string
		says       []string
	}{
		{"a scope typo", strings.Replace(good, `"scopes":["mcp/read"]`, `"scopes":["mcp/reed"]`, 1), []string{"protected_resources[0].scopes[0]", "mcp/reed"}},
		{"not JSON", "scopes:\n- name: mcp/read\n", []string{"not JSON"}},
		{"half an object", good[:len(good)/2], []string{"JSON"}},
		{"a lifetime of 48h", strings.Replace(good, "{", `{"lifetimes":{"access_token":"48h"},`, 1), []string{"lifetimes.access_token", "24h"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "broker.json")
			must.WriteFile(t, file, []byte(tt.body))
			for _, command := range [][]string{{"config", "lint", file}, {"config", "apply", file, "--yes"}} {
				output, ok := d.dcrctl(command...)
				if ok {
					t.Errorf("dcrctl %s succeeds: %s", command[1], output)
				}
				for _, want := range tt.says {
					if !strings.Contains(output, want) {
						t.Errorf("dcrctl %s says %s, want %q", command[1], output, want)
					}
				}
			}
			if now := d.newest(); now != before {
				t.Errorf("the newest version is %+v, want still %+v", now, before)
			}
			d.later(configuration.MaxAge)
			d.checkFlow(t)
		})
	}
	d.start() // new processes work too
	d.checkFlow(t)
	d.finishUncounted()
}

// A protected resource that an operator adds reaches every running function
// within a minute.
func TestNewResourceReachesEveryFunction(t *testing.T) {
	t.Parallel()
	const (
		server = "https://notes.example.com/notes"
		path   = "/.well-known/oauth-protected-resource/notes"
		id     = "second"
	)
	d := deployWith(t, 10, (*world).moveClock)
	d.checkFlow(t)
	status := func(method, path string, body any, authorization string) int {
		t.Helper()
		return d.send(d.browser().Client, method, path, body, authorization).Status
	}
	metadata := func() int { return status("GET", path, nil, "") }
	introspection := func() int {
		return status("POST", "/introspect", url.Values{"token": {"x"}}, basic(id, introspectionSecret))
	}
	if m, i := metadata(), introspection(); m != http.StatusNotFound || i != http.StatusUnauthorized {
		t.Errorf("before: metadata %d, introspection %d, want 404 and 401", m, i)
	}

	d.document["scopes"] = append(d.document["scopes"].([]object), object{"name": "notes/read", "description": "Read your notes"})
	d.document["protected_resources"] = append(d.resources(), object{
		"resource": server, "scopes": []string{"notes/read"},
		"introspection_clients": []object{{"id": id, "secret_sha256": sha256Hex(introspectionSecret)}},
	})
	file := filepath.Join(t.TempDir(), "broker.json")
	must.WriteFile(t, file, must.Marshal(t, d.document))
	if output, ok := d.dcrctl("config", "apply", file, "--create-scopes", "--yes"); !ok {
		t.Fatalf("dcrctl config apply: %s", output)
	}
	d.later(time.Minute)

	if m, i := metadata(), introspection(); m != http.StatusOK || i != http.StatusOK {
		t.Errorf("after a minute: metadata %d, introspection %d, want 200", m, i)
	}
	if done := d.janitor(t); done.Grown != 0 || done.Failed != 0 {
		t.Errorf("the janitor did %+v, want nothing left to do: apply has updated the app client", done)
	}
	for name, r := range map[string]registration{
		"a shared app client":  d.register(`{"client_name":"Example client","scope":"notes/read"}`, "http://127.0.0.1:40001/callback", ""),
		"an app client of own": d.register(confidentialMetadata, siteURI, "Bearer "+d.initial),
	} {
		r.resource, r.scope = server, "notes/read"
		b := d.browser()
		_, at := d.begin(b, r)
		tok := d.tokens(r, d.consent(b, r, at).Get("code"))
		token := text(tok, "access_token")
		if claims := claimsOf(t, token); claims.Audience != server || text(tok, "scope") != "notes/read" {
			t.Errorf("%s: tokens %v with the claims %+v, want them for the new server", name, tok, claims)
		}
		if !d.activeFor(id, token) || d.active(token) {
			t.Errorf("%s: want the token active at the new server, and not at the other", name)
		}
	}
	var processes []int
	for _, f := range d.all {
		processes = append(processes, f.Starts())
	}
	if want := []int{1, 1, 1, 1, 1, 1}; !slices.Equal(processes, want) {
		t.Errorf("%v processes, want %v", processes, want)
	}
	d.finishUncounted()
}
