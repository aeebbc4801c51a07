package pages

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/branding"
)

func TestConsentShowsHostOrScheme(t *testing.T) {
	for _, tt := range []struct {
		redirectURI string
		place       string
		scheme      string // of an app on this device
		never       string
	}{
		{"https://Claude.AI/cb", "claude.<wbr>ai", "", "Claude.AI"},
		{"https://claude.ai:443/cb", "claude.<wbr>ai", "", ":443"},
		{"https://claude.ai:8443/cb", "claude.<wbr>ai:8443", "", ""},
		{"https://xn--80ak6aa92e.com/cb", "xn--80ak6aa92e.<wbr>com", "", "аррӏе"},
		{"https://[2001:db8::1]/cb", "[2001:db8::1]", "", ""},
		{"https://claude.ai.evil.example/cb", "claude.<wbr>ai.<wbr>evil.<wbr>example", "", ""},
		{"https://evil.example/claude.ai", "evil.<wbr>example", "", "claude.ai"},
		// A program on the device can have any scheme and host.
		{"cursor://claude.ai/cb", "", "cursor:", "claude.ai"},
		{"com.example.app:/claude.ai", "", "com.example.app:", "claude.ai"},
		{"http://localhost:1234/claude.ai", "", "http:", "claude.ai"},
		{"http://127.0.0.1/cb", "", "http:", "127.0.0.1"},
		{"http://[::1]:9/cb", "", "http:", "::1"},
		{"https://localhost:8443/claude.ai", "", "https:", "claude.ai"},
		{"https://127.0.0.1/cb", "", "https:", "127.0.0.1"},
	} {
		v := sample()
		v.Redirect, v.ClientName, v.ClientURI = parsed(tt.redirectURI), "X", ""
		body := consent(t, v)
		want := `<p class="place"><bdi>` + tt.place + "</bdi></p>"
		if tt.scheme != "" {
			want = `<p class="place">An app on this device</p>` + "\n<p>The answer goes to it through <code>" + tt.scheme + "</code></p>"
		}
		if !strings.Contains(body, want) {
			t.Errorf("%s: no %s", tt.redirectURI, want)
		}
		if tt.never != "" && strings.Contains(body, tt.never) {
			t.Errorf("%s: shows %s", tt.redirectURI, tt.never)
		}
		if warned := strings.Contains(body, string(english.Consent.Warning)); warned != (tt.scheme != "") {
			t.Errorf("%s: warned of other programs: %v", tt.redirectURI, warned)
		}
	}
}

func TestAddressesOfTheClientAreShownAsPlainHosts(t *testing.T) {
	for _, tt := range []struct{ uri, want string }{
		{"https://example.com/a/b?c", "<dd><bdi>example.com</bdi></dd>"},
		{"http://EXAMPLE.com:80/", "<dd><bdi>example.com</bdi></dd>"},
		{"https://user:pw@example.com/", "<dd><bdi>example.com</bdi></dd>"},
		{"javascript:alert(1)", ""},
		{"https://exаmple.com/", ""}, // Cyrillic а: not an A-label
		{"https://a b/", ""},
		{"//example.com", ""},
		{"https://<script>/", ""},
		{"", ""},
	} {
		v := sample()
		v.ClientURI, v.PolicyURI, v.TermsURI = tt.uri, "", ""
		body := consent(t, v)
		if tt.want != "" && !strings.Contains(body, tt.want) {
			t.Errorf("%q: no %s", tt.uri, tt.want)
		}
		if shown := strings.Contains(body, string(english.Consent.HomePage)); shown != (tt.want != "") {
			t.Errorf("%q: shown: %v, want %v", tt.uri, shown, tt.want != "")
		}
		if strings.Contains(body, "<a ") {
			t.Errorf("%q: the consent page has a link", tt.uri)
		}
	}
}

var tag = regexp.MustCompile(`^(?:!doctype html|/?(?:html|head|title|style|body|header|span|bdi|main|h1|h2|section|p|div|dl|dt|dd|ul|li|code|small|button|form|wbr)|(?:meta|link|img|input|html|section|p|button|form|div|dl|span)(?: [a-z-]+="[^"<>]*")+)>`)

func FuzzConsentEscapes(f *testing.F) {
	for _, s := range []string{"Claude", `"><script>alert(1)</script>`, "</bdi>\u202e", "'", "{host}", "\x00", "&amp;", "<!--", "]]>", "</style>"} {
		f.Add(s)
	}
	p := testPages(f)
	f.Fuzz(func(t *testing.T, s string) {
		v := sample()
		v.ClientName, v.ClientURI, v.Lang = s, "https://"+s, s
		v.User, v.Resource = broker.User{Username: s, Email: s}, broker.Resource{Name: s, URL: s}
		v.Scopes = []Scope{{s, s}, {s, ""}}
		body := style.ReplaceAllString(render(func(w http.ResponseWriter) { p.Consent(w, v) }).Body.String(), "")
		for i := range len(body) {
			if body[i] == '<' && !tag.MatchString(body[i+1:]) {
				t.Fatalf("%q got out: %.80q", s, body[i:])
			}
		}
		if !utf8.ValidString(body) && utf8.ValidString(s) {
			t.Fatalf("%q: not UTF-8", s)
		}
		if strings.ContainsAny(body, "\x00\u202e\u2066\u200b") {
			t.Fatalf("%+q: hidden characters got out", s)
		}
	})
}

