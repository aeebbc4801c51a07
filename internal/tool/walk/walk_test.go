package walk

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/dcr-broker/dcr-broker/internal/tool/devstack"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// modes are the values of AUTHORIZATION.
var modes = []broker.Mode{broker.ModeDirect, broker.ModeBrokered}

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

func options(s *devstack.Stack) Options {
	return Options{MCP: s.MCP, Username: s.Username, Password: s.Password}
}

// recorder is a transport that records the secrets in requests and answers.
type recorder struct {
	mu      sync.Mutex
	secrets map[string]bool
}

func (w *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	w.record(req.Header.Get("Authorization"))
	for _, q := range []string{req.URL.RawQuery, takeBody(&req.Body)} {
		w.recordForm(q)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	var object map[string]any
	if json.Unmarshal([]byte(takeBody(&res.Body)), &object) == nil {
		for _, name := range []string{"access_token", "refresh_token", "client_secret", "registration_access_token"} {
			if s, ok := object[name].(string); ok {
				w.record(s)
			}
		}
	}
	for _, c := range res.Cookies() {
		w.record(c.Value)
	}
	if to, err := res.Location(); err == nil {
		w.recordForm(to.RawQuery)
	}
	return res, nil
}

func (w *recorder) recordForm(s string) {
	q, err := url.ParseQuery(s)
	if err != nil {
		return
	}
	for _, name := range []string{"code", "code_verifier", "client_secret", "password", "_csrf", "csrf"} {
		w.record(q.Get(name))
	}
}

func (w *recorder) record(secret string) {
	_, credentials, ok := strings.Cut(secret, " ")
	if ok {
		secret = credentials
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if secret != "" {
		w.secrets[secret] = true
	}
}

// takeBody returns the content of a body, which can be read again.
func takeBody(body *io.ReadCloser) string {
	if *body == nil {
		return ""
	}
	b, _ := io.ReadAll(*body)
	(*body).Close()
	*body = io.NopCloser(bytes.NewReader(b))
	return string(b)
}

// The steps of a walk in both modes. stepsOf inserts the others.
var steps = []string{
	"Call the MCP server without a token", "Read the protected resource metadata (RFC 9728)",
	"Read the authorization server metadata (RFC 8414)", "Register, openly, as a public client (RFC 7591)",
	"Make the authorization URL, with PKCE", "Sign in as alice", "Receive the code at the redirect URI",
	"Exchange the code for tokens", "Call the MCP server with the token", "List the tools", "Call the tool echo",
	"Call the tool whoami", "Call the tool write_log, which needs a scope that the token lacks",
	"Make another authorization URL, with the missing scope and the previous one", "Open it with the same browser, still signed in as alice",
	"Receive the code at the redirect URI", "Exchange the code for tokens", "Call the tool write_log again, with the new token",
}

func stepsOf(mode broker.Mode, confidential bool) []string {
	list := slices.Clone(steps)
	if confidential {
		list[3] = "Register as a confidential client, with an initial access token (RFC 7591)"
	}
	if mode == broker.ModeDirect || confidential {
		list = append(list, "Delete the client (RFC 7592)")
	}
	if mode == broker.ModeBrokered {
		const allow = "Allow the client on the consent page"
		list = slices.Insert(slices.Insert(list, 15, allow), 6, allow)
	}
	return list
}

func TestWalk(t *testing.T) {
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) { t.Parallel(); testWalk(t, mode) })
	}
}

