package wire_test

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
)

const form = "application/x-www-form-urlencoded"

// While the table has no configuration, the functions answer what needs none.
// The failed read is one error in the log, and not one for each request.
func TestWithoutConfiguration(t *testing.T) {
	clock := fake.NewClock()
	p := startProcess(t, clock, memory.NewStore(clock.Now))
	for _, tt := range []struct {
		method, path, body string
		status             int
		text               string
	}{
		{"POST", "/register", `{"redirect_uris":["http://localhost/cb"]}`, 503, `"temporarily_unavailable"`},
		{"GET", "/authorize?client_id=x", "", 503, "<bdi>auth.example.com</bdi>"},
		{"POST", "/authorize", "decision=allow&csrf=x", 503, "<bdi>auth.example.com</bdi>"},
		{"GET", "/callback?code=x&state=x", "", 503, "<bdi>auth.example.com</bdi>"},
		{"GET", "/consent", "", 503, "<bdi>auth.example.com</bdi>"},
		{"POST", "/introspect", "client_id=x&client_secret=y&token=x", 503, `"temporarily_unavailable"`},
		{"POST", "/token", "grant_type=refresh_token&client_id=x&refresh_token=x", 401, `"invalid_client"`},
		{"POST", "/revoke", "client_id=x&token=x", 401, `"invalid_client"`},
		{"GET", "/signed-out", "", 200, "<bdi>auth.example.com</bdi>"},
		{"GET", "/assets/none.png", "", 404, "<bdi>auth.example.com</bdi>"},
		{"GET", "/assets/0123456789abcdef.png", "", 404, "<bdi>auth.example.com</bdi>"},
		{"DELETE", "/authorize", "", 405, "<bdi>auth.example.com</bdi>"},
		{"GET", "/register", "", 405, `"invalid_request"`},
		{"GET", "/elsewhere", "", 404, `"invalid_request"`},
		{"OPTIONS", "/register", "", 204, ""},
		{"OPTIONS", "/token", "", 204, ""},
	} {
		contentType := form
		if strings.HasPrefix(tt.body, "{") {
			contentType = "application/json"
		}
		w := p.do(tt.method, tt.path, contentType, tt.body)
		p.want(tt.method+" "+tt.path, w, tt.status, tt.text)
		retry := ""
		if tt.status == 503 {
			retry = "10"
		}
		if got := w.Header().Get("Retry-After"); got != retry {
			t.Errorf("%s %s: Retry-After %q, want %q", tt.method, tt.path, got, retry)
		}
		clock.Advance(time.Millisecond)
	}
	if text := p.log.String(); strings.Count(text, "level=ERROR") != 1 || !strings.Contains(text, "dcrctl config apply") || strings.Count(text, "level=WARN") != 6 {
		t.Errorf("want one error that says what to do, and a warning for each of 6 requests:\n%s", text)
	}

	p.apply(document)
	clock.Advance(5 * time.Second)
	p.want("with a configuration", p.register(), http.StatusCreated, "client_id")
}

// What needs no configuration does not wait for a table that does not answer.
func TestUnknownPathsDoNotWaitForTheTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := fake.NewClock()
		clock.Tick()
		p := startProcess(t, clock, memory.NewStore(clock.Now).Hooked(func(ctx context.Context, _ string, _ func() error) error {
			<-ctx.Done()
			return ctx.Err()
		}))
		for _, tt := range []struct {
			method, path string
			status       int
			takes        time.Duration
		}{
			{"GET", "/assets/unknown.css", 404, 0},
			{"GET", "/assets/", 404, 0},
			{"DELETE", "/authorize", 405, 0},
			{"GET", "/register", 405, 0},
			{"GET", "/elsewhere", 404, 0},
			{"OPTIONS", "/register", 204, 0},
			{"GET", "/assets/0123456789abcdef.png", 404, 2 * time.Second}, // may be the logo
		} {
			began := time.Now()
			w := p.do(tt.method, tt.path, "", "")
			if took := time.Since(began); w.Code != tt.status || took != tt.takes {
				t.Errorf("%s %s: %d after %s, want %d after %s", tt.method, tt.path, w.Code, took, tt.status, tt.takes)
			}
		}
		if text := p.log.String(); strings.Count(text, "level=ERROR") != 1 {
			t.Errorf("want one error, for the last request:\n%s", text)
		}
	})
}

// A stored configuration is in force within a minute.
func TestAChangeIsInForceWithinAMinute(t *testing.T) {
	clock := fake.NewClock()
	p := newProcess(t, clock)
	id := clientID(t, p.register())
	p.want("authorize", p.authorize(id), http.StatusSeeOther, "")

	p.apply(strings.Replace(document, `"version": 1,`, `"version": 1, "branding": {"name": "Example"},`, 1))
	clock.Advance(time.Minute - 1)
	p.want("within the minute", p.do(http.MethodGet, "/signed-out", "", ""), http.StatusOK, "<bdi>auth.example.com</bdi>")
	clock.Advance(1)
	p.want("after the minute", p.do(http.MethodGet, "/signed-out", "", ""), http.StatusOK, "<bdi>Example</bdi>")

	p.apply(strings.Replace(document, `"open_registration": "open", `, "", 1))
	clock.Advance(time.Minute)
	p.want("without open registration", p.register(), http.StatusUnauthorized, "invalid_token")
}

// A file takes the place of the table.
func TestConfigurationOfAFile(t *testing.T) {
	c := &environment.Environment{}
	c.Issuer, c.Mode = "https://auth.example.com", broker.ModeBrokered
	c.ConfigurationFile = filepath.Join(t.TempDir(), "broker.json")
	must.WriteFile(t, c.ConfigurationFile, []byte(document))
	clock := fake.NewClock()
	current := wire.Configuration(c, memory.NewStore(clock.Now).Configuration(), clock.Now, slog.New(slog.DiscardHandler))
	conf, err := current.Get(t.Context())
	if err != nil || strings.Join(conf.ScopeNames(), " ") != "openid mcp/read" {
		t.Errorf("Get = %+v, %v, want the file's scopes", conf, err)
	}
}

// A tool without a configuration gets an error.
func TestPartsWithoutConfiguration(t *testing.T) {
	p := new(wire.Parts)
	if conf, err := p.InForce(t.Context()); err == nil {
		t.Errorf("InForce = %+v, want an error", conf)
	}
	if policy, err := p.Policy(t.Context()); err == nil {
		t.Errorf("Policy = %+v, want an error", policy)
	}
}
