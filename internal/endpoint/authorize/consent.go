package authorize

import (
	"net/http"
	"net/url"

	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// consent is GET /consent, the page that asks the user for consent. After the
// decision it is the page that leads to the client, until the code is used.
func (e *Endpoint) consent(w http.ResponseWriter, r *http.Request) {
	p, wrong := parseParameters(r.URL.RawQuery)
	if wrong != "" || len(p.repeated) > 0 {
		e.showProblem(w, r, badRequest("the address is not one of this page", nil))
		return
	}
	q, err := e.flow.Ask(r.Context(), e.cookies.of(r).secret(p.value(paramTransaction)))
	if err != nil {
		e.showProblem(w, r, err)
		return
	}
	look := e.look(r.Context())
	if q.ClientURL != "" {
		look.Pages.Continue(w, pages.ContinueView{Lang: languages(r, q.Lang), Target: q.ClientURL, Redirect: q.Redirect})
		return
	}
	look.Pages.Consent(w, pages.ConsentView{
		Lang:           languages(r, q.Lang),
		User:           q.User,
		ClientName:     q.Client.ClientName,
		ClientURI:      q.Client.ClientURI,
		PolicyURI:      q.Client.PolicyURI,
		TermsURI:       q.Client.TOSURI,
		Redirect:       q.Redirect,
		Forwards:       q.Forwards,
		Scopes:         look.described(q.Scopes),
		Resource:       q.Resource,
		RememberedDays: q.RememberedDays,
		Transaction:    q.Transaction,
		CSRF:           q.CSRF,
	})
}

// consentAddress is the address of the page of a transaction.
func consentAddress(id string) string {
	return consentPath + "?" + url.Values{paramTransaction: {id}}.Encode()
}

// described returns the scopes for the page, without openid: the page always says
// what openid allows.
func (l Look) described(scopes []string) []pages.Scope {
	var list []pages.Scope
	for _, s := range scopes {
		if s != broker.ScopeOpenID {
			list = append(list, pages.Scope{Name: s, Description: l.ScopeDescriptions[s]})
		}
	}
	return list
}
