package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/tool/devstack"
	"github.com/dcr-broker/dcr-broker/internal/tool/doctor"
	"github.com/dcr-broker/dcr-broker/internal/tool/signin"
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

// runDoctor runs dcrctl doctor without any of the broker's environment.
func runDoctor(t *testing.T, env map[string]string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), append([]string{"doctor"}, args...), &o, &e, func(name string) string { return env[name] })
	return code, o.String(), e.String()
}

// userConfig makes a configuration directory that has only the given configuration
// file, or none if file is empty. The test does not see the user's own.
func userConfig(t *testing.T, file string) {
	t.Helper()
	home := t.TempDir()
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "AppData"} {
		t.Setenv(name, home)
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		t.Fatal(err)
	}
	if file == "" {
		return
	}
	if err := os.MkdirAll(filepath.Join(dir, "dcrctl"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "dcrctl", "config.json"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDoctorExitCodes(t *testing.T) {
	userConfig(t, "")
	s := startStack(t)
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"nothing fails", []string{s.MCP}, 0, "0 failed"},
		{"an issuer", []string{s.Issuer, "--register", "none"}, 0, "0 failed"},
		{"something fails", []string{s.Cognito + "/us-east-1_local00001"}, 1, "server.pkce"},
		{"no server listens", []string{"http://127.0.0.1:1/"}, 1, "refused"},
		{"no URL", nil, 2, "<url>"},
		{"a path", []string{"mcp"}, 2, "not an http or https URL"},
		{"an unknown way to register", []string{s.MCP, "--register", "twice"}, 2, "register"},
		{"an unknown output", []string{s.MCP, "--output", "xml"}, 2, "output"},
		{"an invalid port", []string{s.MCP, "--sign-in", "--redirect-port", "99999"}, 2, "listen"},
		{"a sign-in without a client", []string{s.MCP, "--sign-in", "--register", "none"}, 2, "needs a client"},
	} {
		code, out, errs := runDoctor(t, nil, tt.args...)
		if code != tt.code || !strings.Contains(out+errs, tt.want) {
			t.Errorf("%s = %d, %s%s\nwant %d and %q", tt.name, code, out, errs, tt.code, tt.want)
		}
	}
}

func TestDoctorWritesJSON(t *testing.T) {
	userConfig(t, "")
	s := startStack(t)
	code, out, errs := runDoctor(t, nil, s.Cognito+"/us-east-1_local00001", "--output=json")
	var checks []map[string]any
	if err := json.Unmarshal([]byte(out), &checks); err != nil || code != 1 || errs != "" {
		t.Fatalf("doctor = %d, %q, %v: %s", code, errs, err, out)
	}
	if len(checks) != len(doctor.Checks()) {
		t.Errorf("%d checks, want %d", len(checks), len(doctor.Checks()))
	}
	for i, c := range checks {
		for _, name := range []string{"id", "status", "section", "detail"} {
			if v, ok := c[name].(string); !ok || v == "" {
				t.Errorf("check %d has no %s: %v", i, name, c)
			}
		}
		if c["id"] == "server.pkce" && (c["status"] != "fail" || c["clients"] == nil) {
			t.Errorf("%v, want a failed check with the clients that it breaks", c)
		}
	}
}

// After Ctrl-C the doctor writes the checks that it has made, and exits with 1.
func TestDoctorIsInterrupted(t *testing.T) {
	userConfig(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel() }))
	defer srv.Close()
	var out, errs bytes.Buffer
	code := run(ctx, []string{"doctor", srv.URL, "--output", "json"}, &out, &errs, func(string) string { return "" })
	var checks []doctor.Check
	if err := json.Unmarshal(out.Bytes(), &checks); err != nil || code != 1 || !strings.Contains(errs.String(), "canceled") {
		t.Errorf("doctor = %d, %q, %v, want 1 and an error that has \"canceled\"", code, errs.String(), err)
	}
	for _, c := range checks {
		if c.Status == doctor.Fail {
			t.Errorf("%+v failed, want no failed check: it was only interrupted", c)
		}
	}
}