func testWalk(t *testing.T, mode broker.Mode) {
	s := startStack(t, mode)
	open, confidential := stepsOf(mode, false), stepsOf(mode, true)
	// Patterns that the report must match in each mode.
	patterns := map[broker.Mode][]string{
		broker.ModeDirect: {`ok Cognito itself authorizes clients`},
		broker.ModeBrokered: {
			`ok the broker authorizes clients`, `ok no way to manage it`, `ok it leads to the broker`,
			`ok the user is signed in, but has not allowed`, `"?Walk through the broker`, `ok the page names the client as unverified`,
			`iss +http://localhost`, `ok iss is the issuer`, `ok the refresh token is the broker's own`,
			`ok its client_id is the broker's app client`,
		},
	}
	tests := []struct {
		name   string
		change func(*Options)
		steps  []string
		says   []string
	}{
		{"public client", func(*Options) {}, open, append([]string{
			`token_endpoint_auth_method  none`, `username   alice`, `token_use  access`, `code_challenge_method  S256`,
			`error +insufficient_scope`, `scope of the token  mcp/read\n`, `text  written`,
		}, patterns[mode]...)},
		{"confidential client", func(o *Options) { o.InitialAccessToken = s.InitialAccessToken }, confidential, []string{
			`Authorization  *Bearer dcr_iat_…`, `Authorization  Basic `, `client_secret_expires_at *0`,
		}},
		{"confidential client, secret in the body", func(o *Options) {
			o.InitialAccessToken, o.AuthMethod = s.InitialAccessToken, "client_secret_post"
		}, confidential, []string{`> *client_secret  `}},
		{"verbose", func(o *Options) { o.Verbose = true }, open, []string{`Cache-Control *no-store`, `jwks_uri `}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := options(s)
			tt.change(&o)
			w := &recorder{secrets: map[string]bool{o.Password: true}}
			var out strings.Builder
			got, err := runOver(t.Context(), w, &out, o)
			if err != nil {
				t.Fatalf("the walk failed: %v\n%s", err, out.String())
			}
			report := out.String()
			if got.ClientID == "" || got.AccessToken == "" || got.RefreshToken == "" || (got.ClientSecret == "") != (o.InitialAccessToken == "") {
				t.Errorf("the outcome lacks something: %#v", got)
			}

			var titles []string
			for _, m := range regexp.MustCompile(`(?m)^ ?\d+\. (.*)$`).FindAllStringSubmatch(report, -1) {
				titles = append(titles, m[1])
			}
			if !slices.Equal(titles, tt.steps) {
				t.Errorf("steps = %q, want %q", titles, tt.steps)
			}
			for _, pattern := range tt.says {
				if !regexp.MustCompile(pattern).MatchString(report) {
					t.Errorf("the report does not match %q:\n%s", pattern, report)
				}
			}
			if len(w.secrets) < 7 {
				t.Errorf("%d secrets, want at least 7; with fewer the test proves nothing", len(w.secrets))
			}
			for secret := range w.secrets {
				if strings.Contains(report, secret) {
					t.Errorf("the report has the secret %q", secret)
				}
			}
			for line := range strings.Lines(report) {
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 100 && !o.Verbose {
					t.Errorf("a line has %d columns, want 100 at most: %s", n, line)
				}
				if strings.Contains(line, "\x1b") || line != strings.TrimRight(line, " \n")+"\n" {
					t.Errorf("a line has colours or trailing space: %q", line)
				}
			}
		})
	}
}

func TestWalkReportsAWrongPassword(t *testing.T) {
	s := startStack(t, broker.ModeBrokered)
	o := options(s)
	o.Password = "wrong"
	_, err := Run(t.Context(), io.Discard, o)
	const want = "Incorrect username or password."
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Run = %v, want an error with %q", err, want)
	}
}

func TestWalkReportsABadInitialAccessToken(t *testing.T) {
	s := startStack(t, broker.ModeBrokered)
	o := options(s)
	o.InitialAccessToken = "dcr_iat_unknown"
	_, err := Run(t.Context(), io.Discard, o)
	if err == nil || !strings.Contains(err.Error(), "step 4 ") || strings.Contains(err.Error(), o.InitialAccessToken) {
		t.Errorf("Run = %v, want an error of step 4 without the token", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := Options{MCP: "http://localhost:8090/mcp", Username: "alice", Password: "p"}
	for name, change := range map[string]func(*Options){
		"no server":            func(o *Options) { o.MCP = "" },
		"no username":          func(o *Options) { o.Username = "" },
		"no password":          func(o *Options) { o.Password = "" },
		"unknown method":       func(o *Options) { o.InitialAccessToken, o.AuthMethod = "t", "private_key_jwt" },
		"id and token":         func(o *Options) { o.ClientID, o.InitialAccessToken = "dcr_a", "t" },
		"secret without id":    func(o *Options) { o.ClientSecret = "s" },
		"method without token": func(o *Options) { o.AuthMethod = "client_secret_post" },
	} {
		o := good
		change(&o)
		if _, err := Run(t.Context(), io.Discard, o); err == nil {
			t.Errorf("%s: Run = nil, want an error", name)
		}
	}
}

func TestRedact(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"client_name", "a name that is long enough", "a name that is long enough"},
		{"access_token", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "eyJhbGci…"},
		{"Authorization", "Bearer dcr_iat_abcdefghijkl", "Bearer dcr_iat_…"},
		{"Authorization", "dcr_iat_abcdefghijkl", "dcr_iat_…"},
		{"password", "Correct-Horse-9", "…"}, // 8 characters would be half of it
		{"password", "", "…"},
	} {
		if got := redact(tt.name, tt.value); got != tt.want {
			t.Errorf("redact(%q, %q) = %q, want %q", tt.name, tt.value, got, tt.want)
		}
	}
}