// box is the element with the client's name.
var box = regexp.MustCompile(`(<dl class="name">\n<div><dt>It calls itself</dt><dd><bdi>)([^<]*)(</bdi></dd></div>\n</dl>)`)

// A name has no effect outside its box, but for our own notes about it.
func TestANameStaysInItsBox(t *testing.T) {
	with := func(name string) (shown, rest string) {
		v := sample()
		v.ClientName = name
		body := consent(t, v)
		found := box.FindAllStringSubmatch(body, -1)
		if len(found) != 1 {
			t.Fatalf("%+q: %d boxes, want 1", name, len(found))
		}
		rest = box.ReplaceAllString(body, "")
		for _, note := range []text{english.Name.Hidden, english.Name.Lookalike} {
			rest = strings.Replace(rest, "<p>"+string(note)+"</p>\n", "", 1)
		}
		return found[0][2], rest
	}
	_, want := with("X")
	names := []string{
		"Claude”. Checked by Example. “", "It calls itself", "\n\nNobody has checked that name.", "{name}", "</bdi></dd></div></dl><p>Checked",
		"\u202emoc.elgoog", "Claude\u2069\u2069\u202c Checked", "\u2067Checked\u2069", "Cl\u200bau\u200dde\u2060\ufeff", "\u2028Checked\u2029by us", "a\u0085b\vc\fd",
	}
	for _, mark := range "\"'`´‘’‚‛“”„‟‹›«»「」『』〈〉《》〝〞〟＂＇｢｣❛❜❝❞❮❯⹂″‴‵‶ʺˮ🙶🙷🙸" {
		names = append(names, "Claude"+string(mark)+". Checked by Example. "+string(mark))
	}
	for _, name := range names {
		shown, rest := with(name)
		if rest != want {
			t.Errorf("%+q changes the page outside its box", name)
		}
		if strings.ContainsFunc(shown, func(r rune) bool { return r != utf8.RuneError && branding.IsHidden(r) }) {
			t.Errorf("%+q is shown as %+q, with characters that cannot be seen", name, shown)
		}
	}
}

// All users of a hosted client share its redirect URI and its client_id.
func TestEveryConsentPageSaysToAllowOnlyWhatTheUserStarted(t *testing.T) {
	for _, uri := range []string{"https://claude.ai/cb", "http://localhost/cb", "com.example.app:/cb"} {
		for _, days := range []int{0, 30} {
			v := sample()
			v.Redirect, v.RememberedDays = parsed(uri), days
			body := consent(t, v)
			form := body[strings.Index(body, "<form"):]
			said, allow := strings.Index(form, "Allow only if you have just started this yourself"), strings.Index(form, `value="allow"`)
			if said < 0 || said > allow {
				t.Errorf("%s, %d days: the page does not say so before its buttons\n%s", uri, days, form)
			}
		}
	}
}

// A second click that was meant for another window must not press Allow.
// scripts/browser.sh pages tests in Chromium what the style sheet does.
func TestAllowIsCovered(t *testing.T) {
	body := consent(t, sample())
	if !strings.Contains(body, `<span class="guard"><button type="submit" name="decision" value="allow"`) || strings.Count(body, `class="guard"`) != 1 {
		t.Errorf("not Allow alone is covered\n%s", body)
	}
	for _, rule := range []string{
		".guard::after { content: \"\"; position: absolute; inset: 0; cursor: wait; animation: uncover .6s step-end forwards; }",
		"@media (hover: hover) and (pointer: fine) {\n\t.guard::after { animation-name: none; }\n\t#decide:hover .guard::after { animation-name: uncover; }\n}",
		"\n#decide .guard:active:not(:has(button:active))::after { animation-name: none; }\n",
		"@keyframes uncover { to { visibility: hidden; } }",
	} {
		if !strings.Contains(stylesheet, rule) {
			t.Errorf("the style sheet lacks %s", rule)
		}
	}
	if strings.Contains(stylesheet, "prefers-reduced-motion") {
		t.Error("the style sheet has rules for reduced motion, which must not shorten the time")
	}
}

func BenchmarkConsent(b *testing.B) {
	p := testPages(b)
	v := sample()
	for b.Loop() {
		p.Consent(httptest.NewRecorder(), v)
	}
}
