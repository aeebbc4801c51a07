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
	// introspectionID and introspectionSecret are the MCP server's credentials
	// for introspection.
	introspectionID     = "notes"
	introspectionSecret = "example-introspection-secret"
)

// newBrokeredWorld is newWorld for brokered mode.
func newBrokeredWorld(t *testing.T, endpoint string) *world {
	t.Helper()
	return brokeredWorldAround(t, endpoint, nil)
}

func brokeredWorldAround(t *testing.T, endpoint string, change func(*emulator.Config, string)) *world {
	t.Helper()
	w := worldAround(t, endpoint, change)
	addBrokered(t, w.document)
	keys := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(keys, seal.Generate(), 0o600); err != nil {
		t.Fatal(err)
	}
	maps.Copy(w.env, map[string]string{
		"AUTHORIZATION":      "", // brokered is the default
		"KEYS":               keys,
		"PROVISION_FUNCTION": provisionFunction,
	})
	w.secrets = append(w.secrets, introspectionSecret)
	return w
}

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// control is the user pool with a record of the calls of its API.
type control struct {
	pool   http.Handler
	record func(function, action, resource string)

	// echo, unless it is noEcho, makes every answer repeat the request.
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
		function := caller(r)
		if c.calls[function] == nil {
			c.calls[function] = make(map[string]int)
		}
		c.calls[function][op]++
		c.mu.Unlock()
		c.record(function, "cognito-idp:"+op, permissions.Pool)
	}
	c.pool.ServeHTTP(w, r)
}

// The kinds of answers that repeat the request.
const (
	noEcho      = iota
	echoRefusal // an error of OAuth and of the API
	echoFailure // text with status 500
	echoNoJSON  // truncated JSON with status 200
	echoes      // the number of kinds
)

// echo answers a request with a copy of the request.
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

// callsOf returns and forgets the function's calls, by operation.
func (c *control) callsOf(function string) map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls[function]
	delete(c.calls, function)
	return calls
}

// remaining returns the calls that callsOf has not returned, by function and
// operation.
func (c *control) remaining() map[string]map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.calls)
}

var credentialPattern = regexp.MustCompile(`Credential=([^/]+)/`)

// caller returns the access key id that signed the request. In these tests a
// function's access key id is its name.
func caller(r *http.Request) string {
	m := credentialPattern.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return "unsigned"
	}
	return m[1]
}

// invocations is the operation Invoke of Lambda's API in front of local
// functions.
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

// deploy makes f the function of that name.
func (i *invocations) deploy(name string, f *lambdaruntime.Function) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.functions[name] = f
}

// recent returns and forgets the invocations.
func (i *invocations) recent() []string {
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
		i.t.Errorf("%s %s: only Invoke of Lambda's API is available (%v)", r.Method, r.URL, err)
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

// cookie matches the cookie that binds a transaction to the browser.
var cookie = regexp.MustCompile(`^(?:__Host-)?dcr_tx_([\w-]{16})=([\w-]{51});`)

// extractTransaction stores the ID, the cookie and the state of a transaction, and
// the URL of the sign-in page.
func extractTransaction(w *world, a *lambdaruntime.Answer) {
	w.t.Helper()
	m := cookie.FindStringSubmatch(a.Header.Get("Set-Cookie"))
	to, err := url.Parse(a.Header.Get("Location"))
	if err != nil || m == nil {
		w.t.Fatalf("%d with Location %q (%v) and Set-Cookie %q: %s", a.Status, to, err, a.Header.Values("Set-Cookie"), a.Body)
	}
	w.setReal(exampleID, m[1])
	w.setReal(exampleCookie, m[2])
	w.setReal(exampleState, to.Query().Get("state"))
	w.signInAt = to
}

// signInAtCognito signs in at the URL to which the authorization endpoint has
// redirected.
func (w *world) signInAtCognito() {
	w.t.Helper()
	back, err := emulator.NewBrowser().SignIn(w.t.Context(), w.pool+w.signInAt.RequestURI(), username, password)
	if err != nil {
		w.t.Fatal(err)
	}
	w.setReal(exampleCode, back.Query().Get("code"))
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// extractCSRF stores the CSRF token in the form of the consent page.
func extractCSRF(w *world, a *lambdaruntime.Answer) {
	w.t.Helper()
	m := csrfField.FindStringSubmatch(string(a.Body))
	if m == nil {
		w.t.Fatalf("%d without a form: %s", a.Status, a.Body)
	}
	w.setReal(exampleCSRF, m[1])
}

var refresh = regexp.MustCompile(`<meta http-equiv="refresh" content="0; url=([^"]+)">`)

// refreshTarget returns the URL to which a page refreshes.
func refreshTarget(a *lambdaruntime.Answer) (*url.URL, error) {
	m := refresh.FindStringSubmatch(string(a.Body))
	if m == nil {
		return nil, fmt.Errorf("%d without a page that refreshes: %s", a.Status, a.Body)
	}
	return url.Parse(html.UnescapeString(m[1]))
}

// extractCode stores the code that the page passes to the client.
func extractCode(w *world, a *lambdaruntime.Answer) {
	w.t.Helper()
	to, err := refreshTarget(a)
	if err != nil {
		w.t.Fatal(err)
	}
	w.setReal(exampleCode, to.Query().Get("code"))
}
