package functions

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

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
	g.mu.Lock()
	g.serial++
	id := fmt.Sprintf("scenario-%04d=", g.serial)
	g.mu.Unlock()
	e, err := lambdaruntime.Event(r, routeOf(r), id)
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
