package pages

import (
	"crypto/sha256"
	"encoding/base64"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/branding"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/golden"
)

const logo = `<svg xmlns="http://www.w3.org/2000/svg"/>`

func testPages(t testing.TB) *Pages {
	t.Helper()
	p, err := New(Brand{Name: "Example & Sons", Logo: []byte(logo)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sample() ConsentView {
	return ConsentView{
		User:        broker.User{Username: "alice", Email: "alice@example.com"},
		ClientName:  "Claude",
		ClientURI:   "https://Claude.ai/about?x=1",
		PolicyURI:   "https://www.example.com/privacy",
		TermsURI:    "http://example.com:8080/terms",
		Redirect:    parsed("https://claude.ai/api/mcp/auth_callback"),
		Scopes:      []Scope{{"notes/read", "Read your notes"}, {"profile", ""}, {"notes/admin", ""}},
		Resource:    broker.Resource{Name: "Notes", URL: "https://mcp.example.com/notes"},
		Transaction: "tr4nsaction",
		CSRF:        "c5rf",
	}
}

// parsed returns the zero RedirectURI if raw is not one.
func parsed(raw string) dcr.RedirectURI {
	u, _ := dcr.ParseRedirectURI(raw)
	return u
}

// redirectOf returns the redirect URI of a response.
func redirectOf(target string) dcr.RedirectURI {
	raw, _, _ := strings.Cut(target, "?")
	return parsed(raw)
}

func render(write func(w http.ResponseWriter)) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	rec.Header().Set("Access-Control-Allow-Origin", "*") // as the router sets it
	rec.Header().Set("Access-Control-Expose-Headers", "ETag")
	write(rec)
	return rec
}

func consent(t testing.TB, v ConsentView) string {
	t.Helper()
	rec := render(func(w http.ResponseWriter) { testPages(t).Consent(w, v) })
	if rec.Code != http.StatusOK {
		t.Fatalf("status %d, want 200", rec.Code)
	}
	return rec.Body.String()
}

var style = regexp.MustCompile(`(?s)<style>.*</style>`)

func TestPagesMatchTheirGoldenFiles(t *testing.T) {
	p := testPages(t)
	views := map[string]func(w http.ResponseWriter){
		"consent-https": func(w http.ResponseWriter) { p.Consent(w, sample()) },
		"consent-remembered": func(w http.ResponseWriter) {
			v := sample()
			v.RememberedDays = 30
			p.Consent(w, v)
		},
		"consent-loopback": func(w http.ResponseWriter) {
			v := sample()
			v.Redirect, v.ClientName, v.ClientURI, v.PolicyURI, v.TermsURI = parsed("http://127.0.0.1:49152/cb"), "", "", "", ""
			v.User.Email = ""
			p.Consent(w, v)
		},
		"consent-private-use": func(w http.ResponseWriter) {
			v := sample()
			v.Redirect, v.Resource.Name = parsed("cursor://claude.ai/cb"), ""
			p.Consent(w, v)
		},
		"consent-forwards": func(w http.ResponseWriter) {
			v := sample()
			v.Redirect, v.Forwards = parsed("https://vscode.dev/redirect"), true
			p.Consent(w, v)
		},
		"consent-hostile": func(w http.ResponseWriter) {
			v := sample()
			v.ClientName = "</bdi><script>alert(1)</script>\u202e" + strings.Repeat("x", 10_000)
			v.Redirect = parsed("https://xn--80ak6aa92e.example:8443/cb")
			p.Consent(w, v)
		},
		"continue-https": func(w http.ResponseWriter) {
			p.Continue(w, ContinueView{Target: "https://claude.ai/cb?code=a&state=%22b%22&iss=https%3A%2F%2Fauth.example.com", Redirect: redirectOf("https://claude.ai/cb?code=a&state=%22b%22&iss=https%3A%2F%2Fauth.example.com")})
		},
		"continue-private-use": func(w http.ResponseWriter) {
			p.Continue(w, ContinueView{Target: "cursor://claude.ai/cb?code=a", Redirect: redirectOf("cursor://claude.ai/cb?code=a")})
		},
		"continue-sign-out": func(w http.ResponseWriter) {
			p.Continue(w, ContinueView{Target: "http://localhost:9000/logout?client_id=x", SignOut: true})
		},
		"back-https": func(w http.ResponseWriter) {
			p.LinkBack(w, LinkBackView{Target: "https://evil.example/cb?error=invalid_scope", Redirect: redirectOf("https://evil.example/cb?error=invalid_scope"), Detail: "invalid_scope: none is left", RequestID: "r1"})
		},
		"back-forwards": func(w http.ResponseWriter) {
			p.LinkBack(w, LinkBackView{Target: "https://vscode.dev/redirect?error=x", Redirect: redirectOf("https://vscode.dev/redirect?error=x"), Forwards: true})
		},
		"back-private-use": func(w http.ResponseWriter) {
			p.LinkBack(w, LinkBackView{Target: "cursor://x/cb?error=invalid_scope", Redirect: redirectOf("cursor://x/cb?error=invalid_scope")})
		},
		"signed-out":   func(w http.ResponseWriter) { p.SignedOut(w, "") },
		"not-approved": func(w http.ResponseWriter) { p.Problem(w, ProblemView{Problem: NotApproved, RequestID: "r1"}) },
		"metadata-document": func(w http.ResponseWriter) {
			p.Problem(w, ProblemView{Problem: MetadataDocument, RequestID: "r1"})
		},
		"switched-off":   func(w http.ResponseWriter) { p.Problem(w, ProblemView{Problem: SwitchedOff, RequestID: "r1"}) },
		"unknown-client": func(w http.ResponseWriter) { p.Problem(w, ProblemView{Problem: UnknownClient, RequestID: "r1"}) },
		"bad-redirect-uri": func(w http.ResponseWriter) {
			p.Problem(w, ProblemView{Problem: BadRedirectURI, Detail: "redirect_uri=\"<b>\x00\u202e", RequestID: "r1"})
		},
		"no-access": func(w http.ResponseWriter) {
			p.Problem(w, ProblemView{Problem: NoAccess, User: broker.User{Username: "alice"}, Transaction: "tr4nsaction", CSRF: "c5rf"})
		},
		"other-provider": func(w http.ResponseWriter) {
			p.Problem(w, ProblemView{Problem: OtherProvider, User: broker.User{Username: "alice"}, CSRF: "c5rf"})
		},
		"busy": func(w http.ResponseWriter) {
			p.Problem(w, ProblemView{Problem: Busy, RetryAfter: 1500 * time.Millisecond})
		},
	}
	supported, err := New(Brand{Name: "Example", Contact: "mailto:help@example.com?subject=Sign-in"})
	if err != nil {
		t.Fatal(err)
	}
	views["no-access-contact"] = func(w http.ResponseWriter) {
		supported.Problem(w, ProblemView{Problem: NoAccess, User: broker.User{Username: "alice"}, Transaction: "tr4nsaction", CSRF: "c5rf", RequestID: "r1"})
	}
	views["back-contact"] = func(w http.ResponseWriter) {
		supported.LinkBack(w, LinkBackView{Target: "https://evil.example/cb?error=x", Redirect: redirectOf("https://evil.example/cb?error=x"), RequestID: "r1"})
	}
	for name, write := range views {
		t.Run(name, func(t *testing.T) {
			got := style.ReplaceAll(render(write).Body.Bytes(), []byte("<style/>"))
			golden.Compare(t, filepath.Join("testdata", name+".html"), got)
		})
	}
}

func TestEveryPageHasStrictHeaders(t *testing.T) {
	p := testPages(t)
	writers := map[string]func(w http.ResponseWriter){
		"consent": func(w http.ResponseWriter) { p.Consent(w, sample()) },
		"continue": func(w http.ResponseWriter) {
			p.Continue(w, ContinueView{Target: "com.example.app:/cb", Redirect: redirectOf("com.example.app:/cb")})
		},
		"back": func(w http.ResponseWriter) {
			p.LinkBack(w, LinkBackView{Target: "https://app.example/cb", Redirect: redirectOf("https://app.example/cb")})
		},
		"signed out": func(w http.ResponseWriter) { p.SignedOut(w, "") },
		"asset":      func(w http.ResponseWriter) { p.Assets().ServeHTTP(w, httptest.NewRequest("GET", "/assets/none", nil)) },
	}
	for _, problem := range Problems {
		writers[problem.name()] = func(w http.ResponseWriter) { p.Problem(w, ProblemView{Problem: problem}) }
	}
	for name, write := range writers {
		t.Run(name, func(t *testing.T) {
			rec := render(write)
			body := rec.Body.String()
			css, _, _ := strings.Cut(body[strings.Index(body, "<style>")+len("<style>"):], "</style>")
			sum := sha256.Sum256([]byte(css))
			for header, want := range map[string]string{
				"Content-Type": "text/html; charset=utf-8",
				"Content-Security-Policy": "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
					"'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
				"Referrer-Policy":               "no-referrer",
				"Cache-Control":                 "no-store",
				"Cross-Origin-Opener-Policy":    "", // cuts web clients that sign in through a popup
				"Cross-Origin-Resource-Policy":  "same-origin",
				"X-Content-Type-Options":        "nosniff",
				"X-Frame-Options":               "DENY",
				"Access-Control-Allow-Origin":   "",
				"Access-Control-Expose-Headers": "",
			} {
				if got := rec.Header().Get(header); got != want {
					t.Errorf("%s: %q, want %q", header, got, want)
				}
			}
			if strings.Contains(body, "<script") || strings.Contains(body, " style=") {
				t.Error("has a script or an inline style, which the policy forbids")
			}
			for _, want := range []string{`<html lang="en" dir="ltr">`, "<main>", "<h1>", "<title>", `name="viewport"`} {
				if strings.Count(body, want) != 1 {
					t.Errorf("has %d of %s, want 1", strings.Count(body, want), want)
				}
			}
		})
	}
}

func (p Problem) name() string { return string(english.Problem.Of[p].Title) }

func TestProblemsHaveTheirStatus(t *testing.T) {
	for _, p := range Problems {
		if p.Status() == 0 || p.Code() == "" || len(answers) != len(Problems) {
			t.Errorf("%s has no row in answers, or a row has no problem", p.name())
		}
	}
	for _, tt := range []struct {
		view   ProblemView
		status int
		retry  string
	}{
		{ProblemView{Problem: UnknownClient}, 400, ""},
		{ProblemView{Problem: NotApproved}, 403, ""},
		{ProblemView{Problem: SwitchedOff}, 403, ""},
		{ProblemView{Problem: MetadataDocument}, 400, ""},
		{ProblemView{Problem: BadRedirectURI}, 400, ""},
		{ProblemView{Problem: BadRequest}, 400, ""},
		{ProblemView{Problem: Expired}, 400, ""},
		{ProblemView{Problem: OtherBrowser}, 400, ""},
		{ProblemView{Problem: NoAccess}, 403, ""},
		{ProblemView{Problem: OtherProvider}, 403, ""},
		{ProblemView{Problem: NotFound}, 404, ""},
		{ProblemView{Problem: Internal}, 500, ""},
		{ProblemView{Problem: Problem(99)}, 500, ""},
		{ProblemView{Problem: Busy}, 503, "5"},
		{ProblemView{Problem: Busy, RetryAfter: 1001 * time.Millisecond}, 503, "2"}, // rounded up to whole seconds
		{ProblemView{Problem: Full}, 503, "600"},
		{ProblemView{Problem: StylesUsedUp}, 503, "600"},
		{ProblemView{Problem: Unavailable}, 503, "5"},
		{ProblemView{Problem: Expired, RetryAfter: time.Second}, 400, ""}, // waiting does not help
	} {
		rec := render(func(w http.ResponseWriter) { testPages(t).Problem(w, tt.view) })
		if rec.Code != tt.status || rec.Header().Get("Retry-After") != tt.retry {
			t.Errorf("%s: %d, Retry-After %q, want %d, %q", tt.view.Problem.name(), rec.Code, rec.Header().Get("Retry-After"), tt.status, tt.retry)
		}
	}
}

func TestUnknownClientPageExplainsHowToRegisterAgain(t *testing.T) {
	body := render(func(w http.ResponseWriter) { testPages(t).Problem(w, ProblemView{Problem: UnknownClient}) }).Body.String()
	for _, client := range []string{"Claude", "Claude Code", "ChatGPT", "VS Code", "Cursor", "MCP Inspector", "mcp-remote"} {
		if !strings.Contains(body, "<dt>"+client+"</dt><dd>") {
			t.Errorf("the page does not mention %s", client)
		}
	}
}

func TestPagesRedirectToPossibleRedirectURIsOnly(t *testing.T) {
	long := strings.Repeat("s", 4096) // a state of 2 KB, encoded
	for _, tt := range []struct {
		target string
		ok     bool
	}{
		{"https://app.example/cb?code=x&state=" + long, true},
		{"http://localhost:1/cb?code=x", true},
		{"http://[::1]:1/cb", true},
		{"com.example.app:/cb?code=x", true},
		{"cursor://anysphere.cursor-mcp/oauth/callback?code=x", true},
		{"javascript:alert(1)", false},
		{"javascript://app.example/%0aalert(1)", false},
		{"JavaScript:/x", false},
		{"data:text/html,<script>alert(1)</script>", false},
		{"http://app.example/cb", false},
		{"https://app.example/cb?x=\"><script>", false},
		{"https://app.example/cb?x=a b", false},
		{"https://app.example/cb#f", false},
		{"//app.example/cb", false},
		{"/cb", false},
		{"", false},
	} {
		for name, write := range map[string]func(w http.ResponseWriter){
			"Continue": func(w http.ResponseWriter) {
				testPages(t).Continue(w, ContinueView{Target: tt.target, Redirect: redirectOf(tt.target)})
			},
			"LinkBack": func(w http.ResponseWriter) {
				testPages(t).LinkBack(w, LinkBackView{Target: tt.target, Redirect: redirectOf(tt.target)})
			},
		} {
			rec := render(write)
			if ok := rec.Code != http.StatusInternalServerError; ok != tt.ok {
				t.Errorf("%s(%q): status %d, allowed: want %v", name, tt.target, rec.Code, tt.ok)
			}
			if got := strings.Contains(rec.Body.String(), "<a "); got != tt.ok {
				t.Errorf("%s(%q): has a link: %v, want %v", name, tt.target, got, tt.ok)
			}
			if refreshes := strings.Contains(rec.Body.String(), "http-equiv"); refreshes && name == "LinkBack" {
				t.Errorf("LinkBack(%q) redirects automatically", tt.target)
			}
		}
	}
}

func TestPagesDoNotRedirectToAnythingElseThanTheRedirectURI(t *testing.T) {
	u := parsed("https://app.example/cb")
	for _, target := range []string{"https://evil.example/cb", "https://app.example/cbx", "https://app.example/cb/x?code=x", "javascript:alert(1)", ""} {
		for name, write := range map[string]func(w http.ResponseWriter){
			"Continue": func(w http.ResponseWriter) { testPages(t).Continue(w, ContinueView{Target: target, Redirect: u}) },
			"LinkBack": func(w http.ResponseWriter) { testPages(t).LinkBack(w, LinkBackView{Target: target, Redirect: u}) },
		} {
			if rec := render(write); rec.Code != http.StatusInternalServerError || strings.Contains(rec.Body.String(), "<a ") {
				t.Errorf("%s(%q): status %d, want an error page without a link", name, target, rec.Code)
			}
		}
	}
}

func TestNewRejectsInvalidBrands(t *testing.T) {
	for _, tt := range []struct {
		brand Brand
		want  string // in the error
	}{
		{Brand{}, "name"},
		{Brand{Name: "\u200b"}, "name"},
		{Brand{Name: "A", Accent: "blue"}, "accent"},
		{Brand{Name: "A", Accent: "#12345"}, "accent"},
		{Brand{Name: "A", Accent: "#12345g"}, "accent"},
		{Brand{Name: "A", Accent: "123456"}, "accent"},
		{Brand{Name: "A", Accent: "#1234567"}, "accent"},
		{Brand{Name: "A", Logo: []byte("GIF89a")}, "neither"},
		{Brand{Name: "A", Logo: []byte("<html><svg>")}, "neither"},
		{Brand{Name: "A", Logo: append([]byte(logo), make([]byte, branding.MaxLogo)...)}, "at most 65536"},
	} {
		if _, err := New(tt.brand); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New(%.60q) = %v, want an error with %q", tt.brand, err, tt.want)
		}
	}
}

func TestLogoPathDependsOnItsContent(t *testing.T) {
	png := "\x89PNG\r\n\x1a\nrest"
	paths := make(map[string]bool)
	for image, contentType := range map[string]string{
		logo:                             "image/svg+xml",
		"<?xml version='1.0'?>\n" + logo: "image/svg+xml",
		png:                              "image/png",
	} {
		p, err := New(Brand{Name: "A", Logo: []byte(image)})
		if err != nil {
			t.Fatal(err)
		}
		body := render(func(w http.ResponseWriter) { p.SignedOut(w, "") }).Body.String()
		m := regexp.MustCompile(`<img src="(/assets/[^"]*)" alt="">`).FindStringSubmatch(body)
		if m == nil {
			t.Fatalf("no image in %s", body)
		}
		paths[m[1]] = true
		rec := render(func(w http.ResponseWriter) { p.Assets().ServeHTTP(w, httptest.NewRequest("GET", m[1], nil)) })
		if rec.Code != 200 || rec.Body.String() != image || rec.Header().Get("Content-Type") != contentType {
			t.Errorf("%s: %d %s %q, want 200 %s %q", m[1], rec.Code, rec.Header().Get("Content-Type"), rec.Body, contentType, image)
		}
		if got := rec.Header().Get("Content-Security-Policy"); !strings.Contains(got, "sandbox") || !strings.Contains(got, "default-src 'none'") {
			t.Errorf("%s: Content-Security-Policy %q lets an SVG run scripts", m[1], got)
		}
		if got := rec.Header().Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s: Access-Control-Allow-Origin %q", m[1], got)
		}
	}
	if len(paths) != 3 {
		t.Errorf("3 images have %d paths", len(paths))
	}
}

func TestWithoutLogoNothingIsLoaded(t *testing.T) {
	p, err := New(Brand{Name: "A"})
	if err != nil {
		t.Fatal(err)
	}
	rec := render(func(w http.ResponseWriter) { p.Consent(w, sample()) })
	if body := rec.Body.String(); strings.Contains(body, "src=") || strings.Contains(body, "href=") {
		t.Errorf("the page loads something: %s", style.ReplaceAllString(body, ""))
	}
	if got := rec.Header().Get("Content-Security-Policy"); !strings.Contains(got, "img-src 'none'") {
		t.Errorf("Content-Security-Policy %q, want img-src 'none'", got)
	}
}

// The compiler keeps strings out of markup as long as no code converts them.
func TestNothingIsConvertedToMarkup(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if fun, ok := call.Fun.(*ast.Ident); ok && fun.Name == "markup" {
					t.Errorf("%s converts to markup", name)
				}
			}
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "buf" {
				seen++
				if name != "markup.go" && name != "pages.go" {
					t.Errorf("%s touches the buffer of a page", name)
				}
			}
			return true
		})
	}
	if seen == 0 {
		t.Error("found no use of the buffer: this test searches for the wrong name")
	}
}
