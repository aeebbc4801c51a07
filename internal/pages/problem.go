package pages

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// Problem is the kind of an error page.
type Problem int

const (
	// Internal is an error of the broker itself.
	Internal Problem = iota
	// UnknownClient is a client that is not registered or no longer registered.
	UnknownClient
	// MetadataDocument is a client_id that is the URL of a client ID metadata
	// document.
	MetadataDocument
	// NotApproved is a client that waits for the operator's approval.
	NotApproved
	// SwitchedOff is a client that an operator has disabled or deleted.
	SwitchedOff
	// BadRedirectURI is a redirect URI that is missing or not registered.
	BadRedirectURI
	// BadRequest is an invalid request or form.
	BadRequest
	// Expired is a transaction that has expired or was used.
	Expired
	// OtherBrowser is a browser without the cookie of the transaction.
	OtherBrowser
	// NoAccess is a user who may not consent.
	NoAccess
	// OtherProvider is a user who may not consent because of an identity provider
	// with which the account can sign in.
	OtherProvider
	// Busy is a user pool that throttles the broker.
	Busy
	// Full is a user pool, or profile, without room for an app client.
	Full
	// StylesUsedUp is a user pool without a free branding style.
	StylesUsedUp
	// Unavailable is a store or Cognito that does not answer.
	Unavailable
	// NotFound is a path without a page.
	NotFound
)

// Problems has all problems.
var Problems = []Problem{Internal, UnknownClient, MetadataDocument, NotApproved, SwitchedOff, BadRedirectURI, BadRequest, Expired, OtherBrowser, NoAccess, OtherProvider, Busy, Full,
	StylesUsedUp, Unavailable, NotFound}

// An answer is the HTTP side of a problem.
type answer struct {
	status int
	// code is the error code of the log line, the one of an OAuth response with
	// this status.
	code string
	// retryAfter is the default of ProblemView.RetryAfter; 0 for permanent
	// problems.
	retryAfter time.Duration
}

// answers gives each problem its status. It is for pages what answerFor of
// package httpapi is for responses in OAuth's form: a page tells kinds of errors
// apart for which OAuth has one code.
var answers = [...]answer{
	Internal:         {http.StatusInternalServerError, "server_error", 0},
	UnknownClient:    {http.StatusBadRequest, "invalid_request", 0},
	MetadataDocument: {http.StatusBadRequest, "invalid_request", 0},
	NotApproved:      {http.StatusForbidden, "access_denied", 0},
	SwitchedOff:      {http.StatusForbidden, "access_denied", 0},
	BadRedirectURI:   {http.StatusBadRequest, "invalid_request", 0},
	BadRequest:       {http.StatusBadRequest, "invalid_request", 0},
	Expired:          {http.StatusBadRequest, "invalid_request", 0},
	OtherBrowser:     {http.StatusBadRequest, "invalid_request", 0},
	NoAccess:         {http.StatusForbidden, "access_denied", 0},
	OtherProvider:    {http.StatusForbidden, "access_denied", 0},
	Busy:             {http.StatusServiceUnavailable, "temporarily_unavailable", 5 * time.Second},
	Full:             {http.StatusServiceUnavailable, "temporarily_unavailable", 10 * time.Minute},
	StylesUsedUp:     {http.StatusServiceUnavailable, "temporarily_unavailable", 10 * time.Minute},
	Unavailable:      {http.StatusServiceUnavailable, "temporarily_unavailable", 5 * time.Second},
	NotFound:         {http.StatusNotFound, "invalid_request", 0},
}

// LinkBackStatus is the HTTP status of the page LinkBack, whose code is that of
// the error for the client.
const LinkBackStatus = http.StatusBadRequest

// answer returns the answer of p; an unknown problem is Internal.
func (p Problem) answer() answer {
	if p < 0 || int(p) >= len(answers) {
		p = Internal
	}
	return answers[p]
}

