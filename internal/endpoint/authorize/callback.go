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
	if p.len() == 1 && p.has(paramProblem) || p.len() == 2 && p.has(paramDenied) && p.has(paramTransaction) {
		e.explain(w, r, p)
		return
	}
	cb, j := p.callback(), e.cookies.of(r)
	s := j.secret(authorization.IDOfState(cb.State))
	clientURL, err := e.flow.SignedIn(r.Context(), s, cb)
	if d, ok := errors.AsType[*authorization.Denial](err); ok {
		logDenial(w, r, d)
		if !d.Vouched {
			redirect(w, broker.CallbackPath+"?"+url.Values{paramDenied: {string(d.Refusal.Code)}, paramTransaction: {s.ID()}}.Encode())
			return
		}
		clientURL, err = d.URL(), nil
	}
	switch {
	case err != nil:
		e.callbackFailed(w, r, err)
	case clientURL != "":
		j.end(s)
		j.write(w)
		redirect(w, clientURL)
	default:
		redirect(w, consentAddress(s.ID()))
	}
}

// callbackFailed answers a callback with a problem.
func (e *Endpoint) callbackFailed(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	// Cognito's code was not used, so the user can load this address again.
	if p.Kind == authorization.NotReady || p.Kind == authorization.Unavailable {
		e.showProblem(w, r, p)
		return
	}
	logProblem(w, r, p)
	redirect(w, broker.CallbackPath+"?"+url.Values{paramProblem: {problemNames[p.Kind]}}.Encode())
}

// The query of a callback that only names an error. A denial also names its
// transaction.
const (
	paramProblem     = "problem"
	paramDenied      = "denied"
	paramTransaction = "transaction"
)

// problemNames are the problems of a callback. Any site can link to their pages,
// which contain nothing about a user or a client.
var problemNames = map[authorization.ProblemKind]string{
	authorization.Internal:       "internal",
	authorization.BadRequest:     "bad_request",
	authorization.BadRedirectURI: "bad_redirect_uri",
	authorization.UnknownClient:  "unknown_client",
	authorization.NotApproved:    "not_approved",
	authorization.SwitchedOff:    "switched_off",
	authorization.Expired:        "expired",
	authorization.OtherBrowser:   "other_browser",
}

// explain shows the page of a callback that failed.
func (e *Endpoint) explain(w http.ResponseWriter, r *http.Request, p parameters) {
	if code := p.value(paramDenied); code != "" {
		e.fail(w, r, e.flow.Denied(r.Context(), e.cookies.of(r).secret(p.value(paramTransaction)), code))
		return
	}
	for kind, name := range problemNames {
		if name == p.value(paramProblem) {
			e.showEarlierProblem(w, r, kind)
			return
		}
	}
	e.showProblem(w, r, badRequest("no such page", nil))
}
