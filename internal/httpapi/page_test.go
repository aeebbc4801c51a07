package httpapi

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Every response of a page's route is HTML without CORS headers, errors too.
func TestPages(t *testing.T) {
	log := new(strings.Builder)
	rt := NewRouter(slog.New(slog.NewTextHandler(log, nil)))
	fail := func(w http.ResponseWriter, r *http.Request, err error) {
		a := Refused(w, r, err)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(a.Status)
		io.WriteString(w, "<p>"+a.Code+" "+RequestID(r))
	}
	page := func(f func(w http.ResponseWriter)) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { f(w) })
	}
	rt.HandlePage(http.MethodGet, "/page", page(func(w http.ResponseWriter) { io.WriteString(w, "<p>ok") }), fail)
	rt.HandlePage(http.MethodGet, "/panic", page(func(http.ResponseWriter) { panic("secret") }), fail)
	rt.HandlePage(http.MethodGet, "/nothing", page(func(http.ResponseWriter) {}), fail)
	rt.HandlePage(http.MethodGet, "/busy", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail(w, r, &Error{Status: 503, Code: "temporarily_unavailable", RetryAfter: 1500 * time.Millisecond, Cause: errors.New("why")})
	}), fail)
	rt.Handle(http.MethodGet, "/json", page(func(w http.ResponseWriter) { io.WriteString(w, "{}") }))
	for _, tt := range []struct {
		method, path string
		status       int
		body         string
		cors         bool
	}{
		{"GET", "/page", 200, "<p>ok", false},
		{"HEAD", "/page", 200, "", false},
		{"POST", "/page", 405, "<p>invalid_request", false},
		{"OPTIONS", "/page", 204, "", false},
		{"GET", "/panic", 500, "<p>server_error", false},
		{"GET", "/nothing", 500, "<p>server_error", false},
		{"GET", "/busy", 503, "<p>temporarily_unavailable", false},
		{"GET", "/json", 200, "{}", true},
		{"GET", "/elsewhere", 404, "{", true},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			rec := httptest.NewRecorder()
			rt.ServeHTTP(rec, httptest.NewRequest(tt.method, tt.path, nil))
			if rec.Code != tt.status || !strings.HasPrefix(rec.Body.String(), tt.body) {
				t.Errorf("%d %q, want %d %q", rec.Code, rec.Body, tt.status, tt.body)
			}
			for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Expose-Headers"} {
				if got := rec.Header().Get(name) != ""; got != tt.cors {
					t.Errorf("%s: %t, want %t", name, got, tt.cors)
				}
			}
			if rec.Header().Get("Access-Control-Allow-Methods") != "" || rec.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("headers = %v", rec.Header())
			}
			if strings.Contains(rec.Body.String(), "secret") || strings.Contains(rec.Body.String(), "why") {
				t.Errorf("the page holds the cause: %s", rec.Body)
			}
		})
	}
	for _, want := range []string{"handler panicked: secret", "handler wrote no answer", "why", "outcome=temporarily_unavailable"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not have %q", want)
		}
	}
	rec := httptest.NewRecorder()
	rt.ServeHTTP(rec, httptest.NewRequest("GET", "/busy", nil))
	if got := rec.Header().Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After = %q, want 2", got)
	}
	rec = httptest.NewRecorder()
	rt.ServeHTTP(rec, httptest.NewRequest("PUT", "/page", nil))
	if got := rec.Header().Get("Allow"); got != "GET, HEAD, OPTIONS" {
		t.Errorf("Allow = %q", got)
	}
}
