package devstack

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"github.com/dcr-broker/dcr-broker/config"
	"github.com/dcr-broker/dcr-broker/internal/tool/walk"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// editing is a running stack whose configuration file a test edits.
type editing struct {
	*Stack
	t       *testing.T
	file    string
	tick    chan time.Time
	changes chan error
}

func edit(t *testing.T, body string) *editing {
	t.Helper()
	e := &editing{t: t, file: filepath.Join(t.TempDir(), "broker.json"), tick: make(chan time.Time), changes: make(chan error, 1)}
	must.WriteFile(t, e.file, []byte(body))
	var err error
	if e.Stack, err = Start(t.Context(), Options{Configuration: e.file, tick: e.tick, Changed: func(err error) { e.changes <- err }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// write writes the file, and returns what the stack reports at its next look. The
// stack may be looking, so the file is replaced at once.
func (e *editing) write(body string) error {
	must.WriteFile(e.t, e.file+".new", []byte(body))
	if err := os.Rename(e.file+".new", e.file); err != nil {
		e.t.Fatal(err)
	}
	e.tick <- time.Time{}
	return <-e.changes
}

// look lets the stack look at the file, which has not changed.
func (e *editing) look() {
	e.t.Helper()
	e.tick <- time.Time{}
	e.tick <- time.Time{} // received after the look before has ended
	select {
	case err := <-e.changes:
		e.t.Errorf("reported %v, want nothing: the file has not changed", err)
	default:
	}
}

// scopes returns the scopes in the broker's metadata.
func (e *editing) scopes() []string {
	e.t.Helper()
	res, err := http.Get(e.Issuer + "/.well-known/oauth-authorization-server")
	if err != nil {
		e.t.Fatal(err)
	}
	defer res.Body.Close()
	var doc struct {
		Scopes []string `json:"scopes_supported"`
	}
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil || res.StatusCode != http.StatusOK {
		e.t.Fatalf("metadata: %s, %v", res.Status, err)
	}
	return doc.Scopes
}

// A change of the file is in force when it is reported. While the file has
// faults, the last good configuration stays.
func TestFileIsWatched(t *testing.T) {
	good := string(config.Example())
	more := strings.Replace(good, `{ "name": "openid" },`, `{ "name": "openid" }, { "name": "notes/read" },`, 1)
	e := edit(t, good)
	before := []string{"mcp/read", "mcp/write"}
	after := []string{"mcp/read", "mcp/write", "notes/read"}
	check := func(when string, want []string) {
		t.Helper()
		got := e.scopes()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: scopes are %q, want %q", when, got, want)
		}
	}
	check("at the start", before)
	e.look()

	if err := e.write(more); err != nil {
		t.Errorf("a good document: %v", err)
	}
	check("after a change", after)
	e.look()

	for _, bad := range []string{"{", strings.Replace(good, `"open_registration": "open"`, `"open_registration": "opne"`, 1)} {
		if err := e.write(bad); err == nil {
			t.Errorf("a document with faults is in force: %s", bad)
		}
		check("with faults", after)
		e.look()
	}
	if err := os.Remove(e.file); err != nil {
		t.Fatal(err)
	}
	e.tick <- time.Time{}
	if err := <-e.changes; err == nil {
		t.Error("no error for a file that is gone")
	}
	check("without a file", after)
	e.look()

	if err := e.write(more); err != nil {
		t.Errorf("the file of before: %v", err)
	}
	check("the file of before", after)
	if err := e.write(good); err != nil {
		t.Errorf("the first file: %v", err)
	}
	check("the first file", before)
}

// A scope that the file gets exists at the local Cognito at once, and the app
// clients of the profiles have it. Then a client can get a token with it.
func TestNewScopeReachesCognito(t *testing.T) {
	e := edit(t, strings.Replace(string(config.Example()), "mcp/write", "mcp/delete", 1))
	connect := func() error {
		_, err := walk.Run(t.Context(), &strings.Builder{}, walk.Options{MCP: e.MCP, Username: Username, Password: Password})
		return err
	}
	if err := connect(); err == nil {
		t.Fatal("the walk needs mcp/write, and succeeds without")
	}
	if err := e.write(string(config.Example())); err != nil {
		t.Fatal(err)
	}
	api := cip.NewFromConfig(emulatedAWS(e.Cognito))
	list, err := api.ListUserPoolClients(t.Context(), &cip.ListUserPoolClientsInput{UserPoolId: aws.String(poolID)})
	if err != nil || len(list.UserPoolClients) != 1 {
		t.Fatalf("app clients %v, %v, want the one of the profile open", list, err)
	}
	app, err := api.DescribeUserPoolClient(t.Context(), &cip.DescribeUserPoolClientInput{UserPoolId: aws.String(poolID), ClientId: list.UserPoolClients[0].ClientId})
	if err != nil || !slices.Contains(app.UserPoolClient.AllowedOAuthScopes, "mcp/write") {
		t.Errorf("the app client has %q, %v, want mcp/write too", app.UserPoolClient.AllowedOAuthScopes, err)
	}
}

// Whether Cognito binds tokens can change too; then the sample MCP server asks
// for tokens that are bound to it.
func TestSampleServerFollowsTheBinding(t *testing.T) {
	e := edit(t, with(`"resource_binding":false`))
	for _, binding := range []string{"false", "true", "false"} {
		if err := e.write(with(`"resource_binding":` + binding + `,"support_contact":"mailto:` + binding + `@example.com"`)); err != nil {
			t.Fatal(err)
		}
		var report strings.Builder
		if _, err := walk.Run(t.Context(), &report, walk.Options{MCP: e.MCP, Username: Username, Password: Password}); err != nil {
			t.Errorf("resource_binding %s: %v\n%s", binding, err, report.String())
		}
	}
}
