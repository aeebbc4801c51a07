package walk

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/dcr-broker/dcr-broker/internal/devstack"
)

func startStack(t *testing.T) *devstack.Stack {
	t.Helper()
	s, err := devstack.Start(t.Context(), devstack.Options{})
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

func openly(s *devstack.Stack) Options {
	return Options{MCP: s.MCP, Username: s.Username, Password: s.Password}
}

// witness passes everything on and remembers the secrets that go by.
type witness struct {
	mu      sync.Mutex
	secrets map[string]bool
}

func (w *witness) RoundTrip(req *http.Request) (*http.Response, error) {
	w.saw(req.Header.Get("Authorization"))
	for _, q := range []string{req.URL.RawQuery, takeBody(&req.Body)} {
		w.sawForm(q)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	var object map[string]any
	if json.Unmarshal([]byte(takeBody(&res.Body)), &object) == nil {
		for _, name := range []string{"access_token", "refresh_token", "client_secret", "registration_access_token"} {
			if s, ok := object[name].(string); ok {
				w.saw(s)
			}
		}
	}
	for _, c := range res.Cookies() {
		w.saw(c.Value)
	}
	return res, nil
}

func (w *witness) sawForm(s string) {
	q, err := url.ParseQuery(s)
	if err != nil {
		return
	}
	for _, name := range []string{"code", "code_verifier", "client_secret", "password", "_csrf"} {
		w.saw(q.Get(name))
	}
}

func (w *witness) saw(secret string) {
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

// takeBody reads a body and puts it back.
func takeBody(body *io.ReadCloser) string {
	if *body == nil {
		return ""
	}
	b, _ := io.ReadAll(*body)
	(*body).Close()
	*body = io.NopCloser(bytes.NewReader(b))
	return string(b)
}

func TestWalk(t *testing.T) {
	s := startStack(t)
	steps := []string{
		"Call the MCP server without a token", "Read the protected resource metadata (RFC 9728)",
		"Read the authorization server metadata (RFC 8414)", "Register, openly, as a public client (RFC 7591)",
		"Make the authorization URL, with PKCE", "Sign in as alice", "Receive the code at the redirect URI",
		"Exchange the code for tokens", "Call the MCP server with the token", "List the tools", "Call the tool echo",
		"Call the tool whoami", "Delete the client again (RFC 7592)",
	}
	confidential := slices.Clone(steps)
	confidential[3] = "Register as a confidential client, with an initial access token (RFC 7591)"

	tests := []struct {
		name   string
		change func(*Options)
		steps  []string
		says   []string
	}{
		{"public client", func(*Options) {}, steps, []string{
			`token_endpoint_auth_method  none`, `username   alice`, `token_use  access`, `code_challenge_method  S256`,
		}},
		{"confidential client", func(o *Options) { o.InitialAccessToken = s.InitialAccessToken }, confidential, []string{
			`Authorization  *Bearer dcr_iat_…`, `Authorization  Basic `, `client_secret_expires_at *0`,
		}},
		{"confidential client, secret in the body", func(o *Options) {
			o.InitialAccessToken, o.AuthMethod = s.InitialAccessToken, "client_secret_post"
		}, confidential, []string{`> *client_secret  `}},
		{"verbose", func(o *Options) { o.Verbose = true }, steps, []string{`Cache-Control *no-store`, `jwks_uri `}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := openly(s)
			tt.change(&o)
			w := &witness{secrets: map[string]bool{o.Password: true}}
			var out strings.Builder
			if err := runOver(t.Context(), w, &out, o); err != nil {
				t.Fatalf("the walk failed: %v\n%s", err, out.String())
			}
			report := out.String()

			var titles []string
			for _, m := range regexp.MustCompile(`(?m)^ ?\d+\. (.*)$`).FindAllStringSubmatch(report, -1) {
				titles = append(titles, m[1])
			}
			if !slices.Equal(titles, tt.steps) {
				t.Errorf("steps = %q, want %q", titles, tt.steps)
			}
			for _, pattern := range tt.says {
				if !regexp.MustCompile(pattern).MatchString(report) {
					t.Errorf("the report does not say %q:\n%s", pattern, report)
				}
			}
			if len(w.secrets) < 7 {
				t.Errorf("%d secrets went by, want at least 7; the check for them is worth nothing", len(w.secrets))
			}
			for secret := range w.secrets {
				if strings.Contains(report, secret) {
					t.Errorf("the report gives away %q", secret)
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

// tampering changes answers on their way to the client.
type tampering struct {
	address string // the end of the path
	edit    func(*http.Response, map[string]any)
}

func (tm *tampering) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || !strings.HasSuffix(req.URL.Path, tm.address) {
		return res, err
	}
	body := takeBody(&res.Body)
	var object map[string]any
	if t, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); t == "application/json" {
		if err := json.Unmarshal([]byte(body), &object); err != nil {
			return nil, err
		}
	}
	tm.edit(res, object)
	if object != nil {
		edited, err := json.Marshal(object)
		if err != nil {
			return nil, err
		}
		body = string(edited)
	}
	res.Body = io.NopCloser(strings.NewReader(body))
	res.ContentLength = int64(len(body))
	return res, nil
}

// A walk that cannot fail shows nothing.
func TestWalkStopsAtTheStepThatDoesNotHold(t *testing.T) {
	s := startStack(t)
	const (
		prm      = "/.well-known/oauth-protected-resource/mcp"
		metadata = "/.well-known/oauth-authorization-server"
	)
	set := func(name string, value any) func(*http.Response, map[string]any) {
		return func(_ *http.Response, o map[string]any) { o[name] = value }
	}
	without := func(name string) func(*http.Response, map[string]any) {
		return func(_ *http.Response, o map[string]any) { delete(o, name) }
	}
	status := func(code int) func(*http.Response, map[string]any) {
		return func(r *http.Response, _ map[string]any) { r.StatusCode, r.Status = code, http.StatusText(code) }
	}
	header := func(name, value string) func(*http.Response, map[string]any) {
		return func(r *http.Response, _ map[string]any) { r.Header.Set(name, value) }
	}
	redirect := func(old, new string) func(*http.Response, map[string]any) {
		return func(r *http.Response, _ map[string]any) {
			r.Header.Set("Location", regexp.MustCompile(old).ReplaceAllString(r.Header.Get("Location"), new))
		}
	}
	tests := []struct {
		name    string
		address string
		edit    func(*http.Response, map[string]any)
		want    string // in the error
	}{
		{"no challenge", "/mcp", func(r *http.Response, _ map[string]any) { r.Header.Del("WWW-Authenticate") }, "step 1 "},
		{"challenge without metadata", "/mcp", header("WWW-Authenticate", `Bearer scope="mcp/read"`), "names no resource_metadata"},
		{"challenge with an error", "/mcp", header("WWW-Authenticate", `Bearer error="invalid_token", resource_metadata="`+prm+`"`), "step 1 "},
		{"another resource", prm, set("resource", s.MCP+"/"), "step 2 "},
		{"no authorization server", prm, set("authorization_servers", []string{}), "authorization_servers is empty"},
		{"resource metadata gone", prm, status(404), "step 2 "},
		{"issuer with a slash", metadata, set("issuer", s.Issuer+"/"), "step 3 "}, // which the SDK tolerates
		{"Cognito's issuer", metadata, set("issuer", s.Cognito), "issuer is"},
		{"no PKCE", metadata, without("code_challenge_methods_supported"), "code_challenge_methods_supported"},
		{"no public clients", metadata, set("token_endpoint_auth_methods_supported", []string{"client_secret_basic"}), "token_endpoint_auth_methods_supported"},
		{"no registration", metadata, without("registration_endpoint"), "registration_endpoint is missing"},
		{"metadata not JSON", metadata, header("Content-Type", "text/html"), `Content-Type "text/html"`},
		{"registered with 200", "/register", status(200), "step 4 "},
		{"registration refused", "/register", status(401), "step 4 "},
		{"another method registered", "/register", set("token_endpoint_auth_method", "client_secret_basic"), "token_endpoint_auth_method is"},
		{"redirect URI not echoed", "/register", without("redirect_uris"), "redirect_uris is"},
		{"a secret for a public client", "/register", set("client_secret", "s"), "a public client got a client_secret"},
		{"registration may be cached", "/register", header("Cache-Control", "public"), "Cache-Control"},
		{"another client id", "/register", set("client_id", "elsewhere"), "step 6 "}, // Cognito shows an error page
		{"another state", "/login", redirect(`([?&]state=)[^&]*`, "${1}evil"), "state is"},
		{"no code", "/login", redirect(`([?&])code=[^&]*`, "${1}error=access_denied"), "code is missing"},
		{"another issuer", "/login", redirect(`$`, "&iss=https%3A%2F%2Fevil.example"), "iss is"},
		{"issuer promised and not sent", metadata, set("authorization_response_iss_parameter_supported", true), "iss is"},
		{"token refused", "/token", status(401), "step 8 "},
		{"no scope in the answer", "/token", without("scope"), "scope is"},
		{"no refresh token", "/token", without("refresh_token"), "refresh_token is missing"},
		{"token may be cached", "/token", header("Cache-Control", ""), "Cache-Control"},
		{"another token", "/token", set("access_token", "abc"), "step 9 "},
		{"a way to manage without a token", "/register", without("registration_access_token"), "go together"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			err := runOver(t.Context(), &tampering{tt.address, tt.edit}, &out, openly(s))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("the walk's error = %v, want one with %q\n%s", err, tt.want, out.String())
			}
			if !strings.HasSuffix(out.String(), "FAILED\n") {
				t.Errorf("the report does not end with FAILED:\n%s", out.String())
			}
		})
	}
}

func TestWalkSaysThatThePasswordIsWrong(t *testing.T) {
	s := startStack(t)
	o := openly(s)
	o.Password = "wrong"
	err := Run(t.Context(), io.Discard, o)
	const want = "Incorrect username or password."
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Run = %v, want an error with %q", err, want)
	}
}

func TestWalkRefusesABadInitialAccessToken(t *testing.T) {
	s := startStack(t)
	o := openly(s)
	o.InitialAccessToken = "dcr_iat_unknown"
	err := Run(t.Context(), io.Discard, o)
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
		"method without token": func(o *Options) { o.AuthMethod = "client_secret_post" },
	} {
		o := good
		change(&o)
		if err := Run(t.Context(), io.Discard, o); err == nil {
			t.Errorf("%s: Run = nil, want an error", name)
		}
	}
}

func TestSignInForm(t *testing.T) {
	tests := []struct {
		name, page string
		want       string // action, username, password, fields; empty if there is no such form
	}{
		{"no form", `<p>Login pages unavailable.</p>`, ""},
		{"a form without a password", `<form action="/search"><input name="q"></form>`, ""},
		{"the second form", `<form action="/search"><input name="q"></form>
			<FORM METHOD=post ACTION='/login?a=b&amp;c=d'><input TYPE=hidden name=_csrf value="a&quot;b">
			<input name="username" type="text"><input type='password' name='password'>
			<input type="checkbox" name="remember" value="1"><button type="submit" name="go" value="in">Go</button></FORM>`,
			`/login?a=b&c=d username password _csrf=a%22b&go=in`},
		{"an e-mail address", `<form><input type="email" name="mail"><input type="password" name="pw"></form>`, ` mail pw `},
		{"another text first", `<form action="x"><input type="text" name="tenant"><input name="username"><input type="password" name="pw"></form>`, `x username pw `},
	}
	for _, tt := range tests {
		f, ok := signInForm(tt.page)
		got := ""
		if ok {
			got = strings.Join([]string{f.action, f.username, f.password, f.fields.Encode()}, " ")
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestShown(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"client_name", "a name that is long enough", "a name that is long enough"},
		{"access_token", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "eyJhbGci…"},
		{"Authorization", "Bearer dcr_iat_abcdefghijkl", "Bearer dcr_iat_…"},
		{"Authorization", "dcr_iat_abcdefghijkl", "dcr_iat_…"},
		{"password", "Correct-Horse-9", "…"}, // half of it would be too much
		{"password", "", "…"},
	} {
		if got := shown(tt.name, tt.value); got != tt.want {
			t.Errorf("shown(%q, %q) = %q, want %q", tt.name, tt.value, got, tt.want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		s     string
		width int
		want  []string
	}{
		{"", 10, []string{""}},
		{"one two three", 7, []string{"one two", "three"}},
		{"http://localhost:8080/register", 10, []string{"http://localhost:8080/register"}}, // a broken URL cannot be clicked
		{"ein Österreicher", 16, []string{"ein Österreicher"}},
		{"two\nlines", 80, []string{"two", "lines"}},
	} {
		if got := wrap(tt.s, tt.width); !slices.Equal(got, tt.want) {
			t.Errorf("wrap(%q, %d) = %q, want %q", tt.s, tt.width, got, tt.want)
		}
	}
}
