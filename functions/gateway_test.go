package functions

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/dcr-broker/dcr-broker/test/lambdaruntime"
)

// gateway is a local HTTP API of API Gateway, over TLS, in front of local
// functions.
type gateway struct {
	t         *testing.T
	functions map[string]*lambdaruntime.Function

	mu     sync.Mutex
	serial int
}

// newGateway starts a gateway. The caller sets its functions before the first
// request.
func newGateway(t *testing.T) (*gateway, *httptest.Server) {
	g := &gateway{t: t, functions: make(map[string]*lambdaruntime.Function)}
	srv := httptest.NewTLSServer(g)
	t.Cleanup(srv.Close)
	return g, srv
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e, err := g.event(r)
	if err != nil {
		g.t.Error(err)
		return
	}
	payload, err := json.Marshal(e)
	if err != nil {
		g.t.Error(err)
		return
	}
	out, err := g.functions[functionOf[e.RouteKey]].Invoke(r.Context(), payload)
	if err != nil {
		g.t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		w.WriteHeader(http.StatusInternalServerError) // as API Gateway does
		return
	}
	a, err := lambdaruntime.ParseAnswer(out)
	if err != nil {
		g.t.Error(err)
		return
	}
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	w.Write(a.Body)
}

// event converts a request into an event as API Gateway does (payload format
// 2.0).
func (g *gateway) event(r *http.Request) (events.APIGatewayV2HTTPRequest, error) {
	var e events.APIGatewayV2HTTPRequest
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return e, err
	}
	g.mu.Lock()
	g.serial++
	serial := g.serial
	g.mu.Unlock()

	e.Version, e.RouteKey, e.RawPath, e.RawQueryString = "2.0", routeOf(r), r.URL.Path, r.URL.RawQuery
	e.Headers = map[string]string{"host": r.Host}
	for name, values := range r.Header {
		if name == "Cookie" {
			e.Cookies = strings.Split(strings.Join(values, "; "), "; ")
			continue
		}
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	if query := r.URL.Query(); len(query) > 0 {
		e.QueryStringParameters = make(map[string]string)
		for name, values := range query {
			e.QueryStringParameters[name] = strings.Join(values, ",")
		}
	}
	if len(body) > 0 {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	e.RequestContext.RouteKey, e.RequestContext.Stage, e.RequestContext.DomainName = e.RouteKey, "$default", r.Host
	e.RequestContext.RequestID = fmt.Sprintf("scenario-%04d=", serial)
	e.RequestContext.HTTP = events.APIGatewayV2HTTPRequestContextHTTPDescription{
		Method: r.Method, Path: r.URL.Path, Protocol: r.Proto, SourceIP: "203.0.113.7", UserAgent: r.UserAgent(),
	}
	return e, nil
}

// routeOf returns the most specific route that matches r.
func routeOf(r *http.Request) string {
	first, rest, deeper := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	for _, key := range slices.Sorted(maps.Keys(functionOf)) {
		method, path, ok := strings.Cut(key, " /")
		if !ok || method != "ANY" && method != r.Method {
			continue
		}
		segment, variable, hasVariable := strings.Cut(path, "/")
		greedy := strings.HasSuffix(variable, "+}")
		if segment == first && hasVariable == deeper && (!deeper || rest != "" && (greedy || !strings.Contains(rest, "/"))) {
			return key
		}
	}
	return "$default"
}

func TestRouteOf(t *testing.T) {
	for _, tt := range []struct{ method, path, want string }{
		{"GET", "/authorize", "ANY /authorize"},
		{"POST", "/authorize", "ANY /authorize"},
		{"GET", "/authorize/x", "$default"},
		{"DELETE", "/register/abc", "ANY /register/{client_id}"},
		{"GET", "/register/", "$default"},
		{"GET", "/register/a/b", "$default"},
		{"GET", "/assets/a/b.svg", "GET /assets/{proxy+}"},
		{"POST", "/assets/a.svg", "$default"},
		{"GET", "/", "$default"},
	} {
		if got := routeOf(httptest.NewRequest(tt.method, tt.path, nil)); got != tt.want {
			t.Errorf("%s %s goes to %q, want %q", tt.method, tt.path, got, tt.want)
		}
	}
}
