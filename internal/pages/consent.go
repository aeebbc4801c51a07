package pages

import (
	"net/http"
	"strconv"
	"strings"
)

// DecisionPath is where the forms of the pages go, by POST. They have the
// fields csrf and decision, which is one of the Decision values.
const DecisionPath = "/authorize"

// What a user decides.
const (
	Allow  = "allow"
	Cancel = "cancel"
	// Switch is to be somebody else.
	Switch = "switch"
)

// Account is who is signed in.
type Account struct {
	Username string
	// Email may be empty. Somebody's unverified address does not belong here.
	Email string
}

// Scope is something that a client may do.
type Scope struct {
	Name string
	// Description is the operator's, for users, or empty.
	Description string
}

// Resource is the MCP server that a client wants to use.
type Resource struct {
	// Name is the operator's, for users, or empty.
	Name string
	URL  string
}

// ConsentView is what the consent page shows.
type ConsentView struct {
	// Lang lists the languages the user prefers, as ui_locales or
	// Accept-Language has them; may be empty.
	Lang    string
	Account Account
	// What the client says of itself, as it says it; all but RedirectURI may be
	// empty. RedirectURI is the one of this request.
	ClientName  string
	ClientURI   string
	PolicyURI   string
	TermsURI    string
	RedirectURI string
	// Scopes are those to be granted, without openid.
	Scopes   []Scope
	Resource Resource
	// RememberedDays is for how long the consent is remembered, 0 if it is not.
	RememberedDays int
	CSRF           string
}

// Consent writes the page that asks the user. It answers 200.
func (p *Pages) Consent(w http.ResponseWriter, v ConsentView) {
	place, ok := placeOf(v.RedirectURI)
	if !ok {
		// Nothing of the kind can be registered.
		p.Problem(w, ProblemView{Lang: v.Lang, Problem: Internal})
		return
	}
	m := messagesFor(v.Lang)
	t := &m.Consent
	resource := isolated("resource", v.Resource.shown())
	pg := p.begin(m, nil, func(pg *page) { pg.say(t.Title, resource) }, plain(t.Title, resource))
	pg.asker(m, place, v)
	pg.account(t.SignedIn, v.Account, func() {
		pg.html(`<button type="submit" form="decide" name="decision" value="switch" class="quiet">`)
		pg.say(t.Switch)
		pg.html("</button>\n")
	})
	pg.scopes(t, v)

	pg.html(`<form id="decide" method="post" action="` + DecisionPath + `"><input type="hidden" name="csrf"`)
	pg.attr("value", v.CSRF)
	pg.html(">\n<div class=\"actions\">\n" + `<button type="submit" name="decision" value="allow" class="primary">`)
	pg.say(t.Allow)
	pg.html("</button>\n" + `<button type="submit" name="decision" value="cancel">`)
	pg.say(t.Cancel)
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

// asker says who asks: what is certain large, what the client says of itself
// small.
func (p *page) asker(m *messages, place place, v ConsentView) {
	t := &m.Consent
	p.html(`<section class="asker">` + "\n<h2>")
	if place.onDevice() {
		p.say(t.DeviceAsk)
		p.html("</h2>\n" + `<p class="place">`)
		p.say(t.Device)
		p.html("</p>\n")
		p.paragraph(t.Scheme, part{"scheme", "code", place.scheme + ":"})
	} else {
		p.say(t.Website)
		p.html("</h2>\n" + `<p class="place">`)
		p.host(place.host)
		p.html("</p>\n")
	}
	name := visible(v.ClientName, maxName)
	p.html(`<p class="name">`)
	if name.text == "" {
		p.say(t.Nameless)
	} else {
		p.say(t.Named, isolated("name", name.marked()))
		p.html(" ")
		p.say(t.Unverified)
	}
	p.html("</p>\n")
	p.suspicions(m, place, name)
	p.html("</section>\n")
}

// host adds a host that is broken into lines between its labels if it is long.
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

// suspicions says what is odd about the asker.
func (p *page) suspicions(m *messages, place place, name shown) {
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

// links lists the hosts of the web addresses that the client named. They are
// text: nobody has checked where they lead.
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
			p.say(t.GivenByApp)
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
	p.say(label)
	p.html("</dt><dd>")
	p.element("bdi", value)
	p.html("</dd></div>\n")
}

// account says who is signed in; after adds to it.
func (p *page) account(heading text, a Account, after func()) {
	p.html(`<section class="account">` + "\n<div>\n<h2>")
	p.say(heading)
	p.html("</h2>\n<p>")
	user, email := visible(a.Username, 2*maxName).marked(), visible(a.Email, 2*maxName).marked()
	if email == "" {
		user, email = "", user
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
	p.say(t.May)
	p.html("</h2>\n<ul>\n")
	for _, s := range v.Scopes {
		name, description := visible(s.Name, maxDetail).marked(), visible(s.Description, maxDetail).marked()
		p.html("<li>")
		switch {
		case description != "":
			p.text(description)
		case t.Described[s.Name] != "":
			p.say(t.Described[s.Name])
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
	p.say(t.Identity)
	p.html(" <small>")
	p.say(t.IdentityHow)
	p.html("</small></li>\n</ul>\n<dl>\n")
	p.row(t.Server, visible(v.Resource.URL, 5*maxDetail).marked())
	p.html("</dl>\n</section>\n")
}

// shown is the name of the resource, or its host.
func (r Resource) shown() string {
	if name := visible(r.Name, maxName).marked(); name != "" {
		return name
	}
	if host := plainHost(r.URL); host != "" {
		return host
	}
	return visible(r.URL, maxName).marked()
}
