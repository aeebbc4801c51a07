package httpapi

import (
	"net/http"
	"strings"
)

type route struct {
	pattern  string
	segments []string
	handlers map[string]http.Handler
	allow    string
	// page answers errors with a page; it is nil if the route is for programs.
	page func(http.ResponseWriter, *http.Request, error)
}

// matches reports whether the path has the route's pattern, and sets the path
// values.
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

// begin sets the headers of every response of the route. The nil route serves
// paths that do not exist.
func (rt *route) begin(h http.Header) {
	if rt != nil && rt.page != nil {
		h.Set("X-Content-Type-Options", "nosniff")
		return
	}
	allowCORS(h)
}

// fail answers with an error: a page or JSON.
func (rt *route) fail(w http.ResponseWriter, r *http.Request, err error) {
	if rt != nil && rt.page != nil {
		rt.page(w, r, err)
		return
	}
	WriteError(w, r, err)
}
