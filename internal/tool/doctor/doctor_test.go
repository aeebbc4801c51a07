package doctor

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// The broker in its default mode passes all checks, with and without an initial
// access token.
func TestOurOwnStackPasses(t *testing.T) {
	s := startStack(t, broker.ModeBrokered)
	for _, tt := range []struct {
		name    string
		o       Options
		skipped []string // all others pass
	}{
		{"open", Options{URL: s.MCP, Open: user(s, nil)}, []string{"server.oidc-appended", "register.read", "clean-up.clients"}},
		{"with an initial access token", Options{URL: s.MCP, Open: user(s, nil), InitialAccessToken: s.InitialAccessToken, Register: RegisterAll}, []string{"server.oidc-appended"}},
		{"as an issuer", Options{URL: s.Issuer, Open: user(s, nil)}, []string{
			"challenge.*", "resource.*", "server.oidc-appended", "register.read", "sign-in.initialize", "sign-in.tools", "clean-up.clients",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, c := range run(t, tt.o) {
				prefix, _, _ := strings.Cut(c.ID, ".")
				want := Pass
				if slices.Contains(tt.skipped, c.ID) || slices.Contains(tt.skipped, prefix+".*") {
					want = Skip
				}
				if c.Status != want {
					t.Errorf("%s = %s (%s), want %s", c.ID, c.Status, c.Detail, want)
				}
			}
		})
	}
}

// In direct mode the doctor warns about the features that Cognito's own
// authorize endpoint lacks.
func TestDirectModeHasWarnings(t *testing.T) {
	s := startStack(t, broker.ModeDirect)
	got := make(map[string]Status)
	for _, c := range run(t, Options{URL: s.MCP, Open: user(s, nil)}) {
		if c.Status == Fail || c.Status == Warning {
			got[c.ID] = c.Status
		}
	}
	for id, want := range map[string]Status{"server.iss": Warning, "server.authorize-origin": Warning, "authorize.loopback-port": Warning, "authorize.pkce": Warning} {
		if got[id] != want {
			t.Errorf("%s = %s, want %s", id, got[id], want)
		}
	}
	for id, s := range got {
		if s == Fail {
			t.Errorf("%s failed", id)
		}
	}
}

// Each check is reported once, in the order of Checks, as it becomes known.
func TestEveryCheckIsReportedInOrder(t *testing.T) {
	s := startStack(t, broker.ModeBrokered)
	var want []string
	for _, def := range Checks() {
		want = append(want, def.ID)
	}
	for name, o := range map[string]Options{
		"all":              {URL: s.MCP, Open: user(s, nil)},
		"no server":        {URL: "http://127.0.0.1:1/mcp"},
		"no registration":  {URL: s.MCP, Register: RegisterNone},
		"no MCP server":    {URL: s.Issuer + "/token"},
		"no issuer either": {URL: s.Cognito + "/nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			var reported, got []string
			o.Each = func(c Check) { reported = append(reported, c.ID) }
			for _, c := range run(t, o) {
				got = append(got, c.ID)
				if c.Detail == "" || c.Section == "" {
					t.Errorf("%s lacks something: %+v", c.ID, c)
				}
			}
			if !slices.Equal(got, want) || !slices.Equal(reported, want) {
				t.Errorf("checks = %q\nreported = %q\nwant %q", got, reported, want)
			}
		})
	}
	if sorted := slices.Clone(want); len(slices.Compact(slices.Sorted(slices.Values(sorted)))) != len(want) {
		t.Errorf("two checks have one id: %q", want)
	}
}

func TestUsageErrors(t *testing.T) {
	for name, o := range map[string]Options{
		"no URL":                 {URL: "::"},
		"a path":                 {URL: "/mcp"},
		"another scheme":         {URL: "file:///etc/passwd"},
		"a script":               {URL: "javascript:alert(1)"},
		"a password":             {URL: "https://a:b@mcp.example.com/"},
		"a fragment":             {URL: "https://mcp.example.com/#a"},
		"sign-in with no client": {URL: "https://mcp.example.com/", Register: RegisterNone, Open: func(context.Context, string) error { return nil }},
		"an unknown way":         {URL: "https://mcp.example.com/", Register: "twice"},
	} {
		checks, err := Run(t.Context(), o)
		if _, ok := errors.AsType[*UsageError](err); !ok || checks != nil {
			t.Errorf("%s: Run = %v, %v, want a UsageError", name, checks, err)
		}
	}
}

