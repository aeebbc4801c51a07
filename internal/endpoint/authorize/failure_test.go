package authorize

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
)

// An error that the body's reader does not usually return is an internal error.
func TestAFormThatCannotBeRead(t *testing.T) {
	cause := errors.New("some error")
	if got := problemOf(formProblem(cause)); got.Kind != authorization.Internal || !errors.Is(got, cause) {
		t.Errorf("problem %+v, want an internal error with its cause", got)
	}
	refused := httpapi.PayloadTooLarge(maxForm)
	if got := problemOf(formProblem(refused)); got.Kind != authorization.BadRequest || got.Detail != refused.Description {
		t.Errorf("problem %+v, want a bad request with the description", got)
	}
}

// pageOf is indexed by kind, and Undecided is the last one.
func TestEveryKindOfProblemHasAPage(t *testing.T) {
	if got, want := len(pageOf), int(authorization.Undecided)+1; got != want {
		t.Errorf("%d kinds have a page, want %d", got, want)
	}
	for kind, page := range pageOf {
		if internal := page.Status() == http.StatusInternalServerError; internal != (kind == int(authorization.Internal)) {
			t.Errorf("kind %d has a page of status %d", kind, page.Status())
		}
	}
}

// Without keys or configuration a request has no effect, and the same request
// works later: Cognito's code at the callback can be used only once.
func TestARequestThatIsNotReadyWorksLater(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	b := w.browser()
	later := func(open func() answer) answer {
		t.Helper()
		for _, missing := range []*error{&w.KeysErr, &w.ConfErr} {
			*missing = errors.New("the cause")
			a := open()
			*missing = nil
			wantPage(t, a, http.StatusServiceUnavailable, "the broker is not ready")
			if a.header.Get("Retry-After") != "10" || strings.Contains(a.body, "the cause") {
				t.Errorf("Retry-After %q, want 10, and the cause must not be on the page", a.header.Get("Retry-After"))
			}
		}
		return open()
	}
	a := later(func() answer { return b.authorize(requestOf(id, webURI)) })
	callback := b.signIn(a, "alice")
	if a := later(func() answer { return b.get(callback) }); !a.asks() {
		t.Fatalf("the callback went to %q", a.location)
	}
	page := later(func() answer { return b.consent() })
	w.wantCode(later(func() answer { return b.decide(page, "allow") }).target(t), webURI)
	if text := w.log.String(); strings.Contains(text, "the cause") {
		t.Errorf("the cause is in the log of each request:\n%s", text)
	}
}

// An asset needs no keys.
func TestAssetsNeedNoKeys(t *testing.T) {
	w := newWorld(t)
	w.KeysErr = errors.New("no keys")
	for _, path := range []string{"/assets/none", "/assets/0123456789abcdef.png"} {
		rec := httptest.NewRecorder()
		w.server.Config.Handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		if rec.Code != http.StatusNotFound {
			t.Errorf("GET %s: status %d, want 404", path, rec.Code)
		}
	}
}

// What reads the configuration logs an error once. The requests that it refuses
// are warnings without the cause.
func TestARequestThatIsNotReadyIsAWarning(t *testing.T) {
	w := newWorld(t)
	w.ConfErr = errors.New("the cause")
	for range 3 {
		wantPage(t, w.browser().authorize(requestOf("any", webURI)), http.StatusServiceUnavailable, "the broker is not ready")
	}
	if text := w.log.String(); strings.Contains(text, "level=ERROR") || strings.Count(text, "level=WARN") != 3 || strings.Contains(text, "the cause") {
		t.Errorf("want three warnings without the cause, and no error:\n%s", text)
	}
}
