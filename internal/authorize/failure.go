package authorize

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// problem is an error that people are told on a page.
type problem struct {
	kind       pages.Problem
	detail     string // for the developer of the client; ours, or quoted
	retryAfter time.Duration
	cause      error // for the log
}

func (p *problem) Error() string {
	if p.cause != nil {
		return p.detail + ": " + p.cause.Error()
	}
	return p.detail
}

func (p *problem) Unwrap() error { return p.cause }

// unavailable is when the store does not answer.
func unavailable(what string, cause error) *problem {
	return &problem{kind: pages.Unavailable, detail: what, cause: cause}
}

// recipient is the client of a request whose redirect URI is one of its own.
type recipient struct {
	redirect dcr.RedirectURI
	state    string
	// vouched is whether people may be sent there without having been asked:
	// somebody vouched for the registration, or a rule for the redirect URI
	// (RFC 9700 §4.11.2).
	vouched bool
}

// denial is an error that a client is told.
type denial struct {
	to recipient
	oauthError
	cause error // for the log
}

func (d *denial) Error() string {
	if d.cause != nil {
		return d.oauthError.Error() + ": " + d.cause.Error()
	}
	return d.oauthError.Error()
}

func (d *denial) Unwrap() error { return d.cause }

func (f *Front) denyURL(to recipient, e oauthError) string {
	v := url.Values{"error": {e.code}}
	if e.description != "" {
		v.Set("error_description", e.description)
	}
	return respond(to.redirect.Raw, f.Issuer, to.state, v)
}

// fail answers a GET with err: a redirect for a *denial of a client that is
// vouched for, and else a page.
func (f *Front) fail(w http.ResponseWriter, r *http.Request, lang string, err error) {
	d, ok := errors.AsType[*denial](err)
	if !ok {
		f.showProblem(w, r, lang, err)
		return
	}
	logDenial(w, r, d)
	if d.to.vouched {
		see(w, f.denyURL(d.to, d.oauthError))
		return
	}
	f.Pages.LinkBack(w, pages.LinkBackView{
		Lang: languages(r, lang), Target: f.denyURL(d.to, d.oauthError), Detail: d.oauthError.Error(), RequestID: httpapi.RequestID(r),
	})
}

func logDenial(w http.ResponseWriter, r *http.Request, d *denial) {
	httpapi.Refused(w, r, &httpapi.Error{Status: http.StatusBadRequest, Code: d.code, Description: d.description, Cause: d.cause})
}

// showProblem answers with a page. An error that is not a *problem is ours.
func (f *Front) showProblem(w http.ResponseWriter, r *http.Request, lang string, err error) {
	p, ok := errors.AsType[*problem](err)
	if !ok {
		p = &problem{kind: pages.Internal, cause: err}
	}
	logProblem(w, r, p)
	f.Pages.Problem(w, pages.ProblemView{
		Lang: languages(r, lang), Problem: p.kind, Detail: p.detail, RequestID: httpapi.RequestID(r), RetryAfter: p.retryAfter,
	})
}

func logProblem(w http.ResponseWriter, r *http.Request, p *problem) {
	code := "invalid_request"
	switch p.kind.Status() {
	case http.StatusServiceUnavailable:
		code = "temporarily_unavailable"
	case http.StatusForbidden:
		code = "access_denied"
	case http.StatusInternalServerError, http.StatusBadGateway:
		code = "server_error"
	}
	httpapi.Refused(w, r, &httpapi.Error{Status: p.kind.Status(), Code: code, Description: p.detail, Cause: p.cause})
}

// routeError is what the router has to say: the method is not allowed, or a
// handler panicked.
func (f *Front) routeError(w http.ResponseWriter, r *http.Request, err error) {
	a := httpapi.Refused(w, r, err)
	kind := pages.Internal
	if a.Status < 500 {
		kind = pages.BadRequest
	}
	f.Pages.Problem(statusWriter{w, a.Status}, pages.ProblemView{
		Lang: languages(r, ""), Problem: kind, Detail: a.Description, RequestID: httpapi.RequestID(r),
	})
}

// statusWriter answers with a status of its own.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w statusWriter) WriteHeader(int) { w.ResponseWriter.WriteHeader(w.status) }

// languages lists those that the user wants: what the client asked for, then
// what the browser says.
func languages(r *http.Request, lang string) string {
	if lang == "" {
		return r.Header.Get("Accept-Language")
	}
	return lang + "," + r.Header.Get("Accept-Language")
}

// provisionProblem says why there is no app client.
func provisionProblem(err error) *problem {
	if errors.Is(err, broker.ErrNotFound) {
		return &problem{kind: pages.UnknownClient, detail: "the client may not have an app client", cause: err}
	}
	p := &problem{kind: pages.Busy, detail: "the app client could not be made; nothing was lost", cause: err}
	e, told := errors.AsType[*dcr.Error](err)
	if told {
		p.detail, p.retryAfter = e.Description, e.RetryAfter
	}
	switch {
	case errors.Is(err, broker.ErrBrandingLimit):
		p.kind, p.detail = pages.StylesUsedUp, "all branding styles of the user pool are used up; profiles with app_client shared need one each"
	case errors.Is(err, broker.ErrExhausted), told && e.RetryAfter >= fullAfter:
		p.kind = pages.Full
	}
	return p
}

// fullAfter is from which wait on a pool is full rather than busy.
const fullAfter = 5 * time.Minute
