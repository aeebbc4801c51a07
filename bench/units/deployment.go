package units

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/test/lambdaruntime"
	"github.com/dcr-broker/dcr-broker/test/meter"
)

const (
	issuer  = "https://auth.example.com"
	cognito = "https://example.auth.us-east-1.amazoncognito.com"
	poolID  = "us-east-1_local00001"

	mcpServer           = "https://mcp.example.com/mcp"
	introspectionID     = "notes"
	introspectionSecret = "example-introspection-secret"
	provisionFunction   = "dcr-provision"
)

// deployment is a complete broker of a build: its functions as processes, a table
// of its own behind a meter, and a local Cognito. The methods do nothing once one
// has failed, and err is the reason.
type deployment struct {
	ctx   context.Context
	build *build
	env   map[string]string
	meter *meter.Proxy
	pool  *emulator.Cognito
	calls io.Writer
	dir   string // of temporary files
	stops []func()

	ahead atomic.Int64 // how far the programs' clock is ahead, in nanoseconds

	mu        sync.Mutex
	functions map[string]*lambdaruntime.Function

	rows []row
	err  error
}

// deploy starts a deployment in a mode with these profiles, and stores its
// configuration as an operator does.
func deploy(ctx context.Context, b *build, mode, profiles, endpoint string) (_ *deployment, err error) {
	d := &deployment{ctx: ctx, build: b, meter: meter.New(endpoint), functions: make(map[string]*lambdaruntime.Function)}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.dir, err = os.MkdirTemp("", "units"); err != nil {
		return nil, err
	}
	d.stops = append(d.stops, func() { os.RemoveAll(d.dir) })
	d.setClock(began)
	login := 2
	if mode == "direct" {
		login = 1 // with managed login an app client needs a branding style, which direct mode does not create
	}
	d.pool, err = emulator.New(emulator.Config{
		BaseURL: cognito, PoolID: poolID, Users: users(), ManagedLogin: login, NoRateLimit: true, Now: d.now,
		ResourceServers: []emulator.ResourceServer{{Identifier: "mcp", Scopes: []string{"read", "write"}}},
	})
	if err != nil {
		return nil, err
	}
	pool, table := d.serve(http.HandlerFunc(d.cognito)), "units-"+credential.NewID()
	keys := filepath.Join(d.dir, "keys.json")
	if err := os.WriteFile(keys, seal.Generate(), 0o600); err != nil {
		return nil, err
	}
	d.env = map[string]string{
		"AWS_REGION":            "us-east-1",
		"AWS_ACCESS_KEY_ID":     "local",
		"AWS_SECRET_ACCESS_KEY": "local",
		"AWS_CONFIG_FILE":       os.DevNull, // dcrctl would read it
		"ISSUER":                issuer,
		"AUTHORIZATION":         mode,
		"USER_POOL_ID":          poolID,
		"COGNITO_ISSUER":        d.pool.Issuer(),
		"COGNITO_DOMAIN":        cognito,
		"COGNITO_BACK_CHANNEL":  pool,
		"COGNITO_ENDPOINT":      pool,
		"COGNITO_DISCOVERY":     pool + "/" + poolID + "/.well-known/openid-configuration",
		"TABLE_NAME":            table,
		"DYNAMODB_ENDPOINT":     d.serve(d.meter),
		"DEPLOYMENT_ID":         "units",
		"LOG_LEVEL":             "info",
		"KEYS":                  keys,
		"PROVISION_FUNCTION":    provisionFunction,
		"LAMBDA_ENDPOINT":       d.serve(http.HandlerFunc(d.invoke)),
		"LOGIN_VERSION":         fmt.Sprint(login),
	}
	if err := d.createTable(endpoint, table); err != nil {
		return nil, err
	}
	file := filepath.Join(d.dir, "broker.json")
	if err := os.WriteFile(file, document(profiles, login == 2), 0o600); err != nil {
		return nil, err
	}
	d.dcrctl("config", "apply", file, "--yes")
	return d, d.err
}

// document returns the configuration with these profiles. bound is whether Cognito
// binds tokens to the MCP server.
func document(profiles string, bound bool) []byte {
	secret := sha256.Sum256([]byte(introspectionSecret))
	return fmt.Appendf(nil, `{"version":1,"scopes":[{"name":"openid"},{"name":"email"},{"name":"mcp/read"},{"name":"mcp/write"}],
		"protected_resources":[{"resource":%q,"scopes":["mcp/read","mcp/write"],"name":"Example MCP server",
			"introspection_clients":[{"id":%q,"secret_sha256":%q}]}],
		"resource_binding":%t,"open_registration":"open","profiles":%s}`, mcpServer, introspectionID, hex.EncodeToString(secret[:]), bound, profiles)
}

// users are alice and others, each in ten groups: Cognito's tokens are about 5 KB
// together.
func users() []emulator.User {
	var groups []string
	for i := range 10 {
		groups = append(groups, fmt.Sprintf("example-corp-engineering-team-%02d", i+1))
	}
	var all []emulator.User
	for i, name := range []string{"alice", "bob", "carol", "dave"} {
		all = append(all, emulator.User{
			Name: name, Password: password, Email: name + "@example.com", Groups: groups, Sub: fmt.Sprintf("c0ffee00-0000-4000-8000-%012d", i+1),
		})
	}
	return all
}

func (d *deployment) serve(h http.Handler) (origin string) {
	srv := httptest.NewServer(h)
	d.stops = append(d.stops, srv.Close)
	return srv.URL
}

func (d *deployment) close() {
	d.restart()
	for _, stop := range slices.Backward(d.stops) {
		stop()
	}
}

