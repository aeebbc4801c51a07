package walk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/dcr-broker/dcr-broker/internal/tool/signin"
)

// journey is one walk, and the HTTP transport of the SDK's client. It
// recognizes the step of each exchange by its address, reports it and checks
// it. If a check fails, RoundTrip returns its error, so that the SDK stops.
type journey struct {
	opts Options
	out  *report
	base http.RoundTripper
	back *redirect

	outcome Outcome

	mu     sync.Mutex // held during an exchange, so that reports do not mix
	failed error      // the first failure

	// Results of the steps so far.
	metadataURL   string   // of the protected resource
	requiredScope string   // the scope in the challenge
	resource      resource // RFC 9728
	server        server   // RFC 8414
	client        client   // RFC 7591
	// registration is the exchange that registered the client; nil if it was
	// registered before the walk.
	registration *exchange
	request      url.Values // the authorization request
	code         string
	scope        []string // of the access token, from the token endpoint
	stepUp       stepUp

	browser   *signin.Browser
	consented bool // the current authorization has shown the consent page
}

// exchange is a request and its answer.
type exchange struct {
	req     *http.Request
	reqBody []byte
	res     *http.Response
	resBody []byte // nil if the answer is a stream of events
}

// maxBody limits an answer, in bytes.
const maxBody = 1 << 20

// RoundTrip implements http.RoundTripper.
func (j *journey) RoundTrip(req *http.Request) (*http.Response, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, j.failed
	}
	if res := j.cachedRegistration(req); res != nil {
		return res, nil
	}
	x, err := j.send(req)
	if err != nil {
		return nil, err
	}
	if err := j.stepOf(x)(x); err != nil {
		x.res.Body.Close()
		j.failed = j.out.at(err)
		return nil, j.failed
	}
	return x.res, nil
}

// send makes the exchange. It adds the initial access token to the
// registration, because the SDK has no option for it.
func (j *journey) send(req *http.Request) (*exchange, error) {
	x := &exchange{req: req.Clone(req.Context())}
	if req.Body != nil {
		var err error
		x.reqBody, err = io.ReadAll(req.Body)
		req.Body.Close()
		if err != nil {
			return nil, err
		}
		x.req.Body = io.NopCloser(bytes.NewReader(x.reqBody))
	}
	if j.opts.InitialAccessToken != "" && x.is(http.MethodPost, j.server.RegistrationEndpoint) {
		x.req.Header.Set("Authorization", "Bearer "+j.opts.InitialAccessToken)
	}
	var err error
	if x.res, err = j.base.RoundTrip(x.req); err != nil {
		return nil, err
	}
	// The SDK reads streams: only the server decides when a stream ends.
	if t, _, _ := mime.ParseMediaType(x.res.Header.Get("Content-Type")); t == "text/event-stream" {
		return x, nil
	}
	x.resBody, err = io.ReadAll(io.LimitReader(x.res.Body, maxBody))
	x.res.Body.Close()
	if err != nil {
		return nil, err
	}
	x.res.Body = io.NopCloser(bytes.NewReader(x.resBody))
	return x, nil
}

// is reports whether the request has the method and the address.
func (x *exchange) is(method, address string) bool {
	return address != "" && x.req.Method == method && x.req.URL.String() == address
}

// stepOf returns the check of the step that the exchange belongs to.
func (j *journey) stepOf(x *exchange) func(*exchange) error {
	switch {
	case x.req.URL.String() == j.opts.MCP && x.req.Header.Get("Authorization") == "":
		return j.checkChallenge
	case x.req.URL.String() == j.opts.MCP:
		return j.checkCall
	case strings.HasPrefix(x.req.URL.Path, "/.well-known/") && j.stepUp.active:
		return j.checkSecondRead
	case strings.HasPrefix(x.req.URL.Path, "/.well-known/oauth-protected-resource"):
		return j.checkResource
	case strings.HasPrefix(x.req.URL.Path, "/.well-known/"):
		return j.checkServer
	case x.is(http.MethodPost, j.server.RegistrationEndpoint):
		return j.checkRegistration
	case x.is(http.MethodPost, j.server.TokenEndpoint):
		return j.checkTokens
	}
	return j.other
}

// other reports an exchange that belongs to no step, if the report is verbose.
func (j *journey) other(x *exchange) error {
	if j.out.verbose {
		j.out.request(x)
		j.out.answer(x)
	}
	return nil
}

// cause returns the failure of a step, or err if no step failed: the SDK wraps
// the failure in an error of its own. It returns nil for nil.
func (j *journey) cause(err error) error {
	if err == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed == nil {
		j.failed = j.out.at(err)
	}
	return j.failed
}

// call is a JSON-RPC request in a POST to the MCP server.
type call struct {
	Method string `json:"method"`
	Params struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"params"`
}

func (x *exchange) call() call {
	var c call
	// Anything but a request has no method, and belongs to no step.
	_ = json.Unmarshal(x.reqBody, &c)
	return c
}

// decode reads the answer's JSON object into v.
func (x *exchange) decode(v any) error {
	if t, _, _ := mime.ParseMediaType(x.res.Header.Get("Content-Type")); t != "application/json" {
		return fmt.Errorf("the answer to %s %s has the status %s and the Content-Type %q, want application/json", x.req.Method, x.req.URL, x.res.Status, x.res.Header.Get("Content-Type"))
	}
	if err := json.Unmarshal(x.resBody, v); err != nil {
		return fmt.Errorf("the answer to %s %s: %w", x.req.Method, x.req.URL, err)
	}
	return nil
}
