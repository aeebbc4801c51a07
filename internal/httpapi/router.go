package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// Router sends requests to handlers and sees to what every answer has in
// common: a request id, CORS, HEAD, OPTIONS, 404 and 405 in OAuth's form, an
// answer even if the handler panics or writes none, and one log line.
//
// It is not http.ServeMux because that redirects paths which are not clean and
// answers unknown ones in plain text. A Router must not be changed while it
// serves.
type Router struct {
	log    *slog.Logger
	routes []route
}

type route struct {
	pattern  string
	segments []string
	handlers map[string]http.Handler
	allow    string
	// page answers errors as pages; nil if the route is for programs.
	page func(http.ResponseWriter, *http.Request, error)
}

// NewRouter returns a Router without routes that logs to log.
func NewRouter(log *slog.Logger) *Router { return &Router{log: log} }

// Handle serves the method at the pattern with h. A pattern is a path; a
// segment {name} stands for any one segment and a last segment {name...} for
// the rest, both available as r.PathValue(name). Patterns are tried in the
// order in which they were first added. GET serves HEAD too.
func (rt *Router) Handle(method, pattern string, h http.Handler) { rt.handle(method, pattern, h) }

// HandlePage is Handle for what people look at: no CORS, and what the router
// has to answer by itself is left to fail, which is to answer with a page. All
// methods of a pattern are pages, or none.
func (rt *Router) HandlePage(method, pattern string, h http.Handler, fail func(http.ResponseWriter, *http.Request, error)) {
	rt.handle(method, pattern, h).page = fail
}

func (rt *Router) handle(method, pattern string, h http.Handler) *route {
	i := slices.IndexFunc(rt.routes, func(r route) bool { return r.pattern == pattern })
	if i < 0 {
		i = len(rt.routes)
		rt.routes = append(rt.routes, route{
			pattern:  pattern,
			segments: strings.Split(pattern, "/"),
			handlers: make(map[string]http.Handler),
		})
	}
	r := &rt.routes[i]
	r.handlers[method] = h
	if method == http.MethodGet {
		r.handlers[http.MethodHead] = h
	}
	methods := []string{http.MethodOptions}
	for m := range r.handlers {
		methods = append(methods, m)
	}
	slices.Sort(methods)
	r.allow = strings.Join(methods, ", ")
	return r
}

func (rt *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	id := requestID(r.Context())
	ctx, activity := telemetry.Begin(r.Context(), id)
	x := &exchange{id: id, log: rt.log}
	r = r.WithContext(context.WithValue(ctx, exchangeKey{}, x))
	rec := &recorder{ResponseWriter: w, head: r.Method == http.MethodHead}

	match := rt.match(r)
	match.begin(w.Header())
	rt.answer(rec, r, match)

	pattern := "none"
	if match != nil {
		pattern = match.pattern
	}
	telemetry.Note(ctx, telemetry.Outcome, cmp.Or(x.outcome, "ok"))
	activity.Log(r.Context(), rt.log, "answered",
		slog.String("method", r.Method), slog.String("route", pattern), slog.Int("status", rec.status),
		slog.Float64("ms", float64(time.Since(start).Microseconds())/1000))
}

func (rt *Router) answer(rec *recorder, r *http.Request, match *route) {
	defer func() {
		v := recover()
		if v == nil && rec.status != 0 {
			return
		}
		if v == http.ErrAbortHandler {
			panic(v)
		}
		err := errors.New("handler wrote no answer")
		if v != nil {
			err = fmt.Errorf("handler panicked: %v", v)
		}
		if rec.status != 0 { // too late to answer
			Logger(r).Error("after the answer", "error", err)
			return
		}
		clear(rec.Header())
		match.begin(rec.Header())
		match.fail(rec, r, err)
	}()

	switch {
	case match == nil:
		WriteError(rec, r, notFound(r.URL.Path))
	case r.Method == http.MethodOptions && match.page != nil:
		rec.Header().Set("Allow", match.allow)
		rec.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodOptions:
		preflight(rec, match.allow)
	case match.handlers[r.Method] == nil:
		rec.Header().Set("Allow", match.allow)
		match.fail(rec, r, methodNotAllowed(match.allow))
	default:
		match.handlers[r.Method].ServeHTTP(rec, r)
	}
}

func (rt *Router) match(r *http.Request) *route {
	segments := strings.Split(r.URL.Path, "/")
	for i := range rt.routes {
		if rt.routes[i].matches(r, segments) {
			return &rt.routes[i]
		}
	}
	return nil
}

func (rt *route) matches(r *http.Request, segments []string) bool {
	n := len(rt.segments)
	rest := strings.HasSuffix(rt.segments[n-1], "...}")
	if len(segments) != n && (!rest || len(segments) < n) {
		return false
	}
	for i, want := range rt.segments {
		switch {
		case i == n-1 && rest:
			r.SetPathValue(strings.Trim(want, "{.}"), strings.Join(segments[i:], "/"))
		case strings.HasPrefix(want, "{"):
			if segments[i] == "" {
				return false
			}
			r.SetPathValue(strings.Trim(want, "{}"), segments[i])
		case want != segments[i]:
			return false
		}
	}
	return true
}

// begin sets the headers that every answer of the route has; a nil route is that
// of a path where nothing is.
func (rt *route) begin(h http.Header) {
	if rt != nil && rt.page != nil {
		h.Set("X-Content-Type-Options", "nosniff")
		return
	}
	allowCORS(h)
}

// fail answers with an error.
func (rt *route) fail(w http.ResponseWriter, r *http.Request, err error) {
	if rt != nil && rt.page != nil {
		rt.page(w, r, err)
		return
	}
	WriteError(w, r, err)
}

// allowCORS lets a page of any origin read the answer: nothing here depends on
// cookies, and MCP Inspector and others run in a browser.
func allowCORS(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After, ETag")
	h.Set("X-Content-Type-Options", "nosniff")
}

func preflight(w http.ResponseWriter, allow string) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", allow)
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, MCP-Protocol-Version")
	h.Set("Access-Control-Max-Age", "3600")
	h.Set("Allow", allow)
	w.WriteHeader(http.StatusNoContent)
}
