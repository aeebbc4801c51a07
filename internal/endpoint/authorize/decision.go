package authorize

import (
	"errors"
	"net/http"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
)

// maxForm is the maximum length of the form, in bytes.
const maxForm = 4 << 10

// decide is POST /authorize: the user's decision on the consent page. The
// answer is a page with a link, not a redirect: browsers apply the form-action
// policy of the page with the form to every redirect that answers the form.
func (e *Endpoint) decide(w http.ResponseWriter, r *http.Request) {
	form, err := readForm(r)
	if err != nil {
		e.showProblem(w, r, err)
		return
	}
	j, id := e.cookies.of(r), form.value(pages.TransactionField)
	s := j.secret(id)
	o, err := e.flow.Decide(r.Context(), s, decisionOf(form.value(pages.DecisionField)), form.value(pages.CSRFField))
	if o.Ended {
		j.end(s)
	}
	if !o.Next.IsZero() {
		j.addSwitched(o.Next)
	}
	j.write(w)
	if err != nil {
		e.decisionFailed(w, r, id, err)
		return
	}
	e.pages(r).Continue(w, pages.ContinueView{Lang: languages(r, o.Lang), Target: o.URL, Redirect: o.Redirect, SignOut: !o.Next.IsZero()})
}

// decisionOf reads the user's decision from the form of the consent page.
func decisionOf(value string) authorization.Decision {
	switch value {
	case pages.Allow:
		return authorization.Allow
	case pages.Cancel:
		return authorization.Cancel
	case pages.Switch:
		return authorization.SwitchAccount
	}
	return 0
}

func (e *Endpoint) decisionFailed(w http.ResponseWriter, r *http.Request, id string, err error) {
	if d, ok := errors.AsType[*authorization.Denial](err); ok {
		logDenial(w, r, d)
		e.pages(r).Continue(w, pages.ContinueView{Lang: languages(r, d.Lang), Target: d.URL(), Redirect: d.Redirect})
		return
	}
	p := problemOf(err)
	if p.Kind == authorization.Undecided {
		logProblem(w, r, p)
		redirect(w, consentAddress(id))
		return
	}
	e.showProblem(w, r, p)
}

func readForm(r *http.Request) (parameters, error) {
	body, err := httpapi.ReadBody(r, "application/x-www-form-urlencoded", maxForm)
	if err != nil {
		return parameters{}, formProblem(err)
	}
	form, wrong := parseParameters(string(body))
	if wrong != "" || len(form.repeated) > 0 {
		return parameters{}, badRequest("the form is not one of this page", nil)
	}
	return form, nil
}

// formProblem is the problem of a form that could not be read.
func formProblem(err error) error {
	e, ok := errors.AsType[*httpapi.Error](err)
	if !ok {
		return err
	}
	return badRequest(e.Description, err)
}
