package authorize

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// rememberedDays is how long a consent is remembered.
const rememberedDays = 30

// consent is GET /consent: the page that asks the user. It changes nothing, so
// it can be reloaded. After the decision it is the page that goes on to the
// client, as long as the code has not been used.
func (f *Front) consent(w http.ResponseWriter, r *http.Request) {
	s, t, err := f.transaction(r)
	if err != nil {
		f.showProblem(w, r, "", err)
		return
	}
	switch t.Step {
	case broker.StepDecided:
		f.showOutcome(w, r, s, t)
		return
	case broker.StepSignedIn:
	default:
		f.showProblem(w, r, t.Lang, &problem{kind: pages.Expired, detail: "nobody has signed in here"})
		return
	}
	c, err := f.clientOf(r.Context(), t)
	if err != nil {
		f.showProblem(w, r, t.Lang, err)
		return
	}
	if !c.profile.Users().Allow(t.User.Groups, t.User.IdentityProvider) {
		f.showNoAccess(w, r, s, t)
		return
	}
	days := 0
	if remembers(c.profile, c.to.redirect) {
		days = rememberedDays
	}
	m := c.reg.Metadata
	f.Pages.Consent(w, pages.ConsentView{
		Lang:           languages(r, t.Lang),
		Account:        account(t.User),
		ClientName:     m.ClientName,
		ClientURI:      m.ClientURI,
		PolicyURI:      m.PolicyURI,
		TermsURI:       m.TOSURI,
		RedirectURI:    t.RedirectURI,
		Scopes:         f.described(t.Scopes),
		Resource:       f.resource(t.Resource),
		RememberedDays: days,
		CSRF:           s.csrf(),
	})
}

// transaction returns the one that the browser is in.
func (f *Front) transaction(r *http.Request) (secret, *broker.Transaction, error) {
	s, ok := f.cookies.read(r)
	if !ok {
		return s, nil, &problem{kind: pages.OtherBrowser, detail: "no cookie of a transaction"}
	}
	t, err := f.Grants.Transaction(r.Context(), s.key())
	if errors.Is(err, broker.ErrNotFound) {
		return s, nil, &problem{kind: pages.Expired, detail: "this sign-in has expired"}
	}
	if err != nil {
		return s, nil, unavailable("the sign-in could not be read", err)
	}
	return s, t, nil
}

func account(u broker.User) pages.Account { return pages.Account{Username: u.Username, Email: u.Email} }

func (f *Front) described(scopes []string) []pages.Scope {
	var list []pages.Scope
	for _, s := range scopes {
		if s != openID { // the page says what it means whether or not it was asked for
			list = append(list, pages.Scope{Name: s, Description: f.ScopeDescriptions[s]})
		}
	}
	return list
}

func (f *Front) resource(identifier string) pages.Resource {
	i := slices.IndexFunc(f.Resources, func(r broker.Resource) bool { return r.URL == identifier })
	if i < 0 {
		return pages.Resource{URL: identifier}
	}
	return pages.Resource{Name: f.Resources[i].Name, URL: identifier}
}

// showNoAccess tells a user that somebody else may consent.
func (f *Front) showNoAccess(w http.ResponseWriter, r *http.Request, s secret, t *broker.Transaction) {
	p := &problem{kind: pages.NoAccess, detail: "the user may not consent under this profile"}
	logProblem(w, r, p)
	f.Pages.Problem(w, pages.ProblemView{
		Lang: languages(r, t.Lang), Problem: p.kind, RequestID: httpapi.RequestID(r), Account: account(t.User), CSRF: s.csrf(),
	})
}

// showOutcome goes on to the client with the code that was issued, or says that
// there is none to go on with.
func (f *Front) showOutcome(w http.ResponseWriter, r *http.Request, s secret, t *broker.Transaction) {
	code, ok, err := f.issued(r.Context(), s, t)
	if err != nil {
		f.showProblem(w, r, t.Lang, unavailable("the decision could not be read", err))
		return
	}
	if !ok {
		f.showProblem(w, r, t.Lang, &problem{kind: pages.Expired, detail: "this was decided already"})
		return
	}
	f.goOn(w, r, t, url.Values{"code": {code.Reveal()}})
}

// goOn sends the user to the client. It is a page, since browsers hold
// form-action of the consent page against the redirects that follow it.
func (f *Front) goOn(w http.ResponseWriter, r *http.Request, t *broker.Transaction, params url.Values) {
	f.Pages.Continue(w, pages.ContinueView{
		Lang: languages(r, t.Lang), Target: respond(t.RedirectURI, f.Issuer, t.State, params),
	})
}
