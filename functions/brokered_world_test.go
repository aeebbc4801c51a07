package functions

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/test/lambdaruntime"
	"github.com/dcr-broker/dcr-broker/test/permissions"
)

const (
	provisionFunction = "dcr-provision"
	// asking and askingSecret are what the MCP server asks about tokens with.
	asking       = "notes"
	askingSecret = "example-introspection-secret"
)

// newBrokeredWorld is newWorld for brokered mode.
func newBrokeredWorld(t *testing.T, endpoint string) *world {
	t.Helper()
	return brokeredWorldAround(t, endpoint, nil)
}

func brokeredWorldAround(t *testing.T, endpoint string, change func(*emulator.Config, string)) *world {
	t.Helper()
	w := worldAround(t, endpoint, change)
	logo, err := filepath.Abs(filepath.Join("testdata", "logo.svg"))
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(keys, seal.Generate(), 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(askingSecret))
	maps.Copy(w.env, map[string]string{
		"AUTHORIZATION":         "", // brokered is the default
		"KEYS":                  keys,
		"PROVISION_FUNCTION":    provisionFunction,
		"SCOPE_DESCRIPTIONS":    `{"mcp/read":"Read your notes"}`,
		"BRAND_NAME":            "Example Notes",
		"BRAND_LOGO":            logo,
		"INTROSPECTION_CLIENTS": fmt.Sprintf(`[{"id":%q,"secret_sha256":%q,"resource":"https://mcp.example.com/mcp"}]`, asking, hex.EncodeToString(sum[:])),
	})
	w.secrets = append(w.secrets, askingSecret)
	return w
}

// control is the user pool, and who called its API for what.
type control struct {
	pool   http.Handler
	record func(function, action, resource string)

	// echo makes every answer one that repeats what was sent.
	echo atomic.Int32

	mu    sync.Mutex
	calls map[string]map[string]int // by caller and operation
}

func (c *control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if how := c.echo.Load(); how != noEcho {
		echo(w, r, how)
		return
	}
	if op, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AWSCognitoIdentityProviderService."); ok {
		c.mu.Lock()
		if c.calls == nil {
			c.calls = make(map[string]map[string]int)
		}
		who := caller(r)
		if c.calls[who] == nil {
			c.calls[who] = make(map[string]int)
		}
		c.calls[who][op]++
		c.mu.Unlock()
		c.record(who, "cognito-idp:"+op, permissions.Pool)
	}
	c.pool.ServeHTTP(w, r)
}

// What echo does.
const (
	noEcho      = iota
	echoRefusal // in OAuth's form and that of the API
	echoFailure // a text with status 500
	echoNoJSON  // JSON that is cut off, with status 200
	echoes
)

