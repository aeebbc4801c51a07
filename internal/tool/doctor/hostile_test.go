package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// plain reports whether s has no characters that control a terminal.
func plain(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// same is a transport that gives one answer to every request.
type same struct {
	status int
	header http.Header
	body   []byte
}

func (s same) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: s.status, Header: s.header.Clone(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(s.body)), ContentLength: int64(len(s.body)), Request: req,
	}, nil
}

// comeBack opens the redirect URI with the parameters, without a sign-in.
func comeBack(params string) func(context.Context, string) error {
	return func(_ context.Context, address string) error {
		u, err := url.Parse(address)
		if err != nil {
			return err
		}
		q := u.Query()
		res, err := http.Get(q.Get("redirect_uri") + "?state=" + url.QueryEscape(q.Get("state")) + "&" + params)
		if err != nil {
			return err
		}
		return res.Body.Close()
	}
}

// everything is valid as every document that the doctor reads, so that the
// fuzzer's variations get past the first step.
const everything = `{"resource":"https://s.example.com/mcp","authorization_servers":["https://s.example.com"],"issuer":"https://s.example.com",
"authorization_endpoint":"https://s.example.com/a","token_endpoint":"https://s.example.com/t","registration_endpoint":"https://s.example.com/r",
"revocation_endpoint":"https://s.example.com/v","response_types_supported":["code"],"code_challenge_methods_supported":["S256"],
"client_id":"c","redirect_uris":["http://127.0.0.1/"],"client_secret":"sssssss","registration_client_uri":"https://s.example.com/c",
"registration_access_token":"rrrrrrr","access_token":"e30.eyJleHAiOjF9.c2ln","refresh_token":"ttttttt","token_type":"Bearer","expires_in":1,
"jsonrpc":"2.0","id":1,"result":{"tools":[null],"protocolVersion":"2025-06-18","serverInfo":{"name":"\u001b[31m","version":"1"},"capabilities":{"tools":{}}}}`

// Whatever a server sends, the doctor reports each check once, in printable
// characters.
func FuzzAnyServer(f *testing.F) {
	f.Add(200, "", "application/json", []byte(everything))
	f.Add(401, `Bearer resource_metadata="https://s.example.com/m", scope="a b"`, "application/json", []byte(everything))
	f.Add(401, `Bearer a="`, "application/json; charset=\x1b", []byte(`{"error":"\u001b]0;x\u0007"}`))
	f.Add(401, "bearer  ,,=,", "", []byte(`{`))
	f.Add(302, "Bearer", "text/html", []byte(`[]`))
	f.Add(200, "Bearer ,x", "text/event-stream", []byte("data: {}\n\n"))
	f.Add(201, "Bearer \x00\xff", "application/json", []byte(`null`))
	f.Add(200, "", "application/json", []byte(strings.Repeat("[", 20000)))
	f.Add(200, "", "application/json", []byte(strings.ReplaceAll(everything, "https://s.example.com", "javascript:alert(1)//")))
	f.Add(200, "", "application/json", []byte(strings.ReplaceAll(everything, `"c"`, "null")))
	f.Add(201, "Bearer", "application/json", []byte(strings.ReplaceAll(everything, "https://s.example.com", "http://[::1%25\\u202e]:99999")))
	f.Add(200, "", "application/json", []byte(strings.ReplaceAll(everything, "ttttttt", "[redacted]")))
	f.Fuzz(func(t *testing.T, status int, challenge, contentType string, body []byte) {
		header := http.Header{"Www-Authenticate": {challenge}, "Content-Type": {contentType}, "Location": {challenge}, "Cache-Control": {contentType}}
		if status < 100 || status > 999 {
			status = 200
		}
		var out strings.Builder
		table := NewTable(&out, false)
		d, err := newDoctor(Options{
			URL: "https://s.example.com/mcp", InitialAccessToken: "dcr_iat_secret", Register: RegisterAll, Transport: same{status, header, body},
			Open: comeBack("code=a-code&iss=" + url.QueryEscape(challenge)), Each: table.Check,
		})
		if err != nil {
			t.Fatal(err)
		}
		d.callTimeout = 50 * time.Millisecond // some inputs answer a different call
		checks, err := d.run(t.Context())
		if err != nil || len(checks) != len(catalogue) {
			t.Fatalf("Run = %d checks, %v, want %d", len(checks), err, len(catalogue))
		}
		table.End()
		for _, c := range checks {
			if !plain(c.Detail + strings.Join(c.Clients, "")) {
				t.Errorf("%s: %q", c.ID, c.Detail)
			}
		}
		if !plain(strings.ReplaceAll(out.String(), "\n", "")) || strings.Contains(out.String(), "dcr_iat_secret") {
			t.Errorf("table = %q", out.String())
		}
	})
}

