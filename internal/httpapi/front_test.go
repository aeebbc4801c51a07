package httpapi

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
)

func serve(rt *Router, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	rt.ServeHTTP(w, r)
	return w
}

// RFC 6797 §7.2: not over http.
func TestStrictTransportSecurity(t *testing.T) {
	rt := testRouter(new(bytes.Buffer))
	rt.HandlePage("GET", "/page", http.NotFoundHandler(), func(w http.ResponseWriter, r *http.Request, err error) { w.WriteHeader(400) })
	for _, https := range []bool{false, true} {
		rt.HTTPS = https
		want := ""
		if https {
			want = "max-age=31536000"
		}
		for _, path := range []string{"/hello", "/nothing", "/page", "/panics", "/silent", "/fails"} {
			if got := serve(rt, httptest.NewRequest("GET", path, nil)).Header().Get("Strict-Transport-Security"); got != want {
				t.Errorf("https %t: GET %s: Strict-Transport-Security = %q, want %q", https, path, got, want)
			}
		}
	}
}

// A script can read the 404 of a path that does not exist only if the preflight
// before it succeeds.
func TestPreflightOfAnUnknownPath(t *testing.T) {
	r := httptest.NewRequest("OPTIONS", "/nothing", nil)
	r.Header.Set("Origin", "https://app.example")
	r.Header.Set("Access-Control-Request-Method", "POST")
	r.Header.Set("Access-Control-Request-Headers", "authorization")
	w := serve(testRouter(new(bytes.Buffer)), r)
	h := w.Header()
	if w.Code != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Methods") != "DELETE, GET, HEAD, OPTIONS, POST, PUT" ||
		h.Get("Access-Control-Allow-Headers") != "Authorization, Content-Type, MCP-Protocol-Version" {
		t.Errorf("%d with %v, want 204 with the headers of a preflight", w.Code, h)
	}
	if w := serve(testRouter(new(bytes.Buffer)), httptest.NewRequest("POST", "/nothing", nil)); w.Code != http.StatusNotFound || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("POST: %d with %v, want a 404 that any page may read", w.Code, w.Header())
	}
}

func TestAdmit(t *testing.T) {
	var log bytes.Buffer
	rt := testRouter(&log)
	rt.Admit = func(r *http.Request) error {
		if r.Header.Get("X") == "" {
			return &Error{Status: 403, Code: "access_denied", Description: "no"}
		}
		r.RemoteAddr = "192.0.2.1:0"
		return nil
	}
	rt.Handle("GET", "/from", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(r.RemoteAddr)) }))
	for _, path := range []string{"/hello", "/nothing", "/panics"} {
		for _, method := range []string{"GET", "OPTIONS", "PATCH"} {
			if w := serve(rt, httptest.NewRequest(method, path, nil)); w.Code != 403 || !bytes.Contains(w.Body.Bytes(), []byte(`"access_denied"`)) {
				t.Errorf("%s %s: %d %s, want 403", method, path, w.Code, w.Body)
			}
		}
	}
	r := httptest.NewRequest("GET", "/from", nil)
	r.Header.Set("X", "1")
	if w := serve(rt, r); w.Body.String() != "192.0.2.1:0" {
		t.Errorf("the handler saw %s, want the address that Admit set", w.Body)
	}
	if bytes.Contains(log.Bytes(), []byte(`"ERROR"`)) {
		t.Errorf("a refused request is an error:\n%s", log.Bytes())
	}
}
