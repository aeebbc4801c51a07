package metadata_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/endpoint/metadata"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/discovery"
)

const (
	asPath   = "/.well-known/oauth-authorization-server"
	oidcPath = "/.well-known/openid-configuration"
	prmPath  = "/.well-known/oauth-protected-resource"

	configured = "https://configured.auth.example.com" // the domain in the configuration
	published  = "https://published.auth.example.com"  // the domain in the pool's document
)

func server() discovery.Server {
	return discovery.Server{
		Issuer:               "https://auth.example.com",
		TokenEndpoint:        "https://auth.example.com/token",
		RegistrationEndpoint: "https://auth.example.com/register",
		RevocationEndpoint:   "https://auth.example.com/revoke",
		Scopes:               []string{"openid", "mcp/read"},
		GrantTypes:           []string{"authorization_code", "refresh_token"},
		AuthMethods:          []string{"none"},
	}
}

func resource(url string) discovery.ProtectedResource {
	return discovery.ProtectedResource{Resource: url, Scopes: []string{"mcp/read"}}
}

// upstream stands in for Cognito's discovery document.
type upstream struct {
	document atomic.Pointer[discovery.Upstream]
}

func (u *upstream) Current(context.Context) *discovery.Upstream { return u.document.Load() }

// pool returns the discovery document of a user pool with this domain.
func pool(t testing.TB, domain string) *discovery.Upstream {
	t.Helper()
	up, err := discovery.CognitoUpstream("https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123", domain)
	if err != nil {
		t.Fatal(err)
	}
	return &up
}

// up returns a user pool whose document was read.
func up(t testing.TB) *upstream {
	u := new(upstream)
	u.document.Store(pool(t, published))
	return u
}

// source is a configuration that a test can replace.
type source struct {
	published atomic.Pointer[metadata.Published]
	err       error
}

func (s *source) get(context.Context) (*metadata.Published, error) { return s.published.Load(), s.err }

// use puts a configuration with these resources into force.
func (s *source) use(server discovery.Server, resources ...discovery.ProtectedResource) {
	s.published.Store(&metadata.Published{Server: server, Resources: resources})
}

