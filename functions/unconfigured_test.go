package functions

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// trouble is a reason why a function cannot read a configuration.
type trouble struct {
	name  string
	begin func(*deployment)
	end   func(*deployment)
	// says matches the reason in the log.
	says string
}

// storedAgain ends a trouble in the table.
func storedAgain(d *deployment) {
	d.remove("head")
	d.configure()
}

var troubles = []trouble{
	{"a table without a document", func(d *deployment) { d.remove("head") }, storedAgain, "no configuration yet"},
	{"a document of a newer schema only", func(d *deployment) {
		d.remove("head")
		d.appendNewer()
	}, storedAgain, "schema"},
	{"a body that is gone", func(d *deployment) {
		d.remove("head")
		d.configureLarge()
		d.remove(documentID(d.newest()))
	}, storedAgain, "gone"},
	{"a table that fails", func(d *deployment) { d.reads.how.Store(readsFail) }, func(d *deployment) { d.reads.how.Store(readsSucceed) }, "500|deadline exceeded"},
	{"a table that does not answer", func(d *deployment) { d.reads.how.Store(readsHang) }, func(d *deployment) { d.reads.how.Store(readsSucceed) }, "deadline exceeded"},
}

// large is the size of a document of which the head has no copy.
const large = 8 << 10

// configureLarge stores the document with so many spaces that the head has no copy
// of it.
func (d *deployment) configureLarge() {
	d.tb().Helper()
	d.padding = strings.Repeat(" ", large)
	d.configure()
	d.padding = ""
}

// documentID is the id of the item that has the document of a version.
func documentID(v configuration.Version) string { return fmt.Sprintf("%d#%s", v.Number, v.Digest) }

// remove removes an item of the configuration.
func (d *deployment) remove(id string) {
	t := d.tb()
	t.Helper()
	if _, err := wire.DynamoDB(d.config(), d.sdk()).DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
		TableName: aws.String(d.env["TABLE_NAME"]),
		Key:       map[string]types.AttributeValue{records.ColumnKey: &types.AttributeValueMemberS{Value: "config#" + id}},
	}); err != nil {
		t.Fatal(err)
	}
}

// appendNewer stores a document as a later release of dcrctl does.
func (d *deployment) appendNewer() {
	t := d.tb()
	t.Helper()
	body := must.Marshal(t, object{"version": configuration.SchemaVersion + 1, "unheard_of": true})
	v := configuration.Version{
		Number: d.newest().Number + 1, Schema: configuration.SchemaVersion + 1, Digest: configuration.Digest(body), By: "test", At: time.Now(),
	}
	if err := d.stored().Append(t.Context(), v, body); err != nil {
		t.Fatal(err)
	}
}

// A function that has no configuration answers 503, and says why in its log. What
// needs no configuration works. As soon as there is a configuration, the same
// process works.
func TestWithoutConfiguration(t *testing.T) {
	t.Parallel()
	d := deployWith(t, 10, func(w *world) {
		w.moveClock()
		w.document["profiles"].(object)["spare"] = w.profile("open") // has no app client yet
	})
	open := d.register(publicMetadata, "http://127.0.0.1:40001/callback", "")
	machine := d.machine()
	for _, trouble := range troubles {
		t.Run(trouble.name, func(t *testing.T) {
			trouble.begin(d)
			d.start()
			d.checkUnconfigured(t, open, machine)
			trouble.end(d)
			d.later(10 * time.Second) // as Retry-After says
			d.checkFlow(t)
			for name, f := range d.all {
				if f.Starts() > 1 {
					t.Errorf("%s: %d processes, want 1", name, f.Starts())
				}
				f.Close() // after which the log is complete
				logs := f.Logs()
				if n := errorsIn(t, logs, "configuration"); n != 1 || !regexp.MustCompile(trouble.says).MatchString(logs) {
					t.Errorf("%s logged %d errors about the configuration, want one, which says %s:\n%s", name, n, trouble.says, logs)
				}
			}
		})
	}
	d.finishUncounted()
}

// The functions of direct mode answer in the same way, but for token, which needs
// no configuration.
func TestWithoutConfigurationInDirectMode(t *testing.T) {
	t.Parallel()
	d := deployDirectWith(t, (*world).moveClock)
	machine := d.machine()
	d.remove("head")
	d.start()
	client := &http.Client{Transport: d.transport}
	for _, tt := range []struct {
		method, path  string
		body          any
		authorization string
		status, after int // with a configuration again
	}{
		{"GET", "/.well-known/oauth-authorization-server", nil, "", 503, 200},
		{"POST", "/register", strings.Replace(publicMetadata, "{", `{"redirect_uris":["http://127.0.0.1/callback"],`, 1), "", 503, 201},
		// Cognito binds no resource to a token of client_credentials, so the request
		// needs no configuration.
		{"POST", "/token", url.Values{"grant_type": {"client_credentials"}, "resource": {mcpServer}}, basic(machine.id, machine.secret), 200, 200},
		{"OPTIONS", "/token", nil, "", 204, 204},
		{"GET", "/unknown", nil, "", 404, 404},
	} {
		a := d.send(client, tt.method, tt.path, tt.body, tt.authorization)
		if retry := a.Header.Get("Retry-After"); a.Status != tt.status || (retry != "") != (tt.status == 503) {
			t.Errorf("%s %s = %d, Retry-After %q, %s; want %d", tt.method, tt.path, a.Status, retry, a.Body, tt.status)
		}
		if tt.status == 503 {
			d.configure()
			d.later(10 * time.Second)
		}
		if a := d.send(client, tt.method, tt.path, tt.body, tt.authorization); a.Status != tt.after {
			t.Errorf("%s %s with a configuration = %d %s, want %d", tt.method, tt.path, a.Status, a.Body, tt.after)
		}
		if tt.status == 503 {
			d.remove("head")
			d.start()
		}
	}
	if out, err := d.all["janitor"].Invoke(t.Context(), []byte(`{}`)); err == nil {
		t.Errorf("janitor = %s, want an error, so that the alarm sees it", out)
	}
}

