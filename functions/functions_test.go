package functions

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter"
	"github.com/dcr-broker/dcr-broker/test/dynamodbtest"
	"github.com/dcr-broker/dcr-broker/test/lambdaruntime"
)

// functionOf maps the routes of the HTTP API to functions. Most routes have all
// methods, because the function answers a request with a wrong method.
var functionOf = map[string]string{
	"ANY /register":             "register",
	"ANY /register/{client_id}": "register",
	"ANY /token":                "token",
	"ANY /revoke":               "token",
	"ANY /introspect":           "token",
	"ANY /authorize":            "authorize",
	"ANY /callback":             "authorize",
	"ANY /consent":              "authorize",
	"ANY /signed-out":           "authorize",
	"GET /assets/{proxy+}":      "authorize",
	"$default":                  "metadata",
}

// functionNames are the names of all functions.
var functionNames = []string{"register", "authorize", "token", "metadata", "provision", "janitor"}

// step sends an event. Later steps use the results of earlier ones.
type step struct {
	event string
	// as is the name of the golden answer. Default: event.
	as     string
	before func(*world)
	// learn maps a member of the answer to the example value that it replaces in
	// later events.
	learn map[string]string
	// extract does the same for values that are not in a member.
	extract func(*world, *lambdaruntime.Answer)
}

func (s step) golden() string { return cmp.Or(s.as, s.event) }

var steps = []step{
	{event: "register-open", learn: map[string]string{"client_id": exampleClient, "registration_access_token": exampleManagement}},
	{event: "register-initial-access-token", learn: map[string]string{"client_id": exampleMachine, "client_secret": exampleSecret}},
	{event: "register-unknown-token"},
	{event: "register-bad-redirect-uri"},
	{event: "register-not-json"},
	{event: "register-base64-body"},
	{event: "register-media-type"},
	{event: "register-oversize"},
	{event: "register-method"},
	{event: "register-head"},
	{event: "register-preflight"},

	{event: "token-code", before: (*world).signIn, learn: map[string]string{"refresh_token": exampleRefresh}},
	{event: "token-code-again"},
	{event: "token-refresh", learn: map[string]string{"refresh_token": exampleRefresh}},
	{event: "token-client-credentials"},
	{event: "token-plain-body"},
	{event: "token-repeated-parameter"},
	{event: "token-unknown-client"},
	{event: "token-two-authorizations"},
	{event: "token-bad-base64"},
	{event: "token-media-type"},
	{event: "token-oversize"},
	{event: "token-method"},
	{event: "token-preflight"},
	{event: "revoke"},
	{event: "revoke-unknown-client"},
	{event: "revoke-method"},

	{event: "manage-read"},
	{event: "manage-head"},
	{event: "manage-no-token"},
	{event: "manage-foreign-token"},
	{event: "manage-update", learn: map[string]string{"registration_access_token": exampleManagement}},
	{event: "manage-method"},
	{event: "manage-delete"},
	{event: "manage-deleted"},

	{event: "metadata-authorization-server", learn: map[string]string{"ETag": exampleETag}},
	{event: "metadata-openid-configuration"},
	{event: "metadata-protected-resource"},
	{event: "metadata-protected-resource-root"},
	{event: "metadata-protected-resource-unknown"},
	{event: "metadata-head"},
	{event: "metadata-not-modified"},
	{event: "metadata-accept"},
	{event: "metadata-cookies"},
	{event: "metadata-repeated-query"},
	{event: "metadata-preflight"},
	{event: "metadata-method"},
	{event: "metadata-misplaced"},

	{event: "unknown-root"},
	{event: "unknown-path"},
	{event: "unknown-post"},
	{event: "unknown-head"},
	{event: "path-percent"},
	{event: "path-question-mark"},
	{event: "path-question-mark-query"},
	{event: "path-number-sign"},
	{event: "path-nul"},
	{event: "path-dots"},
}

func TestEveryEventIsUsed(t *testing.T) {
	used, answered := make(map[string]bool), make(map[string]bool)
	for _, s := range slices.Concat(steps, brokeredSteps, privateSteps()) {
		if answered[s.golden()] {
			t.Errorf("two steps have the answer %s.golden", s.golden())
		}
		used[s.event], answered[s.golden()] = true, true
	}
	checkFiles(t, "../events/*.json", used, "no step sends it")
	checkFiles(t, "testdata/*.golden", answered, "no step has this answer")
}

// checkFiles checks that the files of the pattern have these names and no
// others. unused is the fault of any other file.
func checkFiles(t *testing.T, pattern string, names map[string]bool, unused string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), filepath.Ext(f))
		found[name] = true
		if !names[name] {
			t.Errorf("%s: %s", f, unused)
		}
	}
	for name := range names {
		if !found[name] {
			t.Errorf("there is no %s", strings.Replace(pattern, "*", name, 1))
		}
	}
}

// Each function answers all its events in one process.
func TestBootstrapsAnswerEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dynamodbtest.Endpoint(t))
	w.store()
	w.bootstrapsAnswer(steps, "register", "token")
}

// The metadata function needs no table if a file has the configuration, so this
// test runs without DynamoDB.
func TestMetadataAnswersEvents(t *testing.T) {
	t.Parallel()
	newWorld(t, "").bootstrapsAnswer(steps, "metadata")
}