// The environment takes precedence over the flag, and the flag over the file.
func TestDoctorInitialAccessToken(t *testing.T) {
	var mu sync.Mutex
	var sent []string
	var issuer string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/.well-known/oauth-authorization-server" {
			json.NewEncoder(w).Encode(map[string]string{"issuer": issuer, "registration_endpoint": issuer + "/register"})
			return
		}
		if r.URL.Path == "/register" && r.Method == http.MethodPost {
			mu.Lock()
			sent = append(sent, r.Header.Get("Authorization"))
			mu.Unlock()
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer srv.Close()
	issuer = srv.URL
	file := `{"initial_access_tokens": {"` + issuer + `": "from-the-file", "https://auth.example.com": "of-another"}}`
	const name = "MCP_OAUTH_INITIAL_ACCESS_TOKEN"
	for _, tt := range []struct {
		name string
		env  map[string]string
		args []string
		file string
		want string
	}{
		{"none", nil, nil, "", ""},
		{"from the file", nil, nil, file, "Bearer from-the-file"},
		{"for another issuer", nil, nil, `{"initial_access_tokens": {"https://auth.example.com": "of-another"}}`, ""},
		{"from the flag", nil, []string{"--initial-access-token", "from-the-flag"}, file, "Bearer from-the-flag"},
		{"from the environment", map[string]string{name: " from-the-environment\n"}, []string{"--initial-access-token", "from-the-flag"}, file, "Bearer from-the-environment"},
		{"an empty environment", map[string]string{name: ""}, []string{"--initial-access-token", "from-the-flag"}, file, "Bearer from-the-flag"},
	} {
		userConfig(t, tt.file)
		sent = nil
		_, out, errs := runDoctor(t, tt.env, append(tt.args, issuer)...)
		if len(sent) == 0 || sent[0] != tt.want {
			t.Errorf("%s: sent %q, want %q (%s)", tt.name, sent, tt.want, errs)
		}
		if strings.Contains(out+errs, "from-the-") {
			t.Errorf("%s: the output has the token: %s%s", tt.name, out, errs)
		}
	}
	for _, bad := range []string{"{", `{"initial_access_token": "a"}`, `{"initial_access_tokens": "a"}`} {
		userConfig(t, bad)
		if code, _, errs := runDoctor(t, nil, issuer); code != 2 || !strings.Contains(errs, "config.json") {
			t.Errorf("the file %s = %d, %q, want 2 and its name", bad, code, errs)
		}
	}
}

// With --no-browser the doctor prints the address, and the user signs in there.
func TestDoctorSignsIn(t *testing.T) {
	userConfig(t, "")
	s := startStack(t)
	stderr, errs := io.Pipe()
	visited := make(chan error, 1)
	go func() {
		visited <- func() error {
			defer io.Copy(io.Discard, stderr)
			buf, text := make([]byte, 4096), ""
			for !strings.Contains(text, "\n\n  http") || !strings.HasSuffix(text, "\n\n") {
				n, err := stderr.Read(buf)
				if err != nil {
					return err
				}
				text += string(buf[:n])
			}
			b := &signin.Browser{Username: s.Username, Password: s.Password}
			_, address, _ := strings.Cut(text, "\n\n  ")
			u, err := url.Parse(strings.TrimSpace(address))
			if err != nil {
				return err
			}
			to, err := b.Visit(t.Context(), u.String(), u.Query().Get("redirect_uri"))
			if err != nil {
				return err
			}
			_, err = b.Open(t.Context(), to.String())
			return err
		}()
	}()
	var out bytes.Buffer
	code := run(t.Context(), []string{"doctor", s.MCP, "--sign-in", "--no-browser", "--register", "one"}, &out, errs, func(string) string { return "" })
	errs.Close()
	if err := <-visited; err != nil {
		t.Errorf("sign in: %v", err)
	}
	if code != 0 || !strings.Contains(out.String(), `"echo", "whoami"`) {
		t.Errorf("doctor = %d, want 0 and the tools:\n%s", code, out.String())
	}
}