func (d *deployment) createTable(endpoint, name string) error {
	table, err := d.build.table()
	if err != nil {
		return err
	}
	in, err := encodeTable(table, name)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(d.ctx, http.MethodPost, endpoint, bytes.NewReader(in))
	if err != nil {
		return err
	}
	req.Header.Set("X-Amz-Target", "DynamoDB_20120810.CreateTable")
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	// Emulators read the region from the signature, and do not check it.
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=local/20350101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if out, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("create the table: %s %s %w", res.Status, out, err)
	}
	return nil
}

// now is the time on the programs' clock.
func (d *deployment) now() time.Time { return time.Now().Add(time.Duration(d.ahead.Load())) }

// setClock sets the programs' clock, and ends the processes, which read it when
// they start.
func (d *deployment) setClock(to time.Time) {
	d.ahead.Store(int64(time.Until(to).Truncate(time.Second)))
	d.restart()
}

// later is setClock to a time after the deployment began.
func (d *deployment) later(by time.Duration) { d.setClock(began.Add(by)) }

// restart ends the processes of all functions. Their next invocation starts new
// ones, which remember nothing.
func (d *deployment) restart() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.functions {
		f.Close()
	}
	clear(d.functions)
}

// function returns a running function.
func (d *deployment) function(name string) (*lambdaruntime.Function, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.functions[name]; f != nil {
		return f, nil
	}
	f, err := lambdaruntime.New(lambdaruntime.Config{
		Bootstrap: d.build.bootstrap(name), Env: d.environ(), Timeout: time.Minute, InitTimeout: time.Minute, Ahead: time.Duration(d.ahead.Load()),
	})
	if err == nil {
		d.functions[name] = f
	}
	return f, err
}

func (d *deployment) environ() []string {
	env := []string{clockVariable + "=" + inSeconds(time.Duration(d.ahead.Load()))}
	for _, name := range slices.Sorted(maps.Keys(d.env)) {
		env = append(env, name+"="+d.env[name])
	}
	return env
}

// invoke is the operation Invoke of Lambda's API for the provision function.
func (d *deployment) invoke(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if !strings.HasSuffix(r.URL.Path, "/functions/"+provisionFunction+"/invocations") {
		http.Error(w, "{}", http.StatusNotFound)
		return
	}
	f, err := d.function("provision")
	if err == nil {
		payload, err = f.Invoke(r.Context(), payload)
	}
	if err != nil {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		payload = []byte("{}")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(payload)
}

// cognito serves the functions' requests for Cognito. Its API answers in the next
// second: a due time that a function counts from now then always changes in
// between, as it does at the slow end of Cognito's answers. If it changed only
// sometimes, two runs would differ in writes to an index.
func (d *deployment) cognito(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Amz-Target") != "" {
		nextSecond()
	}
	d.pool.ServeHTTP(w, r)
}

// measure runs a flow from the beginning of a second and adds its cost to the
// rows.
func (d *deployment) measure(flow string, run func()) {
	if d.err != nil {
		return
	}
	nextSecond()
	d.meter.Take()
	run()
	if d.err != nil {
		return
	}
	// A process reads the configuration again whenever a minute has passed, which
	// may be within any flow. Those reads have rows of their own.
	calls := slices.DeleteFunc(d.meter.Take(), isConfiguration)
	d.add(flow, calls)
}

// measureConfiguration adds what the first request of a process reads of the
// configuration, and what it reads a minute later: the head, which lists the
// versions and has a copy of a small document.
func (d *deployment) measureConfiguration(request func()) {
	if d.err != nil {
		return
	}
	d.meter.Take()
	request()
	calls := slices.DeleteFunc(d.meter.Take(), func(c meter.Call) bool { return !isConfiguration(c) })
	if d.err == nil && len(calls) != 1 {
		d.err = fmt.Errorf("the configuration: %v, want a read of the head", calls)
	}
	if d.err != nil {
		return
	}
	mode := "configuration, "
	if d.env["AUTHORIZATION"] == "direct" {
		mode = "direct mode: configuration, "
	}
	d.add(mode+"first request of a process, and each minute later", calls)
}

func isConfiguration(c meter.Call) bool { return c.Kind == "config" }

func (d *deployment) add(flow string, calls []meter.Call) {
	d.rows = append(d.rows, row{flow, meter.Sum(calls)})
	fmt.Fprintf(d.calls, "%s\n", flow)
	for _, c := range calls {
		fmt.Fprintf(d.calls, "    %s\n", c)
	}
}

// dcrctl runs a command of an operator, and returns its output.
func (d *deployment) dcrctl(args ...string) string {
	if d.err != nil {
		return ""
	}
	cmd := exec.CommandContext(d.ctx, d.build.dcrctl(), args...)
	cmd.Env, cmd.Dir = d.environ(), d.dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		d.err = fmt.Errorf("dcrctl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(errs.Bytes()))
	}
	return strings.TrimSpace(string(out))
}

// sweep runs the janitor as its schedule does. expired is the number of clients
// that it has to remove.
func (d *deployment) sweep(expired int) {
	if d.err != nil {
		return
	}
	var done struct{ Expired, Failed int }
	f, err := d.function("janitor")
	if err == nil {
		var out []byte
		if out, err = f.Invoke(d.ctx, []byte(`{"detail-type":"Scheduled Event"}`)); err == nil {
			err = json.Unmarshal(out, &done)
		}
	}
	switch {
	case err != nil:
		d.err = fmt.Errorf("sweep: %w", err)
	case done.Expired != expired || done.Failed > 0:
		d.err = fmt.Errorf("sweep: %d clients expired and %d failures, want %d and none: %s", done.Expired, done.Failed, expired, f.Logs())
	}
}
