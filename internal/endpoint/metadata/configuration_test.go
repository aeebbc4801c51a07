package metadata_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	refusals "github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/discovery"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// Requests for the metadata of both resources arrive at the broker's host with
// the same path, and a client refuses the metadata of another resource (RFC 9728
// §3.3).
func TestAPathOfTwoHostsHasNoDocument(t *testing.T) {
	log := new(fake.Log)
	s := new(source)
	s.use(server(), resource("https://a.example.com/mcp"), resource("https://b.example.com/mcp"), resource("https://c.example.com/mcp/"),
		resource("https://a.example.com/notes"))
	h := serve(t, up(t), s, slog.New(slog.NewTextHandler(log, nil)))
	for path, want := range map[string]int{
		prmPath + "/mcp": 404, prmPath + "/mcp/": 404, prmPath: 404, prmPath + "/notes": 200, asPath: 200, oidcPath: 200,
	} {
		if resp := ask(h, "GET", path); resp.StatusCode != want {
			t.Errorf("GET %s: status %d, want %d", path, resp.StatusCode, want)
		}
	}
	if strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("the collision, which is normal, is logged as an error:\n%s", log)
	}
}

func TestAResourceThatCannotBePublishedStopsNothing(t *testing.T) {
	log := new(fake.Log)
	s, u := new(source), up(t)
	s.use(server(), resource("mcp.example.com/mcp"), resource("https://a.example.com/notes"))
	h := serve(t, u, s, slog.New(slog.NewTextHandler(log, nil)))
	for range 2 {
		for path, want := range map[string]int{prmPath + "/mcp": 404, prmPath + "/notes": 200, asPath: 200, oidcPath: 200} {
			if resp := ask(h, "GET", path); resp.StatusCode != want {
				t.Errorf("GET %s: status %d, want %d", path, resp.StatusCode, want)
			}
		}
		u.document.Store(pool(t, published)) // Cognito's document was read again
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "resource=mcp.example.com/mcp") {
		t.Errorf("%d errors, want one that names the resource:\n%s", n, log)
	}
}

func TestAChangedConfigurationIsPublishedAtTheNextRequest(t *testing.T) {
	s := new(source)
	s.use(server(), resource("https://a.example.com/notes"))
	h := serve(t, up(t), s, slog.New(slog.DiscardHandler))
	before := make(map[string]string)
	for _, path := range []string{asPath, oidcPath, prmPath + "/notes"} {
		before[path] = ask(h, "GET", path).Header.Get("ETag")
	}
	changed := server()
	changed.Scopes = append(changed.Scopes, "mcp/new")
	named := resource("https://a.example.com/notes")
	named.Name = "Notes"
	s.use(changed, named, resource("https://a.example.com/files"))
	for path, want := range map[string]string{asPath: "mcp/new", oidcPath: "mcp/new", prmPath + "/notes": "Notes", prmPath + "/files": "https://a.example.com/files"} {
		resp := ask(h, "GET", path, "If-None-Match", before[path])
		if body := bodyOf(t, resp); resp.StatusCode != 200 || !bytes.Contains(body, []byte(want)) || resp.Header.Get("ETag") == before[path] {
			t.Errorf("GET %s: %d %s, ETag %s, want 200 with %s and another ETag", path, resp.StatusCode, body, resp.Header.Get("ETag"), want)
		}
	}
	s.use(server(), resource("https://a.example.com/notes"))
	for path, etag := range before {
		if resp := ask(h, "GET", path, "If-None-Match", etag); resp.StatusCode != 304 {
			t.Errorf("GET %s, back at the first configuration: %d, want 304", path, resp.StatusCode)
		}
	}
}

// A request for a document needs a configuration, and no other request does.
func TestWithoutConfiguration(t *testing.T) {
	log := new(fake.Log)
	s := &source{err: refusals.NotReady(errors.New("no document"))}
	h := serve(t, up(t), s, slog.New(slog.NewTextHandler(log, nil)))
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{"GET", asPath, 503}, {"HEAD", asPath, 503}, {"GET", oidcPath, 503}, {"GET", prmPath + "/mcp", 503},
		{"GET", "/elsewhere", 404}, {"OPTIONS", asPath, 204}, {"POST", asPath, 405},
	} {
		resp := ask(h, tt.method, tt.path)
		if resp.StatusCode != tt.want {
			t.Errorf("%s %s: status %d, want %d", tt.method, tt.path, resp.StatusCode, tt.want)
		}
		retry := ""
		if tt.want == 503 {
			retry = "10"
			wantHeader(t, tt.path, resp, "Cache-Control", "no-store")
		}
		wantHeader(t, tt.path, resp, "Retry-After", retry)
	}
	// What reads the configuration has logged the cause as an error.
	if text := log.String(); strings.Contains(text, "level=ERROR") || strings.Count(text, "level=WARN") != 4 || strings.Contains(text, "no document") {
		t.Errorf("want a warning without the cause for each of the four requests:\n%s", text)
	}
	s.err = nil
	s.use(server())
	if resp := ask(h, "GET", asPath); resp.StatusCode != 200 {
		t.Errorf("with a configuration: status %d, want 200", resp.StatusCode)
	}
}

// A fault of the server, which the environment excludes, is an error of the
// broker.
func TestAServerThatCannotBePublished(t *testing.T) {
	bad := server()
	bad.Issuer += "/"
	s := new(source)
	s.use(bad)
	if resp := ask(serve(t, up(t), s, slog.New(slog.DiscardHandler)), "GET", asPath); resp.StatusCode != 500 {
		t.Errorf("status %d, want 500", resp.StatusCode)
	}
}

// Each response is made from one configuration, whichever is in force.
func TestConcurrentRequestsAcrossAChange(t *testing.T) {
	s := new(source)
	use := func(n int) {
		changed := server()
		changed.Scopes = []string{fmt.Sprint("scope", n)}
		s.use(changed, discovery.ProtectedResource{Resource: "https://a.example.com/notes", Scopes: []string{fmt.Sprint("scope", n)}})
	}
	use(0)
	h := serve(t, up(t), s, slog.New(slog.DiscardHandler))
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for j := range 20 {
				if i%10 == 0 {
					use(j)
				}
				resp := ask(h, http.MethodGet, []string{asPath, prmPath + "/notes"}[j%2])
				if body := bodyOf(t, resp); resp.StatusCode != 200 || bytes.Count(body, []byte("scope")) < 1 {
					t.Errorf("%d %s, want 200 and a scope", resp.StatusCode, body)
				}
			}
		})
	}
	wg.Wait()
}
