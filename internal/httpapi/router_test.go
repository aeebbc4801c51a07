package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

func testRouter(log *bytes.Buffer) *Router {
	rt := NewRouter(slog.New(slog.NewJSONHandler(log, nil)))
	rt.Handle("GET", "/hello", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "hello")
	}))
	rt.Handle("GET", "/clients/{client_id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.PathValue("client_id"))
	}))
	rt.Handle("DELETE", "/clients/{client_id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }))
	rt.Handle("GET", "/tree/{path...}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.PathValue("path"))
	}))
	rt.Handle("GET", "/panics", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Left-Over", "secret")
		panic("secret text")
	}))
	rt.Handle("GET", "/twice", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(202)
		w.WriteHeader(500)
	}))
	rt.Handle("GET", "/silent", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	rt.Handle("GET", "/fails", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { WriteError(w, r, errors.New("secret text")) }))
	return rt
}

// The test uses a connection, because net/http changes each response.
func TestRouter(t *testing.T) {
	var log bytes.Buffer
	srv := httptest.NewServer(testRouter(&log))
	defer srv.Close()

	for _, tt := range []struct {
		name, method, path string
		status             int
		body               string // a whole body, or the error code of a JSON answer if it starts with !
		allow              string
	}{
		{"plain", "GET", "/hello", 200, "hello", ""},
		{"HEAD is GET without body", "HEAD", "/hello", 200, "", ""},
		{"a segment", "GET", "/clients/abc", 200, "abc", ""},
		{"an empty segment does not match", "GET", "/clients/", 404, "!invalid_request", ""},
		{"a segment does not hold a slash", "GET", "/clients/a/b", 404, "!invalid_request", ""},
		{"the rest", "GET", "/tree/a/b%20c", 200, "a/b c", ""},
		{"the rest may be empty", "GET", "/tree/", 200, "", ""},
		{"another method of the same pattern", "DELETE", "/clients/abc", 204, "", ""},
		{"unknown path", "GET", "/nothing", 404, "!invalid_request", ""},
		{"unclean paths are not redirected", "GET", "//hello/../hello", 404, "!invalid_request", ""},
		{"wrong method", "POST", "/hello", 405, "!invalid_request", "GET, HEAD, OPTIONS"},
		{"unknown method", "BREW", "/clients/abc", 405, "!invalid_request", "DELETE, GET, HEAD, OPTIONS"},
		{"preflight", "OPTIONS", "/clients/abc", 204, "", "DELETE, GET, HEAD, OPTIONS"},
		{"preflight of an unknown path", "OPTIONS", "/nothing", 404, "!invalid_request", ""},
		{"panic", "GET", "/panics", 500, "!server_error", ""},
		{"handler that writes nothing", "GET", "/silent", 500, "!server_error", ""},
		{"internal error", "GET", "/fails", 500, "!server_error", ""},
		{"the first status counts", "GET", "/twice", 202, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequest(tt.method, srv.URL+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != tt.status {
				t.Errorf("status = %d, want %d (%s)", res.StatusCode, tt.status, body)
			}
			if got := res.Header.Get("Access-Control-Allow-Origin"); got != "*" {
				t.Errorf("Access-Control-Allow-Origin = %q, want * on every answer", got)
			}
			if got := res.Header.Get("Allow"); got != tt.allow {
				t.Errorf("Allow = %q, want %q", got, tt.allow)
			}
			code, isError := strings.CutPrefix(tt.body, "!")
			if !isError {
				if string(body) != tt.body {
					t.Errorf("body = %q, want %q", body, tt.body)
				}
				return
			}
			checkError(t, res, body, code)
			if strings.Contains(string(body), "secret") || res.Header.Get("X-Left-Over") != "" {
				t.Errorf("the response has details of the fault: %s", body)
			}
		})
	}
	if got := log.String(); !strings.Contains(got, `"stack":"goroutine`) || !strings.Contains(got, "router_test.go") {
		t.Errorf("got the log %s, want the stack of the handler that panics", got)
	}
	if n := strings.Count(log.String(), `"msg":"answered"`); n != 18 {
		t.Errorf("%d lines have the message answered, want one for each of 18 requests", n)
	}
	if !strings.Contains(log.String(), "secret text") {
		t.Error("the log has no details of the fault")
	}
}