// Registrations are deleted even if the doctor is interrupted, and even during
// the registration request itself.
func TestRegistrationsAreDeleted(t *testing.T) {
	s := startStack(t, broker.ModeBrokered)
	for _, tt := range []struct {
		name string
		at   func(*http.Request) bool // interrupt at this request
	}{
		{"in the end", func(*http.Request) bool { return false }},
		{"interrupted while it registers", func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Path == "/register" }},
		{"interrupted later", func(r *http.Request) bool { return r.URL.Path == "/authorize" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var mu sync.Mutex
			registered, deleted, interrupted := 0, 0, false
			p := &proxy{faults: []fault{{change: func(r *http.Request, a *fake) {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case r.Method == http.MethodPost && r.URL.Path == "/register" && a.status == http.StatusCreated:
					registered++
				case r.Method == http.MethodDelete && a.status == http.StatusNoContent:
					deleted++
				}
				if tt.at(r) {
					interrupted = true
					cancel()
				}
			}}}}
			checks, err := Run(ctx, Options{URL: s.MCP, InitialAccessToken: s.InitialAccessToken, Register: RegisterAll, Transport: p})
			if interrupted != errors.Is(err, context.Canceled) {
				t.Errorf("Run = %v, interrupted = %v", err, interrupted)
			}
			if registered == 0 || deleted != registered {
				t.Errorf("%d of %d registrations were deleted", deleted, registered)
			}
			if c := find(t, checks, "clean-up.clients"); c.Status != Pass {
				t.Errorf("clean-up = %+v, want pass", c)
			}
			for _, c := range checks {
				if interrupted && c.Status == Fail {
					t.Errorf("an interruption is no fault of the server: %+v", c)
				}
			}
		})
	}
}

// A token is sent only over https or to this machine, and only to its issuer.
func TestInitialAccessTokensAreProtected(t *testing.T) {
	s := startStack(t, broker.ModeBrokered)
	var mu sync.Mutex
	seen := ""
	p := &proxy{sent: func(r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/register" && r.Header.Get("Authorization") != "" {
			seen = r.Header.Get("Authorization")
		}
	}}
	for _, tt := range []struct {
		name   string
		o      Options
		faults []fault
		want   bool
	}{
		{"for any issuer", Options{InitialAccessToken: s.InitialAccessToken}, nil, true},
		{"for this issuer", Options{InitialAccessTokens: map[string]string{s.Issuer: s.InitialAccessToken}}, nil, true},
		{"for another issuer", Options{InitialAccessTokens: map[string]string{"https://auth.example.com": s.InitialAccessToken}}, nil, false},
		{"over plain http", Options{InitialAccessToken: s.InitialAccessToken}, []fault{{path: "oauth-authorization-server", change: func(_ *http.Request, a *fake) {
			a.set("registration_endpoint", "http://auth.example.com/register")
		}}}, false},
	} {
		seen = ""
		tt.o.URL, tt.o.Transport = s.MCP, p
		p.faults, p.hosts = tt.faults, map[string]string{"auth.example.com": strings.TrimPrefix(s.Issuer, "http://")}
		run(t, tt.o)
		if sent := seen == "Bearer "+s.InitialAccessToken; sent != tt.want {
			t.Errorf("%s: sent = %v (%q), want %v", tt.name, sent, seen, tt.want)
		}
	}
}

func TestOtherClientsAreRegisteredOnlyIfDeletable(t *testing.T) {
	s := startStack(t, broker.ModeBrokered)
	elsewhere := []fault{{path: "oauth-authorization-server", change: func(_ *http.Request, a *fake) {
		a.set("registration_endpoint", "https://auth.example.com/register")
	}}}
	hosts := map[string]string{"auth.example.com": strings.TrimPrefix(s.Issuer, "http://")}
	for _, tt := range []struct {
		name string
		o    Options
		want Status
	}{
		{"on this machine", Options{}, Pass},
		{"elsewhere", Options{Transport: &proxy{faults: elsewhere, hosts: hosts}}, Skip},
		{"elsewhere, all", Options{Transport: &proxy{faults: elsewhere, hosts: hosts}, Register: RegisterAll}, Pass},
		{"one", Options{Register: RegisterOne}, Skip},
		{"with a token", Options{InitialAccessToken: s.InitialAccessToken}, Skip},
	} {
		tt.o.URL = s.MCP
		if c := find(t, run(t, tt.o), "clients.claude"); c.Status != tt.want {
			t.Errorf("%s: %+v, want %s", tt.name, c, tt.want)
		}
	}
}

// Redirects of documents are followed, up to a limit and never from https to
// http.
func TestRedirects(t *testing.T) {
	var loop string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, loop, http.StatusFound)
	}))
	defer srv.Close()
	d, err := newDoctor(Options{URL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]string{
		"/again":             "more than 5 redirects",
		"file:///etc/passwd": "not an http or https URL",
		"javascript:1":       "not an http or https URL",
	} {
		loop = to
		if _, err := d.get(t.Context(), srv.URL); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a redirect to %s = %v, want %q", to, err, want)
		}
	}
	d.http = &http.Client{CheckRedirect: d.http.CheckRedirect, Transport: &proxy{hosts: map[string]string{"a.example.com": strings.TrimPrefix(srv.URL, "http://")}}}
	loop = "http://a.example.com/"
	if _, err := d.get(t.Context(), "https://a.example.com/"); err == nil || !strings.Contains(err.Error(), "leads from https") {
		t.Errorf("a redirect from https to http = %v, want an error", err)
	}
}

func TestAnswersAreLimited(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range maxBody/1024 + 2 {
			w.Write(make([]byte, 1024))
		}
	}))
	defer srv.Close()
	checks := run(t, Options{URL: srv.URL})
	if c := find(t, checks, "target.answers"); c.Status != Fail || !strings.Contains(c.Detail, "longer than") {
		t.Errorf("%+v, want the fault that it is too long", c)
	}
}
