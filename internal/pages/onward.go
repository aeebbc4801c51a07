package pages

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// ContinueView is the content of the page that redirects to the client.
type ContinueView struct {
	credential.Redacted
	// Lang has the meaning of ConsentView.Lang.
	Lang string
	// Target is the redirect URI with the parameters of the response, or, with
	// SignOut, an address of Cognito.
	Target string
	// Redirect is the redirect URI of Target. It is not used with SignOut.
	Redirect dcr.RedirectURI
	// SignOut means that the user goes to Cognito to sign out, and then sign in
	// with another account.
	SignOut bool
}

// Continue writes a page that refreshes to the target and has a link to it,
// with status 200. It is not a redirect because browsers apply the form-action
// policy of the page with the form to every redirect that answers its POST.
func (p *Pages) Continue(w http.ResponseWriter, v ContinueView) {
	m := messagesFor(v.Lang)
	t := &m.Onward
	// The page after a decision names the host also if that hands the response on:
	// the user has read on the consent page where it goes.
	place, ok := placeOfTarget(v.Redirect, v.Target, false)
	if v.SignOut {
		ok = isWeb(v.Target) // an address of Cognito, not a redirect URI
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
	pg := p.begin(m, refresh, func(pg *page) { pg.message(heading, parts...) }, plain(heading, parts...))
	switch {
	case v.SignOut:
		pg.paragraph(t.SignOutWhy)
	case place.kind == dcr.PrivateUse:
		pg.paragraph(t.Opening, part{"scheme", "code", place.scheme + ":"})
	default:
		pg.paragraph(t.Leaving)
	}
	pg.exitLink(v.Target, t.Continue)
	p.end(w, http.StatusOK, pg)
}

// LinkBackView is the content of the page that returns an error to a client
// only if the user follows a link.
type LinkBackView struct {
	credential.Redacted
	// Lang has the meaning of ConsentView.Lang.
	Lang string
	// Target is the redirect URI with the error.
	Target string
	// Redirect is the redirect URI of Target. Forwards has the meaning of
	// ConsentView.Forwards.
	Redirect dcr.RedirectURI
	Forwards bool
	// Detail is for the developer of the client. Optional.
	Detail    string
	RequestID string
}

// LinkBack writes a page with a link to the target, with LinkBackStatus. It is
// for errors of clients whose redirect URI is not trusted: the broker must not
// be an open redirector (RFC 9700 §4.11.2).
func (p *Pages) LinkBack(w http.ResponseWriter, v LinkBackView) {
	m := messagesFor(v.Lang)
	t := &m.Onward
	place, ok := placeOfTarget(v.Redirect, v.Target, v.Forwards)
	if !ok {
		p.Problem(w, ProblemView{Lang: v.Lang, Problem: Internal})
		return
	}
	pg := p.begin(m, nil, func(pg *page) { pg.message(t.Refused) }, plain(t.Refused))
	pg.paragraph(t.RefusedWhy)
	switch {
	case place.forwards:
		pg.paragraph(t.NotThrough, isolated("host", place.host))
		pg.exitLink(v.Target, t.Back, isolated("host", place.host))
	case place.onDevice():
		pg.paragraph(t.NotForwarded, part{"scheme", "code", place.scheme + ":"})
		pg.exitLink(v.Target, t.BackToDevice)
	default:
		pg.paragraph(t.NotFollowed, isolated("host", place.host))
		pg.exitLink(v.Target, t.Back, isolated("host", place.host))
	}
	pg.contact(&m.Problem, p.contact)
	pg.technical(&m.Problem, ProblemView{Detail: v.Detail, RequestID: v.RequestID})
	p.end(w, LinkBackStatus, pg)
}

// SignedOut writes the page that confirms a sign-out, with status 200.
func (p *Pages) SignedOut(w http.ResponseWriter, lang string) {
	m := messagesFor(lang)
	t := &m.Onward
	pg := p.begin(m, nil, func(pg *page) { pg.message(t.SignedOut) }, plain(t.SignedOut))
	pg.paragraph(t.SignedOutHow)
	p.end(w, http.StatusOK, pg)
}

// exitLink adds a link that leaves the broker's site. The caller has checked
// that the target's scheme does not run or display the content of the URI.
func (p *page) exitLink(target string, label text, parts ...part) {
	p.html(`<p class="actions"><a class="button" rel="noreferrer"`)
	p.attr("href", target)
	p.html(">")
	p.message(label, parts...)
	p.html("</a></p>\n")
}

// isWeb reports whether raw is an http or https address.
func isWeb(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// plain returns a message without markup, for the title of the window.
func plain(t text, parts ...part) string {
	s := string(t)
	for _, v := range parts {
		s = strings.Replace(s, "{"+v.placeholder+"}", v.value, 1)
	}
	return s
}