// echo answers a request with the whole of it.
func echo(w http.ResponseWriter, r *http.Request, how int32) {
	body, _ := io.ReadAll(r.Body)
	sent := fmt.Sprintf("%s %s %q %s", r.Method, r.URL, r.Header, body)
	switch how {
	case echoRefusal:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]string{
			"error": "invalid_request", "error_description": sent, "__type": "InvalidParameterException", "message": sent,
		})
	case echoFailure:
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, sent)
	case echoNoJSON:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"a","refresh_token":%q`, sent)
	}
}

// by returns what the function has called since the last time.
func (c *control) by(function string) map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls[function]
	delete(c.calls, function)
	return calls
}

// others returns who has called anything that by has not returned.
func (c *control) others() map[string]map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.calls)
}

var credentialPattern = regexp.MustCompile(`Credential=([^/]+)/`)

// caller is whose credentials signed the request. In these tests a function's
// access key id is its name.
func caller(r *http.Request) string {
	m := credentialPattern.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return "nobody"
	}
	return m[1]
}

// invocations is Lambda's API as far as Invoke goes, in front of functions that
// run here.
type invocations struct {
	t      *testing.T
	record func(function, action, resource string)

	mu        sync.Mutex
	functions map[string]*lambdaruntime.Function
	made      []string // caller, function and payload of each
}

func newInvocations(w *world) *invocations {
	i := &invocations{t: w.t, record: w.record, functions: make(map[string]*lambdaruntime.Function)}
	srv := httptest.NewServer(i)
	w.t.Cleanup(srv.Close)
	w.env["LAMBDA_ENDPOINT"] = srv.URL
	return i
}

// deploy makes f what answers under the name from now on.
func (i *invocations) deploy(name string, f *lambdaruntime.Function) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.functions[name] = f
}

// taken returns the invocations since the last time.
func (i *invocations) taken() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	made := i.made
	i.made = nil
	return made
}

func (i *invocations) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, "/2015-03-31/functions/")
	name, isInvoke := strings.CutSuffix(name, "/invocations")
	payload, err := io.ReadAll(r.Body)
	if !ok || !isInvoke || r.Method != http.MethodPost || err != nil {
		i.t.Errorf("%s %s: Invoke is all that there is of Lambda's API (%v)", r.Method, r.URL, err)
		http.Error(w, "{}", http.StatusBadRequest)
		return
	}
	i.mu.Lock()
	f := i.functions[name]
	i.made = append(i.made, fmt.Sprintf("%s invokes %s with %s", caller(r), name, payload))
	i.mu.Unlock()
	if name == provisionFunction {
		i.record(caller(r), "lambda:InvokeFunction", permissions.Provision)
	}
	w.Header().Set("Content-Type", "application/json")
	if f == nil {
		w.Header().Set("X-Amzn-Errortype", "ResourceNotFoundException")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"Type":"User","Message":"Function not found"}`)
		return
	}
	out, err := f.Invoke(r.Context(), payload)
	if e, failed := errors.AsType[*lambdaruntime.Error](err); failed {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		if out, err = json.Marshal(e); err != nil {
			i.t.Error(err)
		}
	} else if err != nil {
		i.t.Errorf("%s: %v", name, err)
	}
	w.Write(out)
}

// cookie is the one that ties a transaction to the browser.
var cookie = regexp.MustCompile(`^(?:__Host-)?dcr_tx=([\w-]{43});`)

// takeTransaction learns the cookie of a transaction and the state in it, and
// where to sign in.
func takeTransaction(w *world, a *lambdaruntime.Answer) {
	w.t.Helper()
	m := cookie.FindStringSubmatch(a.Header.Get("Set-Cookie"))
	to, err := url.Parse(a.Header.Get("Location"))
	if err != nil || m == nil {
		w.t.Fatalf("%d with Location %q (%v) and Set-Cookie %q: %s", a.Status, to, err, a.Header.Values("Set-Cookie"), a.Body)
	}
	w.know(exampleCookie, m[1])
	w.know(exampleState, to.Query().Get("state"))
	w.signInAt = to
}

// signInThere signs in where the authorization endpoint has led to.
func (w *world) signInThere() {
	w.t.Helper()
	back, err := emulator.NewBrowser().SignIn(w.t.Context(), w.pool+w.signInAt.RequestURI(), username, password)
	if err != nil {
		w.t.Fatal(err)
	}
	w.know(exampleCode, back.Query().Get("code"))
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// takeCSRF learns the token in the form of the consent page.
func takeCSRF(w *world, a *lambdaruntime.Answer) {
	w.t.Helper()
	m := csrfField.FindStringSubmatch(string(a.Body))
	if m == nil {
		w.t.Fatalf("%d without a form: %s", a.Status, a.Body)
	}
	w.know(exampleCSRF, m[1])
}

var refresh = regexp.MustCompile(`<meta http-equiv="refresh" content="0; url=([^"]+)">`)

// goesOnTo is where a page goes on to by itself.
func goesOnTo(a *lambdaruntime.Answer) (*url.URL, error) {
	m := refresh.FindStringSubmatch(string(a.Body))
	if m == nil {
		return nil, fmt.Errorf("%d and no page that goes on by itself: %s", a.Status, a.Body)
	}
	return url.Parse(html.UnescapeString(m[1]))
}

// takeCode learns the code with which the page goes on to the client.
func takeCode(w *world, a *lambdaruntime.Answer) {
	w.t.Helper()
	to, err := goesOnTo(a)
	if err != nil {
		w.t.Fatal(err)
	}
	w.know(exampleCode, to.Query().Get("code"))
}
