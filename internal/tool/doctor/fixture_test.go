package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/tool/devstack"
	"github.com/dcr-broker/dcr-broker/internal/tool/signin"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

func startStack(t *testing.T, mode broker.Mode) *devstack.Stack {
	t.Helper()
	s, err := devstack.Start(t.Context(), devstack.Options{Getenv: func(name string) string {
		return map[string]string{"AUTHORIZATION": string(mode)}[name]
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the stack: %v", err)
		}
	})
	return s
}

// fault changes the answer of a server, or replaces it.
type fault struct {
	method, path string // path is a suffix of the request's
	// only, if set, must be part of the request's body or query.
	only   string
	change func(r *http.Request, a *fake)
}

// fake is an answer that can be changed.
type fake struct {
	status int
	header http.Header
	body   []byte
	lost   bool // the connection breaks instead
}

func (f *fake) json(status int, v any) {
	f.status, f.header = status, f.header.Clone()
	f.header.Set("Content-Type", "application/json")
	f.body, _ = json.Marshal(v)
}

// set sets a member of the JSON object.
func (f *fake) set(name string, v any) {
	f.edit(func(o map[string]any) { o[name] = v })
}

func (f *fake) drop(name string) { f.edit(func(o map[string]any) { delete(o, name) }) }

func (f *fake) edit(change func(map[string]any)) {
	o := map[string]any{}
	dec := json.NewDecoder(bytes.NewReader(f.body))
	dec.UseNumber()
	if dec.Decode(&o) == nil {
		change(o)
		f.body, _ = json.Marshal(o)
	}
}

// proxy is a transport that injects faults into real answers.
type proxy struct {
	faults []fault
	// hosts maps host names to servers on this machine.
	hosts map[string]string
	// sent is called with each request. Optional.
	sent func(*http.Request)
}

func (p *proxy) RoundTrip(req *http.Request) (*http.Response, error) {
	body := []byte{}
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
		req.Body.Close()
	}
	out := req.Clone(req.Context())
	out.Body = io.NopCloser(bytes.NewReader(body))
	out.ContentLength = int64(len(body))
	if to := p.hosts[req.URL.Host]; to != "" {
		out.URL.Host, out.URL.Scheme = to, "http"
	}
	if p.sent != nil {
		p.sent(out)
	}
	res, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		return res, nil
	}
	f := &fake{status: res.StatusCode, header: res.Header}
	f.body, err = io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		return nil, err
	}
	for _, x := range p.faults {
		if (x.method == "" || x.method == req.Method) && strings.HasSuffix(req.URL.Path, x.path) &&
			(bytes.Contains(body, []byte(x.only)) || strings.Contains(req.URL.RawQuery, x.only)) {
			x.change(req, f)
		}
	}
	if f.lost {
		return nil, errors.New("connection reset")
	}
	f.header.Del("Content-Length")
	return &http.Response{
		StatusCode: f.status, Status: http.StatusText(f.status), Header: f.header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(f.body)), ContentLength: int64(len(f.body)), Request: req,
	}, nil
}

// user returns an Options.Open that signs in at the stack and follows the
// redirect. landing, if set, changes the redirect's parameters.
func user(s *devstack.Stack, landing func(url.Values)) func(context.Context, string) error {
	return func(ctx context.Context, address string) error {
		u, err := url.Parse(address)
		if err != nil {
			return err
		}
		b := &signin.Browser{Username: s.Username, Password: s.Password}
		to, err := b.Visit(ctx, address, u.Query().Get("redirect_uri"))
		if err != nil {
			return err
		}
		if landing != nil {
			q := to.Query()
			landing(q)
			to.RawQuery = q.Encode()
		}
		_, err = b.Open(ctx, to.String())
		return err
	}
}

func find(t *testing.T, checks []Check, id string) Check {
	t.Helper()
	i := slices.IndexFunc(checks, func(c Check) bool { return c.ID == id })
	if i < 0 {
		t.Fatalf("there is no check %s", id)
	}
	return checks[i]
}

func run(t *testing.T, o Options) []Check {
	t.Helper()
	checks, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return checks
}
