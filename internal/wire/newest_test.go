package wire_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

const (
	toolsURI  = "https://tools.example.com/cb"
	toolsBody = `{"client_name":"Tools","redirect_uris":["` + toolsURI + `"],"token_endpoint_auth_method":"none"}`
	jobBody   = `{"client_name":"Job","grant_types":["client_credentials"]}`
	filesURL  = "https://files.example.com/mcp"
)

// Documents with a profile more, with a protected resource more, and with both.
var (
	newProfile = strings.Replace(document, `"profiles": {`, `"profiles": {"tools": {"redirect_uris": {"any_https": true},
		"grant_types": ["authorization_code", "refresh_token", "client_credentials"], "token_endpoint_auth_methods": ["none", "client_secret_basic"]}, `, 1)
	newResource = strings.Replace(document, "https://mcp.example.com/mcp", filesURL, 1)
	newBoth     = strings.NewReplacer(`"scopes": [{"name": "openid"}`, `"scopes": [{"name": "openid"}, {"name": "files/read"}`,
		`"protected_resources": [`, `"protected_resources": [{"resource": "`+filesURL+`", "scopes": ["files/read"]}, `).Replace(newProfile)
)

// An access is what a client does in a process that has an older configuration
// in force.
type access struct {
	name string
	// newer is the document in which another process did prepare, which may return
	// a client.
	newer   string
	prepare func(*testing.T, *process) client
	do      func(*process, client) *httptest.ResponseRecorder
	status  int // under the newest configuration
	refused int // if that lacks the profile or the resource too
}

// client is a registered client.
type client struct {
	ID         string `json:"client_id"`
	Secret     string `json:"client_secret"`
	Management string `json:"registration_access_token"`
}

// initialAccess stores an initial access token of the profile tools.
func initialAccess(t *testing.T, p *process) string {
	t.Helper()
	token, record, err := credential.NewInitialAccessToken(credential.Terms{Profile: "tools", CreatedBy: "ops"}, fake.NewClock().Second())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.store.CreateInitialAccessToken(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	return token.Reveal()
}

func (p *process) send(method, path, contentType, body, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", contentType)
	}
	r.Header.Set("Authorization", authorization)
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	return w
}

func (p *process) registerTools(body, initial string) *httptest.ResponseRecorder {
	return p.send(http.MethodPost, "/register", "application/json", body, "Bearer "+initial)
}

// registered returns the client that prepare registers with that body.
func registered(body string) func(*testing.T, *process) client {
	return func(t *testing.T, p *process) client {
		t.Helper()
		w := p.registerTools(body, initialAccess(t, p))
		p.want("register", w, http.StatusCreated, "client_id")
		var c client
		if err := json.Unmarshal(w.Body.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		return c
	}
}

func authorizeWith(redirect string, more url.Values) func(*process, client) *httptest.ResponseRecorder {
	return func(p *process, c client) *httptest.ResponseRecorder {
		v := url.Values{
			"response_type": {"code"}, "client_id": {c.ID}, "redirect_uri": {redirect}, "scope": {"mcp/read"}, "state": {"s"},
			"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
		}
		for name, values := range more {
			v[name] = values
		}
		return p.do(http.MethodGet, "/authorize?"+v.Encode(), "", "")
	}
}

// machineToken requests a token of client_credentials.
func machineToken(more url.Values) func(*process, client) *httptest.ResponseRecorder {
	return func(p *process, c client) *httptest.ResponseRecorder {
		v := url.Values{"grant_type": {"client_credentials"}}
		for name, values := range more {
			v[name] = values
		}
		r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(v.Encode()))
		r.Header.Set("Content-Type", form)
		r.SetBasicAuth(c.ID, c.Secret)
		w := httptest.NewRecorder()
		p.handler.ServeHTTP(w, r)
		return w
	}
}

var accesses = []access{
	{"register with an initial access token", newProfile, func(t *testing.T, p *process) client { return client{Secret: initialAccess(t, p)} },
		func(p *process, c client) *httptest.ResponseRecorder { return p.registerTools(toolsBody, c.Secret) }, 201, 403},
	{"update a registration", newProfile, registered(toolsBody), func(p *process, c client) *httptest.ResponseRecorder {
		body := strings.Replace(toolsBody, "{", `{"client_id":"`+c.ID+`",`, 1)
		return p.send(http.MethodPut, "/register/"+c.ID, "application/json", body, "Bearer "+c.Management)
	}, 200, 403},
	{"read a registration", newProfile, registered(toolsBody), func(p *process, c client) *httptest.ResponseRecorder {
		return p.send(http.MethodGet, "/register/"+c.ID, "", "", "Bearer "+c.Management)
	}, 200, 200},
	{"authorize", newProfile, registered(toolsBody), authorizeWith(toolsURI, nil), 303, 400},
	{"client_credentials", newProfile, registered(jobBody), machineToken(nil), 200, 400},
	{"client_credentials for a protected resource", newBoth, registered(jobBody), machineToken(url.Values{"resource": {filesURL}}), 200, 400},
	{"authorize for a protected resource", newResource, func(t *testing.T, p *process) client {
		return client{ID: clientID(t, p.register())}
	}, authorizeWith(callback, url.Values{"resource": {filesURL}}), 303, 400},
}

// For a minute after a change of the configuration, processes differ. A process
// with the older version serves what another one has accepted under the newer
// version: it reads the newest version before it refuses a client for good. If
// it cannot read it, the client may try again.
func TestAnOlderProcessServesWhatANewerOneHasAccepted(t *testing.T) {
	for _, a := range accesses {
		t.Run(a.name, func(t *testing.T) {
			fake.EachClock(t, func(t *testing.T, clock *fake.Clock) {
				table := memory.NewStore(clock.Now)
				reads, failing := 0, false
				store := table.Hooked(func(_ context.Context, op string, do func() error) error {
					if op == "Versions" {
						if reads++; failing {
							return fake.ErrInjected
						}
					}
					return do()
				})
				older := startProcess(t, clock, store)
				older.apply(document)
				older.want("the older version", older.register(), http.StatusCreated, "client_id")
				newer := startProcess(t, clock, table)
				newer.apply(a.newer)
				c := a.prepare(t, newer)
				newer.apply(document) // an operator rolls back

				check := func(when string, status, wantReads int) {
					t.Helper()
					reads = 0
					w := a.do(older, c)
					retry := w.Header().Get("Retry-After")
					got := w.Code
					if strings.Contains(w.Header().Get("Location"), "error=") {
						got = 400 // an answer to the client
					}
					if got != status || (retry != "") != (status == 503) {
						t.Errorf("%s: %d %.300s, Retry-After %q, want %d; %s", when, got, w.Body, retry, status, w.Header().Get("Location"))
					}
					if a.status != a.refused && reads != wantReads {
						t.Errorf("%s: %d reads, want %d", when, reads, wantReads)
					}
				}
				failed := 503
				if a.status == a.refused { // it needs no configuration
					failed = a.status
				}
				check("the newest version lacks it too", a.refused, 1)
				check("again", a.refused, 0)
				clock.Advance(5 * time.Second)
				failing = true
				check("the store fails", failed, 1)
				check("again", failed, 0)
				clock.Advance(5 * time.Second)
				failing = false
				newer.apply(a.newer)
				check("the newest version has it", a.status, 1)
			})
		})
	}
}