// machine registers a client that signs nobody in.
func (d *deployment) machine() registration {
	got := d.call("POST", "/register", machineMetadata, "Bearer "+d.initial, http.StatusCreated)
	return registration{id: text(got, "client_id"), secret: text(got, "client_secret"), management: text(got, "registration_access_token")}
}

// checkUnconfigured checks what each function answers if it has no configuration.
func (d *deployment) checkUnconfigured(t *testing.T, open, machine registration) {
	t.Helper()
	client := d.browser().Client
	for _, tt := range []struct {
		method, path  string
		body          any
		authorization string
		status        int
		page          bool
	}{
		{"GET", "/.well-known/oauth-authorization-server", nil, "", 503, false},
		{"GET", "/.well-known/openid-configuration", nil, "", 503, false},
		{"GET", "/.well-known/oauth-protected-resource/mcp", nil, "", 503, false},
		{"POST", "/register", strings.Replace(publicMetadata, "{", `{"redirect_uris":["http://127.0.0.1/callback"],`, 1), "", 503, false},
		{"GET", open.authorizePath(), nil, "", 503, true},
		{"POST", "/token", url.Values{"grant_type": {"client_credentials"}}, basic(machine.id, machine.secret), 503, false},
		{"POST", "/introspect", url.Values{"token": {"x"}}, basic(introspectionID, introspectionSecret), 503, false},

		{"OPTIONS", "/.well-known/oauth-authorization-server", nil, "", 204, false},
		{"OPTIONS", "/register", nil, "", 204, false},
		{"OPTIONS", "/token", nil, "", 204, false},
		{"GET", "/unknown", nil, "", 404, false},
		{"POST", "/.well-known/unknown", nil, "", 404, false},
		{"GET", "/assets/unknown.css", nil, "", 404, false},
		{"DELETE", "/token", nil, "", 405, false},
	} {
		a := d.send(client, tt.method, tt.path, tt.body, tt.authorization)
		retry := a.Header.Get("Retry-After")
		if a.Status != tt.status || (retry != "") != (tt.status == 503) || tt.status == 503 && isPage(a) != tt.page {
			t.Errorf("%s %.60s = %d, Retry-After %q, %s; want %d, a page: %t", tt.method, tt.path, a.Status, retry, a.Body, tt.status, tt.page)
		}
		for _, cause := range []string{"config", "dynamo", "schema", "deadline"} {
			if strings.Contains(strings.ToLower(string(a.Body)), cause) {
				t.Errorf("%s %.60s: the answer says why: %s", tt.method, tt.path, a.Body)
			}
		}
	}
	out, err := d.all["provision"].Invoke(t.Context(), []byte(`{"key":"profile/spare"}`))
	if want := `{"status":"unavailable","description":"the broker is not ready","retry_after_seconds":10}`; err != nil || string(out) != want {
		t.Errorf("provision = %s, %v, want %s", out, err, want)
	}
	if out, err := d.all["janitor"].Invoke(t.Context(), []byte(`{}`)); err == nil {
		t.Errorf("janitor = %s, want an error, so that the alarm sees it", out)
	}
}

// checkFlow uses every function once: a client registers, gets tokens with a
// user's consent, and a machine with a new app client gets one too.
func (d *deployment) checkFlow(t *testing.T) {
	t.Helper()
	if a := d.send(d.browser().Client, "GET", "/.well-known/oauth-protected-resource/mcp", nil, ""); a.Status != http.StatusOK {
		t.Errorf("the metadata of the MCP server: %d %s", a.Status, a.Body)
	}
	r := d.register(publicMetadata, "http://127.0.0.1:40001/callback", "")
	b := d.browser()
	_, at := d.begin(b, r)
	tok := d.tokens(r, d.consent(b, r, at).Get("code"))
	if !d.active(text(tok, "access_token")) {
		t.Error("the access token is not active")
	}
	m := d.machine()
	d.token(m, http.StatusOK, url.Values{"grant_type": {"client_credentials"}})
	d.call("DELETE", "/register/"+m.id, nil, "Bearer "+m.management, http.StatusNoContent)
	if done := d.janitor(t); done.Failed > 0 || done.Removed != 1 {
		t.Errorf("the janitor did %+v, want one app client removed", done)
	}
}

// errorsIn returns how many lines of the level ERROR have the text.
func errorsIn(t *testing.T, logs, text string) int {
	t.Helper()
	n := 0
	for line := range strings.Lines(logs) {
		var l struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Errorf("%v in %s", err, line)
		}
		if l.Level == "ERROR" && strings.Contains(l.Msg, text) {
			n++
		}
	}
	return n
}