// Status returns the HTTP status of the problem's page.
func (p Problem) Status() int { return p.answer().status }

// Code returns the error code of the problem for the log.
func (p Problem) Code() string { return p.answer().code }

// ProblemView is the content of an error page.
type ProblemView struct {
	credential.Redacted
	// Lang has the meaning of ConsentView.Lang.
	Lang    string
	Problem Problem
	// Detail is for the developer of the client. It may have text that the client
	// sent. Optional.
	Detail string
	// RequestID is the id of the request in the broker's log. Optional.
	RequestID string
	// RetryAfter is sent for temporary problems. 0 means a default for the
	// problem.
	RetryAfter time.Duration
	// User is shown with NoAccess and OtherProvider. If CSRF is not empty, the page has a button
	// to use another account, which submits the same form as the consent page.
	User        broker.User
	Transaction string
	CSRF        string
}

// Problem writes an error page, with the status of the problem. The page of a
// temporary problem has a link to its own address, so it must answer a GET.
func (p *Pages) Problem(w http.ResponseWriter, v ProblemView) {
	m := messagesFor(v.Lang)
	t := &m.Problem
	e, ok := t.Of[v.Problem]
	if !ok {
		e = t.Of[Internal]
	}
	pg := p.begin(m, nil, func(pg *page) { pg.message(e.Title) }, plain(e.Title))
	pg.paragraph(e.What)
	pg.paragraph(e.ToDo)
	switch v.Problem {
	case UnknownClient:
		pg.clients(t)
	case NoAccess, OtherProvider:
		pg.noAccess(t, v)
	}
	if wait := v.Problem.answer().retryAfter; wait > 0 {
		if v.RetryAfter != 0 {
			wait = v.RetryAfter
		}
		seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
		w.Header().Set("Retry-After", seconds)
		pg.html(`<p class="actions"><a class="button" href="">`)
		pg.message(t.TryAgain)
		pg.html("</a></p>\n<div class=\"note\">")
		pg.paragraph(t.Wait, isolated("seconds", seconds))
		pg.html("</div>\n")
	}
	pg.contact(t, p.contact)
	pg.technical(t, v)
	p.end(w, v.Problem.Status(), pg)
}

func (p *page) clients(t *problemText) {
	p.html("<section class=\"clients\">\n<h2>")
	p.message(t.Clients)
	p.html("</h2>\n<dl>\n")
	for _, h := range t.Help {
		p.help(h)
	}
	p.help(t.Other)
	p.html("</dl>\n</section>\n")
}

func (p *page) help(h clientHelp) {
	p.html("<div><dt>")
	p.message(h.Client)
	p.html("</dt><dd>")
	p.message(h.Steps)
	p.html("</dd></div>\n")
}

func (p *page) noAccess(t *problemText, v ProblemView) {
	if v.User.Username == "" && v.User.Email == "" {
		return
	}
	p.account(t.Account, v.User, func() {})
	if v.CSRF == "" {
		return
	}
	p.html(`<form method="post" action="` + DecisionPath + `">`)
	p.hidden(TransactionField, v.Transaction)
	p.hidden(CSRFField, v.CSRF)
	p.html("<div class=\"actions\">" + `<button type="submit" name="decision" value="switch" class="primary">`)
	p.message(t.Switch)
	p.html("</button></div></form>\n")
}

func (p *page) technical(t *problemText, v ProblemView) {
	detail, id := visible(v.Detail, maxDetail), visible(v.RequestID, maxName).text
	if detail.text == "" && id == "" {
		return
	}
	p.html(`<section class="aside">` + "\n<h2>")
	p.message(t.Technical)
	p.html("</h2>\n<dl>\n")
	if detail.text != "" {
		p.row(t.Detail, detail.withEllipsis())
	}
	if id != "" {
		p.row(t.Reference, id)
	}
	p.html("</dl>\n</section>\n")
}
