package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/authorize"
	"github.com/dcr-broker/dcr-broker/internal/wire/provision"
	wireregister "github.com/dcr-broker/dcr-broker/internal/wire/register"
	"github.com/dcr-broker/dcr-broker/internal/wire/token"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// batch is the number of requests prepared at a time if each can be sent only
// once, such as a request with a code.
const batch = 64

// Placeholders in the events for values that only a running broker has.
const (
	exampleName    = "Example client"
	exampleClient  = "1example23456789abcdefghij"
	exampleCode    = "00000000-0000-4000-8000-000000000000"
	exampleRefresh = "example-refresh-token"
	exampleAccess  = "example-access-token"
	exampleID      = "exampleidexample"
	exampleCookie  = "examplecookieexamplecookieexamplecookiecook"
	exampleState   = "examplestateexamplestateexamplestateexampls"
	exampleCSRF    = "examplecsrfexamplecsrfexamplecsrfexamplecsk"
)

// brokeredEnvironment returns the environment of every function in brokered
// mode, with keys for KEYS.
func brokeredEnvironment(keys string) map[string]string {
	env := maps.Clone(functionEnv)
	maps.Copy(env, map[string]string{
		"AUTHORIZATION":      "brokered",
		"KEYS":               keys,
		"PROVISION_FUNCTION": "dcr-provision",
	})
	return env
}

// newBrokered returns the parts of a broker in brokered mode. It has read the
// keys from a temporary file.
func newBrokered() (*parts, error) {
	f, err := os.CreateTemp("", "bench-keys")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(seal.Generate())
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	p, err := newParts(brokeredEnvironment(f.Name()))
	if err != nil {
		return nil, err
	}
	_, err = p.Keys(context.Background())
	return p, err
}

// registeringFirst returns a broker that does not know any of a batch of
// clients.
func registeringFirst(string) (*deployment, error) {
	p, err := newBrokered()
	if err != nil {
		return nil, err
	}
	d := &deployment{handler: p.router, clock: p.clock}
	for i := range batch {
		d.examples = append(d.examples, map[string]string{exampleName: fmt.Sprintf("%s %02d", exampleName, i)})
	}
	return d, wireregister.Routes(p.router, p.Parts)
}

// registeringAgain returns a broker that has just registered the client.
func registeringAgain(root string) (*deployment, error) {
	p, err := newBrokered()
	if err != nil {
		return nil, err
	}
	// This clock does not move: a registration stays in memory for an hour.
	if err := wireregister.Routes(p.router, p.Parts); err != nil {
		return nil, err
	}
	d := &deployment{p.router, new(clock), asItIs}
	_, err = d.walk(root, "register-open", nil)
	return d, err
}

// authorizing returns a broker with all endpoints of brokered mode, and one
// client whose app client exists.
func authorizing(root string) (d *deployment, client map[string]string, err error) {
	p, err := newBrokered()
	if err != nil {
		return nil, nil, err
	}
	// Codes and tokens expire in real time.
	p.Store, p.Now, p.HTTP = memory.NewStore(time.Now), time.Now, &http.Client{Transport: pool()}
	provisioner, err := provision.NewIn(p.Parts, fake.NewPool())
	if err != nil {
		return nil, nil, err
	}
	p.Provisioner = provisioner
	for _, routes := range []func(*httpapi.Router, *wire.Parts) error{wireregister.Routes, authorize.Routes, token.Routes} {
		if err := routes(p.router, p.Parts); err != nil {
			return nil, nil, err
		}
	}
	d = &deployment{handler: p.router, clock: new(clock)}
	if client, err = d.walk(root, "register-open", nil); err == nil {
		_, err = d.walk(root, "authorize", client) // creates the app client
	}
	return d, client, err
}

// reusing returns a function that deploys a broker for a request that can be
// sent repeatedly, after all steps up to the given one.
func reusing(step string) func(string) (*deployment, error) {
	return func(root string) (*deployment, error) { return takenTo(root, step, 1) }
}

// spending is reusing for a request that can be sent once: a whole batch has
// taken the steps.
func spending(step string) func(string) (*deployment, error) {
	return func(root string) (*deployment, error) { return takenTo(root, step, batch) }
}

