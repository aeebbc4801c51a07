package pages

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// Problem is what went wrong.
type Problem int

const (
	// Internal is for what cannot happen: 500.
	Internal Problem = iota
	// UnknownClient is a client without registration, for whatever reason: 400.
	UnknownClient
	// NotApproved is a client that waits for the operator's approval: 403.
	NotApproved
	// BadRedirectURI is one that is missing or not registered: 400.
	BadRedirectURI
	// BadRequest is a request, or form, that is not as it has to be: 400.
	BadRequest
	// Expired is a transaction that has expired, was used or replaced: 400.
	Expired
	// OtherBrowser is a browser without the cookie of the transaction: 400.
	OtherBrowser
	// NoAccess is a user who may not consent: 403.
	NoAccess
	// Busy is a user pool that throttles us: 503.
	Busy
	// Full is a user pool, or profile, without room for an app client: 503.
	Full
	// StylesUsedUp is a user pool without a branding style left: 503.
	StylesUsedUp
	// SignInFailed is an error of Cognito that the client is not told: 502.
	SignInFailed
	// Unavailable is a store or Cognito that does not answer: 503.
	Unavailable
	// NotFound is a path that is none: 404.
	NotFound
)

// Problems are all there are.
var Problems = []Problem{Internal, UnknownClient, NotApproved, BadRedirectURI, BadRequest, Expired, OtherBrowser, NoAccess, Busy, Full,
	StylesUsedUp, SignInFailed, Unavailable, NotFound}

// Status is how the page of a problem is answered.
func (p Problem) Status() int {
	switch p {
	case UnknownClient, BadRedirectURI, BadRequest, Expired, OtherBrowser:
		return http.StatusBadRequest
	case NoAccess, NotApproved:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case SignInFailed:
		return http.StatusBadGateway
	case Busy, Full, StylesUsedUp, Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// retryAfter is what a page says unless it is told better.
func (p Problem) retryAfter() time.Duration {
	switch p {
	case Busy, Unavailable:
		return 5 * time.Second
	case Full, StylesUsedUp:
		return 10 * time.Minute
	}
	return 0
}

// ProblemView is what the page of a problem shows.
type ProblemView struct {
	// Lang is as in ConsentView.
	Lang    string
	Problem Problem
	// Detail is for the developer of the client; may be empty, may hold what
	// the client sent.
	Detail string
	// RequestID is where our log has it; may be empty.
	RequestID string
	// RetryAfter is sent for problems that pass. 0 is a time that suits the
	// problem.
	RetryAfter time.Duration
	// Account is shown with NoAccess, with a button to be somebody else if CSRF
	// is not empty, which sends what that of the consent page sends.
	Account Account
	CSRF    string
}

// Problem writes the page of a problem, with the status of the problem. Pages of
// problems that pass have a link to their own address, so they are for answers
// to GET.
func (p *Pages) Problem(w http.ResponseWriter, v ProblemView) {
	m := messagesFor(v.Lang)
	t := &m.Problem
	e, ok := t.Of[v.Problem]
	if !ok {
		e = t.Of[Internal]
	}
	pg := p.begin(m, nil, func(pg *page) { pg.say(e.Title) }, plain(e.Title))
	pg.paragraph(e.What)
	pg.paragraph(e.ToDo)
	switch v.Problem {
	case UnknownClient:
		pg.clients(t)
	case NoAccess:
		pg.noAccess(t, v)
	}
	wait := v.RetryAfter
	if wait == 0 {
		wait = v.Problem.retryAfter()
	}
	if v.Problem.retryAfter() > 0 {
		seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
		w.Header().Set("Retry-After", seconds)
		pg.html(`<p class="actions"><a class="button" href="">`)
		pg.say(t.TryAgain)
		pg.html("</a></p>\n<div class=\"note\">")
		pg.paragraph(t.Wait, isolated("seconds", seconds))
		pg.html("</div>\n")
	}
	pg.technical(t, v)
	p.end(w, v.Problem.Status(), pg)
}

func (p *page) clients(t *problemText) {
	p.html("<section class=\"clients\">\n<h2>")
	p.say(t.Clients)
	p.html("</h2>\n<dl>\n")
	for _, h := range t.Help {
		p.help(h)
	}
	p.help(t.Other)
	p.html("</dl>\n</section>\n")
}

func (p *page) help(h clientHelp) {
	p.html("<div><dt>")
	p.say(h.Client)
	p.html("</dt><dd>")
	p.say(h.Steps)
	p.html("</dd></div>\n")
}

func (p *page) noAccess(t *problemText, v ProblemView) {
	if v.Account == (Account{}) {
		return
	}
	p.account(t.Account, v.Account, func() {})
	if v.CSRF == "" {
		return
	}
	p.html(`<form method="post" action="` + DecisionPath + `"><input type="hidden" name="csrf"`)
	p.attr("value", v.CSRF)
	p.html("><div class=\"actions\">" + `<button type="submit" name="decision" value="switch" class="primary">`)
	p.say(t.Switch)
	p.html("</button></div></form>\n")
}

func (p *page) technical(t *problemText, v ProblemView) {
	detail, id := visible(v.Detail, maxDetail), visible(v.RequestID, maxName).text
	if detail.text == "" && id == "" {
		return
	}
	p.html(`<section class="aside">` + "\n<h2>")
	p.say(t.Technical)
	p.html("</h2>\n<dl>\n")
	if detail.text != "" {
		p.row(t.Detail, detail.marked())
	}
	if id != "" {
		p.row(t.Reference, id)
	}
	p.html("</dl>\n</section>\n")
}
