package metadata

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/discovery"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
)

const (
	serverPath   = "/.well-known/oauth-authorization-server"
	resourcePath = "/.well-known/oauth-protected-resource/mcp"
)

// services answers as the AWS services that the function calls: Cognito's discovery
// document does not exist, and calls of DynamoDB fail.
type services struct {
	url      string
	dynamodb atomic.Int32 // calls
}

func newServices(t *testing.T) *services {
	a := new(services)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB") {
			a.dynamodb.Add(1)
		}
		w.WriteHeader(http.StatusBadRequest)
	}))
	t.Cleanup(srv.Close)
	a.url = srv.URL
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"} {
		t.Setenv(name, value)
	}
	return a
}

// environment returns the environment of a function in front of these services.
func (a *services) environment(t *testing.T, more map[string]string) *environment.Environment {
	t.Helper()
	env := map[string]string{
		"AWS_REGION": "us-east-1", "ISSUER": "https://auth.example.com", "USER_POOL_ID": "us-east-1_local00001", "TABLE_NAME": "dcr-broker",
		"COGNITO_DOMAIN":    "https://example.auth.us-east-1.amazoncognito.com",
		"COGNITO_DISCOVERY": a.url + "/.well-known/openid-configuration", "DYNAMODB_ENDPOINT": a.url,
	}
	for name, value := range more {
		env[name] = value
	}
	c, err := environment.Metadata(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// The function starts although the table cannot be read, and says so once.
func TestTheFunctionStartsWithoutConfiguration(t *testing.T) {
	a, lines := newServices(t), new(fake.Log)
	log := slog.New(slog.NewTextHandler(lines, nil))
	rt, err := Function(a.environment(t, nil), log)
	if err != nil {
		t.Fatal(err)
	}
	if a.dynamodb.Load() == 0 {
		t.Error("the start did not read the table")
	}
	calls := a.dynamodb.Load()
	for path, want := range map[string]int{serverPath: 503, resourcePath: 503, "/elsewhere": 404} {
		if got := get(rt, path); got.Code != want {
			t.Errorf("GET %s: %d %s, want %d", path, got.Code, got.Body, want)
		}
	}
	if got := a.dynamodb.Load(); got != calls {
		t.Errorf("the requests read the table %d times within the retry time", got-calls)
	}
	if n := strings.Count(lines.String(), `level=ERROR msg="configuration not read"`); n != 1 {
		t.Errorf("%d errors for the failed read, want 1:\n%s", n, lines)
	}
	if strings.Contains(lines.String(), "level=ERROR msg=refused") {
		t.Errorf("a refused request is an error:\n%s", lines)
	}
}

// A function with a configuration file does not read the table.
func TestTheFunctionOfAFile(t *testing.T) {
	a := newServices(t)
	file := filepath.Join(t.TempDir(), "broker.json")
	must.WriteFile(t, file, []byte(`{"version": 1, "scopes": [{"name": "mcp/read"}], "protected_resources": [{"resource": "https://mcp.example.com/mcp", "scopes": ["mcp/read"]}],
		"profiles": {"open": {"redirect_uris": {"loopback": true}}}, "open_registration": "open"}`))
	log := slog.New(slog.DiscardHandler)
	rt, err := Function(a.environment(t, map[string]string{"CONFIGURATION": file}), log)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{serverPath: `"mcp/read"`, resourcePath: `"https://mcp.example.com/mcp"`} {
		if got := get(rt, path); got.Code != 200 || !bytes.Contains(got.Body.Bytes(), []byte(want)) {
			t.Errorf("GET %s: %d %s, want %s", path, got.Code, got.Body, want)
		}
	}
	if got := a.dynamodb.Load(); got != 0 {
		t.Errorf("the table was read %d times, want 0", got)
	}
}

func TestThePublishedMetadataFollowsTheConfiguration(t *testing.T) {
	for _, mode := range []broker.Mode{broker.ModeBrokered, broker.ModeDirect} {
		c := newServices(t).environment(t, map[string]string{"AUTHORIZATION": string(mode)})
		conf := &configuration.Configuration{ScopesSupported: []string{"mcp/read"}, GrantTypesSupported: []string{"authorization_code"}}
		p := &publisher{environment: c, configuration: func(context.Context) (*configuration.Configuration, error) { return conf, nil }}
		first, err := p.published(t.Context())
		if err != nil || strings.Join(first.Server.Scopes, " ") != "mcp/read" || strings.Join(first.Server.GrantTypes, " ") != "authorization_code" || len(first.Resources) != 0 {
			t.Errorf("%s: published = %+v, %v, want those of the configuration", mode, first, err)
		}
		if brokered := first.Server.IntrospectionEndpoint != ""; brokered != (mode == broker.ModeBrokered) {
			t.Errorf("%s: introspection endpoint %q", mode, first.Server.IntrospectionEndpoint)
		}
		if again, _ := p.published(t.Context()); again != first {
			t.Errorf("%s: another pointer for the same configuration", mode)
		}
		conf = &configuration.Configuration{Resources: []broker.Resource{{URL: "https://mcp.example.com/mcp", Name: "Notes", Scopes: []string{"mcp/read"}}}}
		second, err := p.published(t.Context())
		if err != nil || second == first || len(second.Resources) != 1 || second.Resources[0].Name != "Notes" || second.Resources[0].Resource != "https://mcp.example.com/mcp" {
			t.Errorf("%s: after a change published = %+v, %v, want the resource", mode, second, err)
		}
	}
}

func TestWithoutConfigurationNothingIsPublished(t *testing.T) {
	cause := errors.New("not read")
	p := &publisher{configuration: func(context.Context) (*configuration.Configuration, error) { return nil, cause }}
	if got, err := p.published(t.Context()); err != cause {
		t.Errorf("published = %+v, %v, want the error", got, err)
	}
}

// silent is an upstream that answers after a time, unless the caller gives up.
type silent time.Duration

func (s silent) Current(ctx context.Context) *discovery.Upstream {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(s)):
	}
	return nil
}

// A start reads both documents at the same time, and waits two seconds for
// Cognito's.
func TestAStartWaitsTwoSecondsAtMost(t *testing.T) {
	for _, tt := range []struct{ store, cognito, want time.Duration }{
		{time.Second, time.Second, time.Second},
		{2 * time.Second, time.Hour, 2 * time.Second},
		{0, time.Hour, 2 * time.Second},
		{time.Second, 0, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			readBoth(func(ctx context.Context) (*configuration.Configuration, error) {
				if _, limited := ctx.Deadline(); limited {
					t.Error("the read of the configuration has the deadline of the start")
				}
				time.Sleep(tt.store)
				return nil, errors.New("no configuration")
			}, silent(tt.cognito))
			if took := time.Since(began); took != tt.want {
				t.Errorf("the store answers after %s and Cognito after %s: the start took %s, want %s", tt.store, tt.cognito, took, tt.want)
			}
		})
	}
}