func checkError(t *testing.T, res *http.Response, body []byte, code string) {
	t.Helper()
	var e struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		RequestID   string `json:"request_id"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	if e.Error != code || e.Description == "" || e.RequestID == "" {
		t.Errorf("body = %s, want error %q with description and request_id", body, code)
	}
	if got := res.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type = %q, want application/json", got)
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control = %q, want no-store", got)
	}
}

func TestPreflightAllowsWhatMCPClientsSend(t *testing.T) {
	w := httptest.NewRecorder()
	testRouter(new(bytes.Buffer)).ServeHTTP(w, httptest.NewRequest("OPTIONS", "/clients/abc", nil))
	if got, want := w.Header().Get("Access-Control-Allow-Headers"), "Authorization, Content-Type, MCP-Protocol-Version"; got != want {
		t.Errorf("Access-Control-Allow-Headers = %q, want %q", got, want)
	}
	if got, want := w.Header().Get("Access-Control-Allow-Methods"), "DELETE, GET, HEAD, OPTIONS"; got != want {
		t.Errorf("Access-Control-Allow-Methods = %q, want %q", got, want)
	}
}

func TestRequestIDComesFromThePlatform(t *testing.T) {
	r := httptest.NewRequest("GET", "/nothing", nil)
	r = r.WithContext(WithRequestID(r.Context(), "platform-id"))
	w := httptest.NewRecorder()
	testRouter(new(bytes.Buffer)).ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), `"request_id":"platform-id"`) {
		t.Errorf("body = %s, want request_id platform-id", w.Body)
	}
}

// Every error code of a registration has its status, challenge and wire form.
func TestErrorsOnTheWire(t *testing.T) {
	for _, tt := range []struct {
		err       error
		status    int
		code      string
		challenge string
		retry     string
	}{
		{&dcr.Error{Code: dcr.InvalidRedirectURI, Description: "d"}, 400, "invalid_redirect_uri", "", ""},
		{&dcr.Error{Code: dcr.InvalidClientMetadata, Description: "d"}, 400, "invalid_client_metadata", "", ""},
		{&dcr.Error{Code: dcr.InvalidSoftwareStatement, Description: "d"}, 400, "invalid_software_statement", "", ""},
		{&dcr.Error{Code: dcr.UnapprovedSoftwareStatement, Description: "d"}, 400, "unapproved_software_statement", "", ""},
		{&dcr.Error{Code: dcr.InvalidRequest, Description: "d"}, 400, "invalid_request", "", ""},
		// RFC 6750 §3.1: no error in the challenge for a request without
		// credentials.
		{&dcr.Error{Code: dcr.TokenRequired, Description: "d"}, 401, "invalid_token", `Bearer realm="registration"`, ""},
		{&dcr.Error{Code: dcr.InvalidToken, Description: "d"}, 401, "invalid_token", `Bearer error="invalid_token", error_description="d"`, ""},
		{&dcr.Error{Code: dcr.InsufficientScope, Description: "d"}, 403, "insufficient_scope", `Bearer error="insufficient_scope", error_description="d"`, ""},
		{&dcr.Error{Code: dcr.PayloadTooLarge, Description: "d"}, 413, "invalid_request", "", ""},
		{&dcr.Error{Code: dcr.TooManyRequests, Description: "d", RetryAfter: 1500 * time.Millisecond}, 429, "temporarily_unavailable", "", "2"},
		{&dcr.Error{Code: dcr.Unavailable, Description: "d", RetryAfter: time.Second}, 503, "temporarily_unavailable", "", "1"},
		{errors.New("d"), 500, "server_error", "", ""},
		{PayloadTooLarge(10), 413, "invalid_request", "", ""},
		{unsupportedMediaType("application/json"), 415, "invalid_request", "", ""},
	} {
		t.Run(tt.err.Error(), func(t *testing.T) {
			w := httptest.NewRecorder()
			WriteError(w, httptest.NewRequest("GET", "/", nil), tt.err)
			res := w.Result()
			if res.StatusCode != tt.status {
				t.Errorf("status = %d, want %d", res.StatusCode, tt.status)
			}
			if got := res.Header.Get("WWW-Authenticate"); got != tt.challenge {
				t.Errorf("WWW-Authenticate = %q, want %q", got, tt.challenge)
			}
			if got := res.Header.Get("Retry-After"); got != tt.retry {
				t.Errorf("Retry-After = %q, want %q", got, tt.retry)
			}
			checkError(t, res, w.Body.Bytes(), tt.code)
		})
	}
}