func takenTo(root, step string, times int) (*deployment, error) {
	d, client, err := authorizing(root)
	if err != nil {
		return nil, err
	}
	until := slices.IndexFunc(steps, func(s taken) bool { return s.event == step }) + 1
	for i := range times {
		known := maps.Clone(client)
		known[exampleCode] = poolCode(i)
		for _, s := range steps[1:until] {
			if known, err = d.walk(root, s.event, known); err != nil {
				return nil, err
			}
		}
		d.examples = append(d.examples, known)
	}
	return d, nil
}

// taken is a step of the flow; learn stores the values that later steps need.
type taken struct {
	event string
	learn func(known map[string]string, h http.Header, body []byte) error
}

var (
	cookiePattern = regexp.MustCompile(`^__Host-dcr_tx_([\w-]{16})=([\w-]+);`)
	csrfPattern   = regexp.MustCompile(`name="csrf" value="([^"]+)"`)
	onwardPattern = regexp.MustCompile(`<meta http-equiv="refresh" content="0; url=([^"]+)">`)
)

// steps are the steps of the flow, in order.
var steps = []taken{
	{"register-open", learnJSON(map[string]string{"client_id": exampleClient})},
	{"authorize", func(known map[string]string, h http.Header, _ []byte) error {
		to, err := url.Parse(h.Get("Location"))
		if err != nil {
			return err
		}
		known[exampleState] = to.Query().Get("state")
		m := cookiePattern.FindStringSubmatch(h.Get("Set-Cookie"))
		if m == nil {
			return fmt.Errorf("no cookie of a transaction")
		}
		known[exampleID], known[exampleCookie] = m[1], m[2]
		return nil
	}},
	{"callback", func(_ map[string]string, h http.Header, _ []byte) error {
		if to := h.Get("Location"); !strings.HasPrefix(to, "/consent?") { // a callback that failed is a redirect too
			return fmt.Errorf("leads to %s", to)
		}
		return nil
	}},
	{"consent", func(known map[string]string, _ http.Header, body []byte) error {
		return find(known, exampleCSRF, csrfPattern, body)
	}},
	{"decision", func(known map[string]string, _ http.Header, body []byte) error {
		if err := find(known, exampleCode, onwardPattern, body); err != nil {
			return err
		}
		to, err := url.Parse(html.UnescapeString(known[exampleCode]))
		if err != nil {
			return err
		}
		known[exampleCode] = to.Query().Get("code")
		return nil
	}},
	{"token-code", learnJSON(map[string]string{"refresh_token": exampleRefresh, "access_token": exampleAccess})},
}

func learnJSON(members map[string]string) func(map[string]string, http.Header, []byte) error {
	return func(known map[string]string, _ http.Header, body []byte) error {
		var answer map[string]any
		if err := json.Unmarshal(body, &answer); err != nil {
			return err
		}
		for member, example := range members {
			text, ok := answer[member].(string)
			if !ok {
				return fmt.Errorf("no %s", member)
			}
			known[example] = text
		}
		return nil
	}
}

func find(known map[string]string, example string, pattern *regexp.Regexp, in []byte) error {
	m := pattern.FindSubmatch(in)
	if m == nil {
		return fmt.Errorf("nothing like %s", pattern)
	}
	known[example] = string(m[1])
	return nil
}

// walk takes a step, and returns known with the values of its answer added.
func (d *deployment) walk(root, event string, known map[string]string) (map[string]string, error) {
	e, err := readEvent(root, event, known)
	if err != nil {
		return nil, err
	}
	r, body, err := httpRequest(e)
	if err != nil {
		return nil, err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	next := make(map[string]string)
	maps.Copy(next, known)
	step := steps[slices.IndexFunc(steps, func(s taken) bool { return s.event == event })]
	if err := step.learn(next, w.Header(), w.Body.Bytes()); err != nil || w.Code >= http.StatusBadRequest {
		return nil, fmt.Errorf("%s: %d %s: %w", event, w.Code, w.Body, err)
	}
	return next, nil
}
