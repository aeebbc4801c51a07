package functions

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/config"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configure"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// An object is a JSON object.
type object = map[string]any

// newDocument returns the configuration of a world: the example that ships, with
// one protected resource.
func newDocument(t *testing.T) object {
	t.Helper()
	var doc object
	if err := json.Unmarshal(config.Example(), &doc); err != nil {
		t.Fatal(err)
	}
	doc["scopes"] = []object{{"name": "openid"}, {"name": "mcp/read"}, {"name": "mcp/write"}}
	doc["protected_resources"] = []object{{"resource": mcpServer, "scopes": []string{"mcp/read"}, "name": "Example MCP server"}}
	return doc
}

// addBrokered adds what only brokered mode uses.
func addBrokered(t *testing.T, doc object) {
	t.Helper()
	doc["scopes"].([]object)[1]["description"] = "Read your notes"
	logo := must.ReadFile(t, filepath.Join("testdata", "logo.svg"))
	doc["branding"] = object{"name": "Example Notes", "logo": "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(logo)}
	doc["protected_resources"].([]object)[0]["introspection_clients"] = []object{{"id": introspectionID, "secret_sha256": sha256Hex(introspectionSecret)}}
}

// profile returns a profile of the document, to change it.
func (w *world) profile(name string) object {
	return w.document["profiles"].(object)[name].(object)
}

// resources returns the protected resources of the document.
func (w *world) resources() []object { return w.document["protected_resources"].([]object) }

// configure stores the document as an operator does, in the table or else in the
// file.
func (w *world) configure() {
	w.t.Helper()
	body := append(must.Marshal(w.t, w.document), w.padding...)
	if w.env["DYNAMODB_ENDPOINT"] != "" {
		w.apply(body)
		return
	}
	if w.env["CONFIGURATION"] == "" {
		w.env["CONFIGURATION"] = filepath.Join(w.t.TempDir(), "broker.json")
	}
	must.WriteFile(w.t, w.env["CONFIGURATION"], body)
}

// stored returns the configurations in the table.
func (w *world) stored() configuration.Store {
	w.t.Helper()
	return wire.Table(w.config(), w.sdk()).Configuration()
}

// apply stores a document in the table as dcrctl config apply does.
func (w *world) apply(body []byte) {
	w.t.Helper()
	writer, err := configure.New(configure.Config{
		Store: w.stored(), Deployment: w.config().Deployment(), Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := writer.Apply(w.t.Context(), body, "test", w.newest().Number); err != nil {
		w.t.Fatal(err)
	}
}

// newest returns the newest version in the table.
func (w *world) newest() configuration.Version {
	w.t.Helper()
	versions, err := w.stored().Versions(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if len(versions) == 0 {
		return configuration.Version{}
	}
	return versions[0]
}

// configReads decides how the table answers when a function reads the
// configuration.
type configReads struct {
	how atomic.Int32
	n   atomic.Int32 // how many there were
}

const (
	readsSucceed = iota
	readsFail    // with status 500
	readsHang    // until the function gives up
)

// fail reports whether it has answered the request.
func (c *configReads) fail(w http.ResponseWriter, r *http.Request) bool {
	c.n.Add(1)
	switch c.how.Load() {
	case readsFail:
		w.WriteHeader(http.StatusInternalServerError)
	case readsHang:
		<-r.Context().Done()
	default:
		return false
	}
	return true
}