// bootstrapsAnswer sends the steps to the named functions, and skips the steps of
// others.
func (w *world) bootstrapsAnswer(steps []step, names ...string) {
	t := w.t
	t.Helper()
	running := make(map[string]*lambdaruntime.Function)
	for _, name := range names {
		running[name] = w.function(name)
	}
	for _, s := range steps {
		e := w.event(s.event)
		name, ok := functionOf[e.RouteKey]
		if !ok || e.RouteKey != e.RequestContext.RouteKey {
			t.Errorf("%s: routeKey %q and %q, want one route of the API", s.event, e.RouteKey, e.RequestContext.RouteKey)
			continue
		}
		f := running[name]
		if f == nil {
			continue
		}
		t.Run(s.golden(), func(t *testing.T) {
			if s.before != nil {
				s.before(w)
			}
			out, err := f.Invoke(t.Context(), w.payload(s.event))
			if err != nil {
				t.Fatal(err)
			}
			a, err := lambdaruntime.ParseAnswer(out)
			if err != nil {
				t.Fatal(err)
			}
			checkRequestID(t, a, e.RequestContext.RequestID)
			w.learn(s, a)
			compare(t, s.golden(), a)
		})
	}

	for name, f := range running {
		f.Close()
		if f.Starts() != 1 {
			t.Errorf("%s: %d processes, want 1 for all events", name, f.Starts())
		}
		checkLogs(t, name, f.Logs(), w.hidden())
	}
}

// Under net/http the same handlers give the same answers.
func TestNetHTTPAnswersEvents(t *testing.T) {
	t.Parallel()
	newWorld(t, "").netHTTPAnswers(steps)
}

func (w *world) netHTTPAnswers(steps []step) {
	w.t.Helper()
	w.handlerAnswers(w.handler(), steps)
}

func (w *world) handlerAnswers(h http.Handler, steps []step) {
	t := w.t
	t.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close()
	client := adapter.WithoutRedirects(&http.Client{Transport: &http.Transport{DisableCompression: true}})
	for _, s := range steps {
		if s.event == "token-bad-base64" {
			continue // an HTTP request never becomes this event
		}
		t.Run(s.golden(), func(t *testing.T) {
			if s.before != nil {
				s.before(w)
			}
			req, err := lambdaruntime.Request(t.Context(), srv.URL, w.event(s.event))
			if err != nil {
				t.Fatal(err)
			}
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			a := &lambdaruntime.Answer{Status: res.StatusCode, Header: res.Header, Body: body}
			w.learn(s, a)
			compare(t, s.golden(), a)
		})
	}
}

// learn stores the values of the answer that later events need.
func (w *world) learn(s step, a *lambdaruntime.Answer) {
	w.t.Helper()
	var fields map[string]any
	if len(s.learn) > 0 {
		if err := json.Unmarshal(a.Body, &fields); err != nil {
			w.t.Fatalf("%s: %d %v in %q", s.event, a.Status, err, a.Body)
		}
	}
	for field, example := range s.learn {
		value, _ := fields[field].(string)
		if field == "ETag" {
			value = strings.Trim(a.Header.Get(field), `"`)
		}
		if value == "" && field == "refresh_token" {
			continue // the refresh token was not rotated
		}
		if value == "" {
			w.t.Fatalf("%s: %d without %s: %s", s.event, a.Status, field, a.Body)
		}
		w.setReal(example, value)
	}
	if s.extract != nil {
		s.extract(w, a)
	}
}

// built is the directory to which bootstraps builds.
var built string

// bootstraps builds the functions once, and returns their directory.
var bootstraps = sync.OnceValues(func() (string, error) {
	return built, build("..", built, "")
})

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	if built, err = os.MkdirTemp("", "bootstraps"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	if status == 0 && ranAllTests() {
		if err := checkRecorded(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}
	os.RemoveAll(built)
	os.Exit(status)
}

// ranAllTests reports whether this run of go test had all tests.
func ranAllTests() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list"} {
		if flag.Lookup(name).Value.String() != "" {
			return false
		}
	}
	return dynamodbtest.Available()
}

// build runs scripts/build.sh of the tree at root for this machine. If
// functions is "" it builds all.
func build(root, out, functions string) error {
	cmd := exec.Command(filepath.Join(root, "scripts", "build.sh"), out)
	cmd.Env = append(os.Environ(), "TARGET_OS="+runtime.GOOS, "ARCHS="+runtime.GOARCH, "FUNCTIONS="+functions)
	if b, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, b)
	}
	return nil
}

// function returns the function in the world's environment. It is not started.
func (w *world) function(name string) *lambdaruntime.Function {
	w.t.Helper()
	return start(w.t, name, w.functionEnv(name), 0)
}

// functionEnv returns the environment of a function.
func (w *world) functionEnv(name string) map[string]string {
	w.t.Helper()
	if w.env["DYNAMODB_ENDPOINT"] == "" {
		w.configure()
	}
	env := maps.Clone(w.env)
	env["AWS_ACCESS_KEY_ID"] = name // stands for the function's role
	if endpoint := env["DYNAMODB_ENDPOINT"]; endpoint != "" {
		env["DYNAMODB_ENDPOINT"] = w.dynamoDB(endpoint)
	}
	return env
}

func start(t *testing.T, name string, env map[string]string, timeout time.Duration) *lambdaruntime.Function {
	t.Helper()
	dir, err := bootstraps()
	if env[clockVariable] != "" {
		dir, err = timeless()
	}
	if err != nil {
		t.Fatal(err)
	}
	if timeout == 0 {
		timeout = 30 * time.Second // the machine may be busy
	}
	c := lambdaruntime.Config{Bootstrap: filepath.Join(dir, runtime.GOARCH, name, "bootstrap"), Timeout: timeout, InitTimeout: 30 * time.Second}
	for _, k := range slices.Sorted(maps.Keys(env)) {
		if env[k] != "" {
			c.Env = append(c.Env, k+"="+env[k])
		}
	}
	f, err := lambdaruntime.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}
