package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// Router sends requests to handlers and does what all requests have in common: a
// request id, CORS, HEAD, OPTIONS, 404 and 405 in OAuth's form, a response even
// if the handler panics or writes none, and one log line.
//
// http.ServeMux does not fit: it redirects paths that are not clean and answers
// unknown paths in plain text (ADR 4). A Router must not be changed while it
// serves.
type Router struct {
	// Admit decides about each request before its handler. It may change the
	// request. Its error is the answer. nil admits every request.
	Admit func(*http.Request) error
	// HTTPS is true if clients reach the router by https only. Browsers are told
	// so (RFC 6797).
	HTTPS bool

	log    *slog.Logger
	routes []route
}

// NewRouter returns a Router without routes that logs to log.
func NewRouter(log *slog.Logger) *Router { return &Router{log: log} }

// Handle serves the method at the pattern with h. A pattern is a path; a
// segment {name} stands for any one segment and a last segment {name...} for
// the rest; both are available as r.PathValue(name). The router tries patterns
// in the order in which they were first added. GET serves HEAD too.
func (rt *Router) Handle(method, pattern string, h http.Handler) { rt.handle(method, pattern, h) }

// HandlePage is Handle for pages for users. Their responses have no CORS
// headers, and fail writes the router's own errors as pages. All methods of a
// pattern must be pages, or none of them.
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

// ServeHTTP implements http.Handler.
func (rt *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	id := requestID(r.Context())
	ctx, activity := telemetry.Begin(r.Context(), id)
	x := &exchange{id: id, log: rt.log}
	r = r.WithContext(context.WithValue(ctx, exchangeKey{}, x))
	rec := &recorder{ResponseWriter: w, head: r.Method == http.MethodHead}

	match := rt.match(r)
	rt.begin(w.Header(), match)
	rt.answer(rec, r, match)

	pattern := "none"
	if match != nil {
		pattern = match.pattern
	}
	telemetry.SetAttr(ctx, telemetry.Outcome, cmp.Or(x.outcome, "ok"))
	activity.Log(r.Context(), rt.log, "answered",
		slog.String("method", r.Method), slog.String("route", pattern), slog.Int("status", rec.status),
		slog.Float64("ms", float64(time.Since(start).Microseconds())/1000))
}

// answer calls the handler of the route. It answers itself if there is no
// handler, or if the handler panics or writes nothing.
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
			Logger(r).Error("handler panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
		if rec.status != 0 { // the response has begun
			Logger(r).Error("after the answer", "error", err)
			return
		}
		clear(rec.Header())
		rt.begin(rec.Header(), match)
		match.fail(rec, r, err)
	}()

	if rt.Admit != nil {
		if err := rt.Admit(r); err != nil {
			WriteError(rec, r, err)
			return
		}
	}
	switch {
	case match == nil && r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "":
		// Otherwise the page that sent it could not read why there is nothing.
		preflight(rec, "DELETE, GET, HEAD, OPTIONS, POST, PUT")
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

// begin sets the headers of every response of a route, nil for a path that does
// not exist.
func (rt *Router) begin(h http.Header, match *route) {
	if rt.HTTPS {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	match.begin(h)
}

// match returns the route of the request, or nil.
func (rt *Router) match(r *http.Request) *route {
	segments := strings.Split(r.URL.Path, "/")
	for i := range rt.routes {
		if rt.routes[i].matches(r, segments) {
			return &rt.routes[i]
		}
	}
	return nil
}