func endpoint(t testing.TB, u *upstream, s *source, log *slog.Logger) *metadata.Endpoint {
	t.Helper()
	e, err := metadata.New(metadata.Config{Published: s.get, Upstream: u, Fallback: *pool(t, configured), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// serve returns the endpoint behind the router.
func serve(t testing.TB, u *upstream, s *source, log *slog.Logger) http.Handler {
	t.Helper()
	rt := httpapi.NewRouter(log)
	endpoint(t, u, s, log).Mount(rt)
	return rt
}

// broker returns the endpoint behind the router, with a configuration that does
// not change.
func broker(t testing.TB, u *upstream, resources ...discovery.ProtectedResource) http.Handler {
	t.Helper()
	s := new(source)
	s.use(server(), resources...)
	return serve(t, u, s, slog.New(slog.DiscardHandler))
}

func ask(h http.Handler, method, path string, header ...string) *http.Response {
	r := httptest.NewRequest(method, "https://auth.example.com"+path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t testing.TB, resp *http.Response) []byte {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func wantHeader(t testing.TB, what string, resp *http.Response, name, want string) {
	t.Helper()
	if got := strings.Join(resp.Header.Values(name), " | "); got != want {
		t.Errorf("%s: %s = %q, want %q", what, name, got, want)
	}
}

func TestDocumentsAreThoseOfPackageDiscovery(t *testing.T) {
	as, err := discovery.AuthorizationServer(server(), *pool(t, published))
	if err != nil {
		t.Fatal(err)
	}
	oidc, err := discovery.OpenIDConfiguration(server(), *pool(t, published))
	if err != nil {
		t.Fatal(err)
	}
	prm, err := discovery.ProtectedResourceMetadata(server().Issuer, resource("https://mcp.example.com/mcp"))
	if err != nil {
		t.Fatal(err)
	}
	h := broker(t, up(t), resource("https://mcp.example.com/mcp"))
	for path, want := range map[string][]byte{asPath: as, oidcPath: oidc, prmPath: prm, prmPath + "/mcp": prm} {
		resp := ask(h, "GET", path)
		if resp.StatusCode != 200 {
			t.Errorf("GET %s: status %d, want 200", path, resp.StatusCode)
		}
		if got := bodyOf(t, resp); !bytes.Equal(got, want) {
			t.Errorf("GET %s: got\n%s\nwant\n%s", path, got, want)
		}
		wantHeader(t, path, resp, "Content-Type", "application/json")
		wantHeader(t, path, resp, "Content-Length", strconv.Itoa(len(want)))
		wantHeader(t, path, resp, "Cache-Control", "public, max-age=300")
		wantHeader(t, path, resp, "Access-Control-Allow-Origin", "*")
		if etag := resp.Header.Get("ETag"); len(etag) < 20 || etag[0] != '"' || etag[len(etag)-1] != '"' {
			t.Errorf("GET %s: ETag = %q, want a strong one", path, etag)
		}
	}
}

func TestProtectedResourcesAreFoundByPath(t *testing.T) {
	one := []string{"https://mcp.example.com/mcp"}
	two := []string{"https://a.example.com/a", "https://b.example.com/b/c/"}
	root := append([]string{"https://root.example.com/"}, two...)
	for _, tt := range []struct {
		resources []string
		path      string
		want      string // "" for 404
	}{
		{one, "", one[0]},
		{one, "/", one[0]},
		{one, "/mcp", one[0]},
		{one, "/mcp/", one[0]},
		{one, "/mcp?x=1", one[0]},
		{one, "/mcp//", ""},
		{one, "/MCP", ""},
		{one, "/mcp/x", ""},
		{one, "mcp", ""},
		{two, "", ""},
		{two, "/a", two[0]},
		{two, "/b", ""},
		{two, "/b/c", two[1]},
		{two, "/b/c/", two[1]},
		{two, "/b%2Fc", two[1]}, // API Gateway decodes the path
		{root, "", root[0]},
		{root, "/", root[0]},
		{root, "/a", two[0]},
		{nil, "", ""},
		{nil, "/mcp", ""},
		{[]string{"https://mcp.example.com/a%20b"}, "/a%20b", "https://mcp.example.com/a%20b"},
	} {
		var rs []discovery.ProtectedResource
		for _, u := range tt.resources {
			rs = append(rs, resource(u))
		}
		resp := ask(broker(t, up(t), rs...), "GET", prmPath+tt.path)
		var got struct {
			Resource string   `json:"resource"`
			Servers  []string `json:"authorization_servers"`
		}
		if err := json.Unmarshal(bodyOf(t, resp), &got); err != nil {
			t.Errorf("%q with %q: %v", tt.path, tt.resources, err)
		}
		wantStatus := 200
		if tt.want == "" {
			wantStatus = 404
		}
		if resp.StatusCode != wantStatus || got.Resource != tt.want {
			t.Errorf("%q with %q: %d, resource %q, want %d, %q", tt.path, tt.resources, resp.StatusCode, got.Resource, wantStatus, tt.want)
		}
	}
}

func TestUnknownResourceIsAnOAuthError(t *testing.T) {
	for _, path := range []string{"/other", "/a\x00b", "/%zz", "/\xff", "/..", "//"} {
		r := httptest.NewRequest("GET", "https://auth.example.com/", nil)
		r.URL.Path = prmPath + path // as Lambda delivers it: decoded
		w := httptest.NewRecorder()
		broker(t, up(t), resource("https://mcp.example.com/mcp")).ServeHTTP(w, r)
		resp := w.Result()
		var got struct {
			Error     string `json:"error"`
			RequestID string `json:"request_id"`
		}
		body := bodyOf(t, resp)
		if err := json.Unmarshal(body, &got); err != nil || got.Error == "" || got.RequestID == "" || resp.StatusCode != 404 {
			t.Errorf("%q: %d %s, want 404 and a JSON object with error and request_id", path, resp.StatusCode, body)
		}
		wantHeader(t, path, resp, "Cache-Control", "no-store")
		wantHeader(t, path, resp, "ETag", "")
	}
}

func TestConditionalRequests(t *testing.T) {
	h := broker(t, up(t), resource("https://mcp.example.com/mcp"))
	for _, path := range []string{asPath, oidcPath, prmPath, prmPath + "/mcp"} {
		etag := ask(h, "GET", path).Header.Get("ETag")
		for _, tt := range []struct {
			fields []string
			want   int
		}{
			{nil, 200},
			{[]string{etag}, 304},
			{[]string{"W/" + etag}, 304},
			{[]string{`"x", ` + etag}, 304},
			{[]string{`"x,y" ,W/"z",` + etag + `, "q"`}, 304},
			{[]string{`"x"`, etag}, 304},
			{[]string{","}, 200},
			{[]string{"*"}, 304},
			{[]string{" * "}, 304},
			{[]string{`"x"`}, 200},
			{[]string{`"*"`}, 200},
			{[]string{""}, 200},
			{[]string{strings.Trim(etag, `"`)}, 200},
			{[]string{`"x` + etag}, 200},
			{[]string{`"`}, 200},
			{[]string{"W/"}, 200},
			{[]string{strings.ToUpper(etag)}, 200},
		} {
			for _, method := range []string{"GET", "HEAD"} {
				var header []string
				for _, f := range tt.fields {
					header = append(header, "If-None-Match", f)
				}
				resp := ask(h, method, path, header...)
				if resp.StatusCode != tt.want {
					t.Errorf("%s %s If-None-Match %q: status %d, want %d", method, path, tt.fields, resp.StatusCode, tt.want)
				}
				wantHeader(t, path, resp, "ETag", etag)
				wantHeader(t, path, resp, "Cache-Control", "public, max-age=300")
				if tt.want == 304 {
					wantHeader(t, path, resp, "Content-Type", "")
					wantHeader(t, path, resp, "Content-Length", "")
					if body := bodyOf(t, resp); len(body) != 0 {
						t.Errorf("%s %s: 304 with body %q", method, path, body)
					}
				}
			}
		}
	}
}

// The test uses a connection, because net/http corrects headers and
// httptest's recorder does not.
func TestHeadHasTheHeadersOfGet(t *testing.T) {
	srv := httptest.NewServer(broker(t, up(t), resource("https://mcp.example.com/mcp")))
	defer srv.Close()
	for _, path := range []string{asPath, oidcPath, prmPath} {
		get, err := srv.Client().Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body := bodyOf(t, get)
		get.Body.Close()
		head, err := srv.Client().Head(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		head.Body.Close()
		if get.ContentLength != int64(len(body)) || head.ContentLength != get.ContentLength {
			t.Errorf("%s: Content-Length of GET %d, of HEAD %d, want %d", path, get.ContentLength, head.ContentLength, len(body))
		}
		for _, name := range []string{"ETag", "Cache-Control", "Content-Type"} {
			wantHeader(t, "HEAD "+path, head, name, get.Header.Get(name))
		}
	}
}

func TestHeadWritesNoBody(t *testing.T) {
	s := new(source)
	s.use(server())
	d := endpoint(t, up(t), s, slog.New(slog.DiscardHandler))
	// The test leaves out the router, which would drop the body.
	resp := ask(d.AuthorizationServer(), "HEAD", asPath)
	if body := bodyOf(t, resp); len(body) != 0 || resp.Header.Get("Content-Length") == "0" {
		t.Errorf("HEAD wrote %q, Content-Length %s", body, resp.Header.Get("Content-Length"))
	}
}

func TestFallbackDocumentsAreCachedBriefly(t *testing.T) {
	u := new(upstream)
	h := broker(t, u, resource("https://mcp.example.com/mcp"))
	cold := ask(h, "GET", asPath)
	wantHeader(t, "cold start", cold, "Cache-Control", "public, max-age=60")
	if body := string(bodyOf(t, cold)); !strings.Contains(body, configured+"/oauth2/authorize") {
		t.Errorf("cold start: got %s, want the configured authorization endpoint", body)
	}
	// This document does not depend on Cognito.
	wantHeader(t, "resource", ask(h, "GET", prmPath), "Cache-Control", "public, max-age=300")

	u.document.Store(pool(t, published))
	for _, path := range []string{asPath, oidcPath} {
		warm := ask(h, "GET", path, "If-None-Match", cold.Header.Get("ETag"))
		if warm.StatusCode != 200 {
			t.Errorf("%s after recovery: status %d, want 200", path, warm.StatusCode)
		}
		wantHeader(t, path, warm, "Cache-Control", "public, max-age=300")
		if body := string(bodyOf(t, warm)); !strings.Contains(body, published+"/oauth2/authorize") {
			t.Errorf("%s after recovery: got %s, want Cognito's authorization endpoint", path, body)
		}
	}
}

// Two processes, or one before and after a refresh, must send the same ETag.
func TestRefreshOfTheSameDocumentKeepsTheETag(t *testing.T) {
	u := up(t)
	h, other := broker(t, u), broker(t, up(t))
	etag := ask(h, "GET", asPath).Header.Get("ETag")
	u.document.Store(pool(t, published))
	wantHeader(t, "after a refresh", ask(h, "GET", asPath), "ETag", etag)
	wantHeader(t, "another process", ask(other, "GET", asPath), "ETag", etag)
	if got := ask(h, "GET", oidcPath).Header.Get("ETag"); got == etag {
		t.Errorf("both documents have the ETag %s", got)
	}
}

func TestConcurrentRequestsAcrossARefresh(t *testing.T) {
	u := new(upstream)
	h := broker(t, u, resource("https://mcp.example.com/mcp"))
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			for j := range 20 {
				if i%10 == 0 {
					u.document.Store(pool(t, published))
				}
				path := []string{asPath, oidcPath, prmPath}[j%3]
				resp := ask(h, "GET", path)
				if body := bodyOf(t, resp); resp.StatusCode != 200 || !json.Valid(body) {
					t.Errorf("%s: %d %s, want 200 and JSON", path, resp.StatusCode, body)
				}
			}
		})
	}
	wg.Wait()
}

func TestNewRequiresEveryField(t *testing.T) {
	s, log := new(source), slog.New(slog.DiscardHandler)
	for name, c := range map[string]metadata.Config{
		"published": {Upstream: up(t), Log: log}, "upstream": {Published: s.get, Log: log}, "log": {Published: s.get, Upstream: up(t)},
	} {
		if _, err := metadata.New(c); err == nil {
			t.Errorf("New without %s is no error", name)
		}
	}
}

// discarding is a ResponseWriter that costs nothing itself.
type discarding struct{ h http.Header }

func (w discarding) Header() http.Header         { return w.h }
func (w discarding) Write(b []byte) (int, error) { return len(b), nil }
func (w discarding) WriteHeader(int)             {}

func TestServingFromMemoryIsCheap(t *testing.T) {
	s := new(source)
	s.use(server())
	d := endpoint(t, up(t), s, slog.New(slog.DiscardHandler))
	h, r := d.AuthorizationServer(), httptest.NewRequest("GET", asPath, nil)
	got := testing.AllocsPerRun(100, func() { h.ServeHTTP(discarding{make(http.Header)}, r) })
	if got > 15 {
		t.Errorf("%v allocations a request, want at most 15", got)
	}
}

func BenchmarkAuthorizationServer(b *testing.B) {
	h := broker(b, up(b))
	r := httptest.NewRequest("GET", asPath, nil)
	for b.Loop() {
		h.ServeHTTP(discarding{make(http.Header)}, r)
	}
}
