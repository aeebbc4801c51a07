package authorize

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
)

// Config is what an Endpoint needs. All fields are required.
type Config struct {
	// Issuer is the broker's origin.
	Issuer string
	Flow   *authorization.Flow
	// Look returns how pages look now. It never fails: pages must be shown even if
	// the configuration cannot be read.
	Look func(context.Context) Look
}

// Look is what the configuration says about pages.
type Look struct {
	Pages *pages.Pages
	// ScopeDescriptions maps a scope to the operator's text for users. The page
	// shows a scope without a text by its name. It may be nil.
	ScopeDescriptions map[string]string
}

// Endpoint serves the pages and redirects of the authorization request. It is
// safe for concurrent use.
type Endpoint struct {
	flow    *authorization.Flow
	look    func(context.Context) Look
	cookies cookies
}

// New returns an Endpoint, or an error if a field of c is missing.
func New(c Config) (*Endpoint, error) {
	if c.Issuer == "" || c.Flow == nil || c.Look == nil {
		return nil, errors.New("authorize: a required field of Config is missing")
	}
	return &Endpoint{c.Flow, c.Look, newCookies(c.Issuer)}, nil
}

const consentPath = "/consent"

// Mount adds the routes of e to rt. All of them serve pages.
func (e *Endpoint) Mount(rt *httpapi.Router) {
	for _, route := range []struct {
		method, pattern string
		handler         http.HandlerFunc
	}{
		{http.MethodGet, "/authorize", e.authorize},
		{http.MethodPost, pages.DecisionPath, e.decide},
		{http.MethodGet, broker.CallbackPath, e.callback},
		{http.MethodGet, consentPath, e.consent},
		{http.MethodGet, broker.SignedOutPath, e.signedOut},
		{http.MethodGet, pages.AssetsPath + "{name...}", e.assets},
	} {
		rt.HandlePage(route.method, route.pattern, timed(route.handler), e.routeError)
	}
}

// assets answers without a read of the configuration, which says whether there is
// a logo, if no logo can have this path.
func (e *Endpoint) assets(w http.ResponseWriter, r *http.Request) {
	if !pages.IsAsset(r.URL.Path) {
		r = withoutReads(r)
	}
	e.pages(r).Assets().ServeHTTP(w, r)
}

// pages returns the pages for the response to r.
func (e *Endpoint) pages(r *http.Request) *pages.Pages { return e.look(r.Context()).Pages }

// withoutReads returns r with a context that has ended, so that Look does not wait
// for the store. If nothing was read before, the page has no brand.
func withoutReads(r *http.Request) *http.Request {
	ctx, cancel := context.WithCancel(r.Context())
	cancel()
	return r.WithContext(ctx)
}

// timed limits the time of a request. It answers HEAD itself: a GET of this
// package changes the state of a transaction, and HEAD must not (RFC 9110
// §9.2.1).
func timed(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && !strings.HasPrefix(r.URL.Path, pages.AssetsPath) {
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), authorization.RequestTime)
		defer cancel()
		h(w, r.WithContext(ctx))
	})
}

// redirect sends the browser to another address with 303: with 307 the browser
// would send the form again, with the secrets in it (RFC 9700 §4.12).
func redirect(w http.ResponseWriter, to string) {
	h := w.Header()
	h.Set("Location", to)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}