// No text of a server can move the cursor, change colours or reverse the
// direction of the text, wherever the server sends it.
func TestTextOfServersIsHarmless(t *testing.T) {
	const evil = "\x1b[31mred\x1b]0;title\x07\u009b2J\u202etxet\u200b\r\n\x00"
	s := startStack(t, broker.ModeBrokered)
	raw, _ := json.Marshal(map[string]string{"error": evil, "error_description": evil})
	for name, faults := range map[string][]fault{
		"metadata":     as(func(a *fake) { a.set("issuer", evil); a.set("scopes_supported", []string{evil}) }),
		"resource":     at("GET", prmPath, func(_ *http.Request, a *fake) { a.set("resource", evil); a.set(evil, nil) }),
		"challenge":    challengeIs(`Bearer scope="a` + "\u202e\u009b" + `b", error="` + "\u200b" + `"`),
		"registration": at("POST", "/register", func(_ *http.Request, a *fake) { a.status, a.body = 400, raw }),
		"client id":    registered(func(a *fake) { a.set("client_id", evil) }),
		"token":        token("", func(a *fake) { a.status, a.body = 400, raw }),
		"redirect": authorize("", func(_ *http.Request, a *fake) {
			redirectTo(a, "https://a.example.com/%1b[31m?error="+url.QueryEscape(evil))
		}),
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			table := NewTable(&out, false)
			o := Options{URL: s.MCP, Transport: &proxy{faults: faults}, Each: table.Check}
			if name != "redirect" && name != "registration" && name != "client id" {
				o.Open = user(s, nil)
			}
			for _, c := range run(t, o) {
				if !plain(c.Detail) {
					t.Errorf("%s: %q", c.ID, c.Detail)
				}
			}
			table.End()
			if !plain(strings.ReplaceAll(out.String(), "\n", "")) {
				t.Errorf("table = %q", out.String())
			}
		})
	}
}

// No secret appears in a report, even if the server repeats it in an error.
func TestReportsHaveNoSecrets(t *testing.T) {
	s := startStack(t, broker.ModeBrokered)
	var mu sync.Mutex
	secrets := make(map[string]bool)
	last := ""
	addSecret := func(v string) {
		mu.Lock()
		defer mu.Unlock()
		if v != "" {
			secrets[v] = true
			last += " " + v
		}
	}
	collect := fault{change: func(r *http.Request, a *fake) {
		if _, credentials, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && !strings.Contains(credentials, "dcrctl-doctor-sends") {
			addSecret(credentials)
		}
		var o map[string]any
		if json.Unmarshal(a.body, &o) == nil {
			for _, name := range []string{"client_secret", "registration_access_token", "access_token", "refresh_token"} {
				v, _ := o[name].(string)
				addSecret(v)
			}
		}
	}}
	// The answers to a refresh, a revocation and a deletion repeat all secrets.
	repeat := func(_ *http.Request, a *fake) {
		mu.Lock()
		defer mu.Unlock()
		a.json(400, map[string]any{"error": "invalid_grant", "error_description": last[max(0, len(last)-150):], "error_uri": last})
	}
	p := &proxy{faults: []fault{collect,
		{method: "POST", path: "/token", only: "grant_type=refresh_token", change: repeat}, {method: "POST", path: "/revoke", change: repeat}, {method: "DELETE", change: repeat},
	}}
	var out strings.Builder
	table := NewTable(&out, false)
	checks := run(t, Options{URL: s.MCP, InitialAccessToken: s.InitialAccessToken, Register: RegisterAll, Transport: p, Each: table.Check,
		Open: func(ctx context.Context, address string) error {
			return user(s, func(q url.Values) { addSecret(q.Get("code")) })(ctx, address)
		}})
	table.End()
	raw := must.Marshal(t, checks)
	if len(secrets) < 8 {
		t.Fatalf("%d secrets, want at least 8; with fewer the test proves nothing", len(secrets))
	}
	if !strings.Contains(out.String(), "[redacted]") {
		t.Error("nothing was redacted, so the test proves nothing")
	}
	for secret := range secrets {
		// Half of a secret must not appear either.
		half := secret[:len(secret)/2]
		if len(half) >= 12 && (bytes.Contains(raw, []byte(half)) || strings.Contains(out.String(), half)) {
			t.Errorf("a report has %q of %q", half, secret)
		}
	}
}

// Requests have a time limit.
func TestSilentServersTimeOut(t *testing.T) {
	silent := roundTrip(func(r *http.Request) (*http.Response, error) {
		deadline, ok := r.Context().Deadline()
		if !ok {
			return nil, fmt.Errorf("the request to %s has no deadline", r.URL)
		}
		_ = deadline
		return nil, context.DeadlineExceeded
	})
	c := find(t, run(t, Options{URL: "https://mcp.example.com/", Transport: silent}), "target.answers")
	if c.Status != Fail || !strings.Contains(c.Detail, "no answer within 20s") {
		t.Errorf("%+v, want a timeout", c)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRedact(t *testing.T) {
	const secret = "dcr_iat_abcdefghijkl"
	for _, tt := range []struct{ s, secret, want string }{
		{"a dcr_iat_abcdefghijkl b", secret, "a [redacted] b"},
		{"cut off: dcr_iat_abcdefg…", secret, "cut off: [redacted]…"}, // by maxText
		{"dcr_iat_abcdefghijkldcr_iat_abcdefghijkl", secret, "[redacted][redacted]"},
		{"dcr_iat_ is the prefix", secret, "dcr_iat_ is the prefix"},
		{"[redacted]", "[redacted]", "[redacted]"}, // a server may choose this as a secret
	} {
		if got := redact(tt.s, tt.secret); got != tt.want {
			t.Errorf("redact(%q, %q) = %q, want %q", tt.s, tt.secret, got, tt.want)
		}
	}
}

func TestDetailsAreLimited(t *testing.T) {
	endless := roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("malformed HTTP response %q", strings.Repeat("a", 1<<16))
	})
	c := find(t, run(t, Options{URL: "https://mcp.example.com/", Transport: endless}), "target.answers")
	if n := len([]rune(c.Detail)); c.Status != Fail || n != maxDetail+1 {
		t.Errorf("%s with %d characters, want fail with %d", c.Status, n, maxDetail+1)
	}
}
