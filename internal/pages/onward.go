package pages

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// ContinueView is what the page shows that goes on by itself.
type ContinueView struct {
	// Lang is as in ConsentView.
	Lang string
	// Target is where it goes: a redirect URI with what was added to it, or with
	// SignOut an address of Cognito's.
	Target string
	// SignOut says that the user goes to Cognito in order to be somebody else.
	SignOut bool
}

// Continue writes a page that goes to the target by itself and has a link to it.
// It answers 200: browsers hold form-action of the page that a form was on
// against the whole chain of redirects that a POST is answered with, so no
// answer to our forms is a redirect.
func (p *Pages) Continue(w http.ResponseWriter, v ContinueView) {
	m := messagesFor(v.Lang)
	t := &m.Onward
	place, ok := placeOfTarget(v.Target)
	if v.SignOut {
		ok = isWeb(v.Target) // Cognito's own, not a redirect URI
	}
	if !ok {
		p.Problem(w, ProblemView{Lang: v.Lang, Problem: Internal})
		return
	}
	heading, parts := t.ToHost, []part{isolated("host", place.host)}
	switch {
	case v.SignOut:
		heading, parts = t.SigningOut, nil
	case place.onDevice():
		heading, parts = t.ToDevice, nil
	}
	refresh := func(pg *page) {
		pg.html(`<meta http-equiv="refresh"`)
		pg.attr("content", "0; url="+v.Target)
		pg.html(">\n")
	}
	pg := p.begin(m, refresh, func(pg *page) { pg.say(heading, parts...) }, plain(heading, parts...))
	switch {
	case v.SignOut:
		pg.paragraph(t.SignOutWhy)
	case place.kind == dcr.PrivateUse:
		pg.paragraph(t.Opening, part{"scheme", "code", place.scheme + ":"})
	default:
		pg.paragraph(t.Leaving)
	}
	pg.onward(v.Target, t.Continue)
	p.end(w, http.StatusOK, pg)
}

// LinkBackView is what the page shows that tells a client of an error only if
// the user wants.
type LinkBackView struct {
	// Lang is as in ConsentView.
	Lang string
	// Target is the redirect URI with the error.
	Target string
	// Detail is for the developer of the client; may be empty.
	Detail    string
	RequestID string
}

// LinkBack writes a page with a link to the target, for errors of clients for
// whose redirect URI nobody vouches: our address must not be a way to send
// people anywhere (RFC 9700 §4.11.2). It answers 400.
func (p *Pages) LinkBack(w http.ResponseWriter, v LinkBackView) {
	m := messagesFor(v.Lang)
	t := &m.Onward
	place, ok := placeOfTarget(v.Target)
	if !ok {
		p.Problem(w, ProblemView{Lang: v.Lang, Problem: Internal})
		return
	}
	pg := p.begin(m, nil, func(pg *page) { pg.say(t.Refused) }, plain(t.Refused))
	pg.paragraph(t.RefusedWhy)
	if place.onDevice() {
		pg.paragraph(t.NotForwarded, part{"scheme", "code", place.scheme + ":"})
		pg.onward(v.Target, t.BackToDevice)
	} else {
		pg.paragraph(t.NotFollowed, isolated("host", place.host))
		pg.onward(v.Target, t.Back, isolated("host", place.host))
	}
	pg.technical(&m.Problem, ProblemView{Detail: v.Detail, RequestID: v.RequestID})
	p.end(w, http.StatusBadRequest, pg)
}

// SignedOut writes the page that says that nobody is signed in any more. It
// answers 200.
func (p *Pages) SignedOut(w http.ResponseWriter, lang string) {
	m := messagesFor(lang)
	t := &m.Onward
	pg := p.begin(m, nil, func(pg *page) { pg.say(t.SignedOut) }, plain(t.SignedOut))
	pg.paragraph(t.SignedOutHow)
	p.end(w, http.StatusOK, pg)
}

// onward adds a link that leaves our site. The target has been checked: its
// scheme is none that runs or shows what the URI carries.
func (p *page) onward(target string, label text, parts ...part) {
	p.html(`<p class="actions"><a class="button" rel="noreferrer"`)
	p.attr("href", target)
	p.html(">")
	p.say(label, parts...)
	p.html("</a></p>\n")
}

// isWeb reports whether raw is an http or https address.
func isWeb(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// plain is a message without markup, for the title of the window.
func plain(t text, parts ...part) string {
	s := string(t)
	for _, v := range parts {
		s = strings.Replace(s, "{"+v.placeholder+"}", v.value, 1)
	}
	return s
}
