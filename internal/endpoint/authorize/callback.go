package authorize

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
)

// callback is GET /callback, where the browser arrives from Cognito. The answer
// is always a redirect, also for an error, so that Cognito's code does not stay
// in the address bar. The target is the consent page, the client, or this path
// with a query that only names the error.
func (e *Endpoint) callback(w http.ResponseWriter, r *http.Request) {
	p, wrong := parseParameters(r.URL.RawQuery)
	if wrong != "" {
		e.callbackFailed(w, r, authorization.InvalidCallback())
		return
	}
	if p.len() == 1 && (p.has(paramProblem) || p.has(paramDenied)) {
		e.explain(w, r, p)
		return
	}
	clientURL, err := e.flow.SignedIn(r.Context(), e.cookies.read(r), p.callback())
	switch {
	case err != nil:
		e.callbackFailed(w, r, err)
	case clientURL != "":
		e.cookies.clear(w)
		redirect(w, clientURL)
	default:
		redirect(w, consentPath)
	}
}

func (e *Endpoint) callbackFailed(w http.ResponseWriter, r *http.Request, err error) {
	if d, ok := errors.AsType[*authorization.Denial](err); ok {
		logDenial(w, r, d)
		if d.Vouched {
			e.cookies.clear(w)
			redirect(w, d.URL())
			return
		}
		redirect(w, broker.CallbackPath+"?"+url.Values{paramDenied: {string(d.Refusal.Code)}}.Encode())
		return
	}
	p := problemOf(err)
	// Cognito's code was not used, so the user can load this address again.
	if p.Kind == authorization.NotReady {
		e.showProblem(w, r, p)
		return
	}
	logProblem(w, r, p)
	redirect(w, broker.CallbackPath+"?"+url.Values{paramProblem: {problemNames[p.Kind]}}.Encode())
}

// The query of a callback that only names an error.
const (
	paramProblem = "problem"
	paramDenied  = "denied"
)

// problemNames are the problems of a callback. Any site can link to their pages,
// which contain nothing about a user or a client.
var problemNames = map[authorization.ProblemKind]string{
	authorization.Internal:       "internal",
	authorization.BadRequest:     "bad_request",
	authorization.BadRedirectURI: "bad_redirect_uri",
	authorization.UnknownClient:  "unknown_client",
	authorization.NotApproved:    "not_approved",
	authorization.Expired:        "expired",
	authorization.OtherBrowser:   "other_browser",
	authorization.SignInFailed:   "sign_in_failed",
}

// explain shows the page of a callback that failed.
func (e *Endpoint) explain(w http.ResponseWriter, r *http.Request, p parameters) {
	if code := p.value(paramDenied); code != "" {
		e.fail(w, r, e.flow.Denied(r.Context(), e.cookies.read(r), code))
		return
	}
	for kind, name := range problemNames {
		if name == p.value(paramProblem) {
			e.showProblem(w, r, &authorization.Problem{Kind: kind})
			return
		}
	}
	e.showProblem(w, r, badRequest("no such page", nil))
}
