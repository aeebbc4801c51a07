package authorize

import (
	"errors"
	"net/http"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
)

// fail answers a GET with an error: with a redirect to the client for a denial
// that may be redirected, and otherwise with a page.
func (e *Endpoint) fail(w http.ResponseWriter, r *http.Request, err error) {
	d, ok := errors.AsType[*authorization.Denial](err)
	if !ok {
		e.showProblem(w, r, err)
		return
	}
	logDenial(w, r, d)
	if d.Vouched {
		redirect(w, d.URL())
		return
	}
	e.pages(r).LinkBack(w, pages.LinkBackView{
		Lang: languages(r, d.Lang), Target: d.URL(), Redirect: d.Redirect, Forwards: d.Forwards,
		Detail: string(d.Refusal.Code) + ": " + d.Refusal.Description, RequestID: httpapi.RequestID(r),
	})
}

func logDenial(w http.ResponseWriter, r *http.Request, d *authorization.Denial) {
	httpapi.Refused(w, r, &httpapi.Error{
		Status: pages.LinkBackStatus, Code: string(d.Refusal.Code), Description: d.Refusal.Description, Cause: d.Refusal.Cause,
	})
}

// problemOf returns err as a problem. An error that is not a problem becomes an
// internal error.
func problemOf(err error) *authorization.Problem {
	if p, ok := errors.AsType[*authorization.Problem](err); ok {
		return p
	}
	return &authorization.Problem{Kind: authorization.Internal, Cause: err}
}

// pageOf maps a kind of problem to its page.
var pageOf = [...]pages.Problem{
	authorization.Internal:         pages.Internal,
	authorization.UnknownClient:    pages.UnknownClient,
	authorization.MetadataDocument: pages.MetadataDocument,
	authorization.NotApproved:      pages.NotApproved,
	authorization.SwitchedOff:      pages.SwitchedOff,
	authorization.BadRedirectURI:   pages.BadRedirectURI,
	authorization.BadRequest:       pages.BadRequest,
	authorization.Expired:          pages.Expired,
	authorization.OtherBrowser:     pages.OtherBrowser,
	authorization.NoAccess:         pages.NoAccess,
	authorization.OtherProvider:    pages.OtherProvider,
	authorization.Busy:             pages.Busy,
	authorization.Full:             pages.Full,
	authorization.StylesUsedUp:     pages.StylesUsedUp,
	authorization.Unavailable:      pages.Unavailable,
	authorization.NotReady:         pages.Unavailable,
	authorization.Undecided:        pages.Unavailable,
}

// showProblem answers with the page of an error.
func (e *Endpoint) showProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	logProblem(w, r, p)
	v := pages.ProblemView{
		Lang: languages(r, p.Lang), Problem: pageOf[p.Kind], Detail: p.Detail, RequestID: httpapi.RequestID(r), RetryAfter: p.RetryAfter,
	}
	if !p.CSRF.IsZero() {
		// The page names the user and has a button, in place of the detail.
		v.Detail, v.User, v.Transaction, v.CSRF = "", p.User, p.Transaction, p.CSRF.Reveal()
	}
	e.pages(r).Problem(w, v)
}

// showEarlierProblem answers with the page of a problem that an earlier request
// had. That request logged it, and any site can link to this page. So the page is
// never a 5xx, and its line never an error.
func (e *Endpoint) showEarlierProblem(w http.ResponseWriter, r *http.Request, kind authorization.ProblemKind) {
	page := pageOf[kind]
	httpapi.Refused(w, r, &httpapi.Error{Status: http.StatusBadRequest, Code: page.Code(), Description: "the page of an earlier problem"})
	e.pages(r).Problem(statusWriter{w, http.StatusBadRequest}, pages.ProblemView{
		Lang: languages(r, ""), Problem: page, RequestID: httpapi.RequestID(r),
	})
}

func logProblem(w http.ResponseWriter, r *http.Request, p *authorization.Problem) {
	if p.Kind == authorization.NotReady {
		httpapi.Refused(w, r, p.Cause) // which has the detail of p
		return
	}
	page := pageOf[p.Kind]
	httpapi.Refused(w, r, &httpapi.Error{Status: page.Status(), Code: page.Code(), Description: p.Detail, Cause: p.Cause})
}

// routeError is the page of an error of the router: the method is not allowed, or
// a handler panicked.
func (e *Endpoint) routeError(w http.ResponseWriter, r *http.Request, err error) {
	a := httpapi.Refused(w, r, err)
	kind := pages.Internal
	if a.Status < 500 {
		kind = pages.BadRequest
	}
	e.pages(withoutReads(r)).Problem(statusWriter{w, a.Status}, pages.ProblemView{
		Lang: languages(r, ""), Problem: kind, Detail: a.Description, RequestID: httpapi.RequestID(r),
	})
}

// statusWriter replaces the status of a page.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w statusWriter) WriteHeader(int) { w.ResponseWriter.WriteHeader(w.status) }

// languages lists the languages for a page: first the language that the client
// requested, then the languages of the browser.
func languages(r *http.Request, lang string) string {
	if lang == "" {
		return r.Header.Get("Accept-Language")
	}
	return lang + "," + r.Header.Get("Accept-Language")
}
