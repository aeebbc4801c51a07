package pages

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// DecisionPath is the path to which the pages POST their forms.
const DecisionPath = "/authorize"

// The fields of a form. The decision is Allow, Cancel or Switch.
const (
	TransactionField = "transaction"
	CSRFField        = "csrf"
	DecisionField    = "decision"
)

// The decisions of a user.
const (
	Allow  = "allow"
	Cancel = "cancel"
	// Switch means: sign in with another account.
	Switch = "switch"
)

// Scope is a scope that a client requests.
type Scope struct {
	Name string
	// Description is the operator's text for users. Optional.
	Description string
}

// ConsentView is the content of the consent page.
type ConsentView struct {
	credential.Redacted
	// Lang has the user's preferred languages, in the format of ui_locales or
	// Accept-Language. Optional.
	Lang string
	// User has signed in. The page shows the user name and the address.
	User broker.User
	// The client's own metadata, unchanged. Optional.
	ClientName string
	ClientURI  string
	PolicyURI  string
	TermsURI   string
	// Redirect is the redirect URI of this request. Forwards reports whether its
	// server hands the response on to a program on the user's device.
	Redirect dcr.RedirectURI
	Forwards bool
	// Scopes are the scopes to grant, without openid.
	Scopes []Scope
	// Resource is the MCP server that the client wants to use.
	Resource broker.Resource
	// RememberedDays is how many days the consent is stored; 0 if it is not
	// stored.
	RememberedDays int
	// Transaction and CSRF are fields of the form.
	Transaction string
	CSRF        string
}

// Consent writes the consent page, with status 200.
func (p *Pages) Consent(w http.ResponseWriter, v ConsentView) {
	place, ok := placeOf(v.Redirect, v.Forwards)
	if !ok {
		p.Problem(w, ProblemView{Lang: v.Lang, Problem: Internal})
		return
	}
	m := messagesFor(v.Lang)
	t := &m.Consent
	resource := isolated("resource", displayName(v.Resource))
	pg := p.begin(m, nil, func(pg *page) { pg.message(t.Title, resource) }, plain(t.Title, resource))
	pg.requester(m, place, v)
	pg.account(t.SignedIn, v.User, func() {
		pg.html(`<button type="submit" form="decide" name="decision" value="switch" class="quiet">`)
		pg.message(t.Switch)
		pg.html("</button>\n")
	})
	pg.scopes(t, v)

	pg.html(`<form id="decide" method="post" action="` + DecisionPath + `">`)
	pg.hidden(TransactionField, v.Transaction)
	pg.hidden(CSRFField, v.CSRF)
	pg.html("\n")
	pg.paragraph(t.Started)
	// The style sheet covers the button until the pointer has been in the form for a
	// moment. So the second click of a double click that began in another window
	// does not press it.
	pg.html("<div class=\"actions\">\n" + `<span class="guard"><button type="submit" name="decision" value="allow" class="primary">`)
	pg.message(t.Allow)
	pg.html("</button></span>\n" + `<button type="submit" name="decision" value="cancel">`)
	pg.message(t.Cancel)
	pg.html("</button>\n</div>\n</form>\n<div class=\"note\">")
	if place.onDevice() {
		pg.paragraph(t.WhatNowDevice)
	} else {
		pg.paragraph(t.WhatNow, isolated("host", place.host))
	}
	if v.RememberedDays > 0 {
		pg.paragraph(t.Remember, isolated("days", strconv.Itoa(v.RememberedDays)))
	} else {
		pg.paragraph(t.Again)
	}
	pg.html("</div>\n")
	pg.links(t, v)
	p.end(w, http.StatusOK, pg)
}

// requester adds the client that sends the request: its verified address in
// large type, its own name in small type.
func (p *page) requester(m *messages, place place, v ConsentView) {
	t := &m.Consent
	p.html(`<section class="asker">` + "\n<h2>")
	if place.onDevice() {
		p.message(t.DeviceAsk)
		p.html("</h2>\n" + `<p class="place">`)
		if place.forwards {
			p.message(t.DeviceThrough, isolated("host", place.host))
			p.html("</p>\n")
			p.paragraph(t.Through, isolated("host", place.host))
		} else {
			p.message(t.Device)
			p.html("</p>\n")
			p.paragraph(t.Scheme, part{"scheme", "code", place.scheme + ":"})
		}
	} else {
		p.message(t.Website)
		p.html("</h2>\n" + `<p class="place">`)
		p.host(place.host)
		p.html("</p>\n")
	}
	name := visible(v.ClientName, maxName)
	p.name(t, name)
	p.warnings(m, place, name)
	p.html("</section>\n")
}

