package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="32" height="32"><rect width="32" height="32" rx="8" fill="#1f5fbf"/><path d="M9 22V10l7 7 7-7v12" fill="none" stroke="#fff" stroke-width="3" stroke-linejoin="round" stroke-linecap="round"/></svg>`

// parsed returns the zero RedirectURI if raw is not one, whose pages are errors.
func parsed(raw string) dcr.RedirectURI {
	u, _ := dcr.ParseRedirectURI(raw)
	return u
}

// consent returns the view of a well-behaved client and operator.
func consent() pages.ConsentView {
	return pages.ConsentView{
		User:       broker.User{Username: "alice", Email: "alice@example.com"},
		ClientName: "Claude",
		ClientURI:  "https://claude.ai",
		PolicyURI:  "https://www.anthropic.com/legal/privacy",
		Redirect:   parsed("https://claude.ai/api/mcp/auth_callback"),
		Scopes: []pages.Scope{
			{Name: "notes/read", Description: "Read your notes"},
			{Name: "notes/write", Description: "Add, change and delete your notes"},
			{Name: "profile"},
		},
		Resource:       broker.Resource{Name: "Notes", URL: "https://mcp.example.com/notes"},
		RememberedDays: 30,
		CSRF:           "https",
	}
}

func newSamples(loopback string) (*samples, error) {
	branded, err := pages.New(pages.Brand{Name: "Meridian Notes", Logo: []byte(logo), Contact: "mailto:help@example.com"})
	if err != nil {
		return nil, err
	}
	bright, err := pages.New(pages.Brand{Name: "Bright", Accent: "#ffe600"})
	if err != nil {
		return nil, err
	}
	s := &samples{pages: branded, bright: bright, loopback: loopback, at: make(map[string]func(http.ResponseWriter))}
	s.consents()
	s.problems()
	s.redirects()
	return s, nil
}

func (s *samples) add(path string, serve func(http.ResponseWriter)) {
	s.paths = append(s.paths, path)
	s.at[path] = serve
}

func (s *samples) consents() {
	add := func(name string, p *pages.Pages, change func(*pages.ConsentView)) {
		v := consent()
		change(&v)
		s.add("/consent/"+name, func(w http.ResponseWriter) { p.Consent(w, v) })
	}
	add("https", s.pages, func(*pages.ConsentView) {})
	add("bright", s.bright, func(*pages.ConsentView) {})
	add("redirect", s.pages, func(v *pages.ConsentView) { v.CSRF = "redirect" })
	add("loopback", s.pages, func(v *pages.ConsentView) {
		v.ClientName, v.ClientURI, v.PolicyURI = "Claude Code", "", ""
		v.Redirect, v.CSRF, v.RememberedDays = parsed("http://localhost:51234/callback"), "loopback", 0
	})
	add("private-use", s.pages, func(v *pages.ConsentView) {
		v.ClientName, v.ClientURI, v.PolicyURI = "Cursor", "https://www.cursor.com", ""
		v.Redirect, v.CSRF, v.RememberedDays = parsed("cursor://claude.ai/oauth/callback"), "private-use", 0
	})
	add("forwards", s.pages, func(v *pages.ConsentView) {
		v.Redirect, v.Forwards, v.CSRF, v.RememberedDays = parsed("https://vscode.dev/redirect"), true, "forwards", 0
	})
	add("bare", s.pages, func(v *pages.ConsentView) {
		*v = pages.ConsentView{
			User: broker.User{Username: "1f0c2a7e-7001-70b5-2a5e-3f1d2c4b5a69"}, Redirect: v.Redirect, CSRF: v.CSRF,
			Resource: broker.Resource{URL: "https://mcp.example.com/mcp"},
		}
	})
	hostile := map[string]string{
		"html":      `</bdi></main><script>document.title="owned"</script><img src=https://evil.example/x.png onerror=alert(1)>"'` + "`",
		"bidi":      "\u202emoc.elgoog\u202c \u2066Claude\u2069\u200f",
		"invisible": "Cl\u200bau\u2060de\u00ad\u3164\u2800\ufeff",
		"long":      strings.Repeat("Claude by Anthropic ", 500),
		"word":      strings.Repeat("W", 10000),
		"zalgo":     "C" + strings.Repeat("\u0301\u0489", 200) + "laude",
		"wide":      strings.Repeat("\ufdfd", 40),
		"lookalike": "Сlаudе",
		"sentence":  "Claude”. Checked by Example. “",
		"quotes":    "Claude\"'’”»›」』〞❞＂. Checked by Example. \u2069\u202c“„«‹「『〝❝",
	}
	for _, name := range []string{"html", "bidi", "invisible", "long", "word", "zalgo", "wide", "lookalike", "sentence", "quotes"} {
		add("hostile-"+name, s.pages, func(v *pages.ConsentView) {
			v.ClientName = hostile[name]
			v.ClientURI, v.PolicyURI, v.TermsURI = "https://"+strings.Repeat("a", 60)+".example/"+hostile[name], "javascript:alert(1)", "https://exаmple.com/"
			v.User = broker.User{Username: hostile[name], Email: strings.Repeat("x", 60) + "@example.com"}
			v.Redirect = parsed("https://" + strings.Repeat("login.", 20) + "xn--80ak6aa92e.example:8443/cb")
			v.Scopes = append(v.Scopes, pages.Scope{Name: strings.Repeat("s", 200), Description: hostile[name]})
		})
	}
}

func (s *samples) problems() {
	for _, p := range pages.Problems {
		v := pages.ProblemView{Problem: p, RequestID: "c0ffee-1f0c2a7e"}
		switch p {
		case pages.BadRequest:
			v.Detail = `redirect_uri: "<script>alert(1)</script>" ` + "\u202e" + strings.Repeat("x", 5000)
		case pages.NoAccess, pages.OtherProvider:
			v.User, v.CSRF = broker.User{Username: "alice", Email: "alice@example.com"}, "https"
		case pages.Busy:
			v.RetryAfter = 1500 * time.Millisecond
		}
		s.add(fmt.Sprintf("/problem/%d", p), func(w http.ResponseWriter) { s.pages.Problem(w, v) })
	}
}

func (s *samples) redirects() {
	for _, name := range []string{"https", "private-use"} {
		target, _ := s.target(name)
		s.add("/back/"+name, func(w http.ResponseWriter) {
			s.pages.LinkBack(w, pages.LinkBackView{Target: target.Raw + "?error=invalid_scope", Redirect: target, Detail: "invalid_scope: none of the scopes asked for can be granted"})
		})
		s.add("/continue/"+name, func(w http.ResponseWriter) {
			s.pages.Continue(w, pages.ContinueView{Target: target.Raw + "?code=x", Redirect: target})
		})
	}
	s.add("/signed-out", func(w http.ResponseWriter) { s.pages.SignedOut(w, "") })
}