// name adds the client's name in a box of its own, as the value of a list. Between
// quotation marks, a name with such a mark could go on in the broker's voice.
func (p *page) name(t *consentText, name safeText) {
	if name.text == "" {
		p.paragraph(t.Nameless)
		return
	}
	p.html(`<dl class="name">` + "\n")
	p.row(t.Named, name.withEllipsis())
	p.html("</dl>\n")
	p.paragraph(t.Unverified)
}

// host adds a host. A long one can wrap between its labels.
func (p *page) host(host string) {
	p.html("<bdi>")
	for label := range strings.SplitAfterSeq(host, ".") {
		p.text(label)
		if strings.HasSuffix(label, ".") {
			p.html("<wbr>")
		}
	}
	p.html("</bdi>")
}

// warnings adds notes about an unusual address or name of the client.
func (p *page) warnings(m *messages, place place, name safeText) {
	p.html(`<div class="warnings">`)
	if place.onDevice() {
		p.paragraph(m.Consent.Warning)
	}
	for label := range strings.SplitSeq(place.host, ".") {
		if strings.HasPrefix(label, "xn--") {
			p.paragraph(m.Consent.Punycode)
			break
		}
	}
	if name.cut {
		p.paragraph(m.Name.Cut, isolated("length", strconv.Itoa(name.length)))
	}
	if name.hidden {
		p.paragraph(m.Name.Hidden)
	}
	if name.lookalike {
		p.paragraph(m.Name.Lookalike)
	}
	p.html("</div>\n")
}

// links adds the hosts of the web addresses in the client's metadata. They are
// text and not links, because the addresses are not verified.
func (p *page) links(t *consentText, v ConsentView) {
	rows := []struct {
		label text
		host  string
	}{{t.HomePage, plainHost(v.ClientURI)}, {t.Policy, plainHost(v.PolicyURI)}, {t.Terms, plainHost(v.TermsURI)}}
	headed := false
	for _, r := range rows {
		if r.host == "" {
			continue
		}
		if !headed {
			p.html(`<section class="aside">` + "\n<h2>")
			p.message(t.GivenByApp)
			p.html("</h2>\n<dl>\n")
			headed = true
		}
		p.row(r.label, r.host)
	}
	if headed {
		p.html("</dl>\n</section>\n")
	}
}

// row adds a term and its value to a list.
func (p *page) row(label text, value string) {
	p.html("<div><dt>")
	p.message(label)
	p.html("</dt><dd>")
	p.element("bdi", value)
	p.html("</dd></div>\n")
}

// account adds the user's account. after adds markup to the section.
func (p *page) account(heading text, u broker.User, after func()) {
	p.html(`<section class="account">` + "\n<div>\n<h2>")
	p.message(heading)
	p.html("</h2>\n<p>")
	user, email := visible(u.Username, 2*maxName).withEllipsis(), visible(u.Email, 2*maxName).withEllipsis()
	switch {
	case email == "":
		user, email = "", user
	case u.Username == u.Sub:
		user = "" // a UUID, which tells users nothing
	}
	p.element("bdi", email)
	if user != "" && user != email {
		p.html(` <small>`)
		p.element("bdi", user)
		p.html("</small>")
	}
	p.html("</p>\n</div>\n")
	after()
	p.html("</section>\n")
}

func (p *page) scopes(t *consentText, v ConsentView) {
	p.html(`<section class="scopes">` + "\n<h2>")
	p.message(t.May)
	p.html("</h2>\n<ul>\n")
	for _, s := range v.Scopes {
		name, description := visible(s.Name, maxDetail).withEllipsis(), visible(s.Description, maxDetail).withEllipsis()
		p.html("<li>")
		switch {
		case description != "":
			p.text(description)
		case t.Described[s.Name] != "":
			p.message(t.Described[s.Name])
		default:
			p.element("code", name)
			p.html("</li>\n")
			continue
		}
		p.html(" ")
		p.element("code", name)
		p.html("</li>\n")
	}
	p.html("<li>")
	p.message(t.Identity)
	p.html(" <small>")
	p.message(t.IdentityHow)
	p.html("</small></li>\n</ul>\n<dl>\n")
	p.row(t.Server, visible(v.Resource.URL, 5*maxDetail).withEllipsis())
	p.html("</dl>\n</section>\n")
}

// displayName returns the name of the resource, or its host.
func displayName(r broker.Resource) string {
	if name := visible(r.Name, maxName).withEllipsis(); name != "" {
		return name
	}
	if host := plainHost(r.URL); host != "" {
		return host
	}
	return visible(r.URL, maxName).withEllipsis()
}
