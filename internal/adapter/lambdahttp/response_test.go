package lambdahttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
)

type handler = http.HandlerFunc

func TestResponsesEqualThoseOfNetHTTP(t *testing.T) {
	binary := make([]byte, 1<<20)
	for i := range binary {
		binary[i] = byte(i * 7)
	}
	for _, tt := range []struct {
		name, method string
		h            handler
		status       int
		header       map[string]string // "" means absent; two lines are joined by a comma
		body         string
	}{
		{"a header set after WriteHeader is not sent", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Before", "yes")
			w.WriteHeader(400)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Before", "changed")
			w.Header().Set("X-After", "yes")
			io.WriteString(w, `{"error":"x"}`)
		}, 400, map[string]string{"X-Before": "yes", "X-After": "", "Content-Type": "text/plain; charset=utf-8"}, `{"error":"x"}`},
		{"a header set after Write is not sent", "GET", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "a")
			w.Header().Set("X-After", "yes")
			io.WriteString(w, "b")
		}, 200, map[string]string{"X-After": ""}, "ab"},
		{"the first status counts", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(404)
			w.WriteHeader(200)
		}, 404, nil, ""},
		{"a handler that writes nothing answers 200", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Set", "yes")
		}, 200, map[string]string{"X-Set": "yes", "Content-Type": ""}, ""},
		{"only a status", "GET", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(202) }, 202, map[string]string{"Content-Type": ""}, ""},
		{"an informational status is not the answer", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(103)
			w.WriteHeader(201)
		}, 201, nil, ""},
		{"HEAD has the header and no body", "HEAD", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5")
			w.Header().Set("ETag", `"x"`)
			n, err := io.WriteString(w, "hello")
			if n != 5 || err != nil {
				t.Errorf("Write = %d, %v, want 5 and no error", n, err)
			}
		}, 200, map[string]string{"Content-Length": "5", "Etag": `"x"`, "Content-Type": "text/plain; charset=utf-8"}, ""},
		{"204 has no body", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(204)
			if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrBodyNotAllowed) {
				t.Errorf("Write = %v, want ErrBodyNotAllowed", err)
			}
		}, 204, nil, ""},
		{"304 has no body", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(304)
			io.WriteString(w, "x")
		}, 304, nil, ""},
		{"bytes that are not UTF-8", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "image/x-test")
			w.Write(binary[:100])
			w.Write(binary[100:])
		}, 200, map[string]string{"Content-Type": "image/x-test"}, string(binary)},
		{"text that JSON has to escape", "GET", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "<&>\"\\\x00\u2028\ufffd\U0001F600")
		}, 200, nil, "<&>\"\\\x00\u2028\ufffd\U0001F600"},
		{"half a character at the end of a write", "GET", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "a\xc3")
			io.WriteString(w, "\xbc")
		}, 200, nil, "aü"},
		{"two lines of a header", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("WWW-Authenticate", "Bearer")
			w.Header().Add("WWW-Authenticate", "Basic")
		}, 200, map[string]string{"Www-Authenticate": "Bearer,Basic"}, ""},
		{"two cookies", "GET", func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "1", Expires: time.Unix(1_800_000_000, 0)})
			http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
		}, 200, map[string]string{"Set-Cookie": "a=1; Expires=Fri, 15 Jan 2027 08:00:00 GMT,b=2"}, ""},
		{"a line break in a header", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Text", "a\r\nX-Other: b")
		}, 200, map[string]string{"X-Text": "a  X-Other: b", "X-Other": ""}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, tr transport) {
				a := tr(t, tt.h, request(tt.method, "/"))
				if a.status != tt.status {
					t.Errorf("status = %d, want %d", a.status, tt.status)
				}
				if a.body != tt.body {
					t.Errorf("body = %.80q (%d bytes), want %.80q (%d bytes)", a.body, len(a.body), tt.body, len(tt.body))
				}
				for name, want := range tt.header {
					if got := strings.Join(a.header.Values(name), ","); got != want {
						t.Errorf("%s = %q, want %q", name, got, want)
					}
				}
			})
		})
	}
}

// The router behaves the same over both.
func TestRouterAnswers(t *testing.T) {
	rt := httpapi.NewRouter(slog.New(slog.DiscardHandler))
	rt.Handle("GET", "/hello", handler(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "hello")
	}))
	rt.Handle("POST", "/hello", handler(func(w http.ResponseWriter, r *http.Request) {}))
	rt.Handle("GET", "/panics", handler(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Secret", "yes")
		panic("secret text")
	}))
	rt.Handle("GET", "/late", handler(func(w http.ResponseWriter, r *http.Request) {
		httpapi.WriteError(w, r, &httpapi.Error{Status: 409, Code: "invalid_request", Description: "d"})
		w.Header().Set("X-Secret", "yes")
	}))
	for _, tt := range []struct {
		name, method, path string
		status             int
		allow              string
		code               string // of an error; "" means none
		body               string
	}{
		{"an answer", "GET", "/hello", 200, "", "", "hello"},
		{"HEAD", "HEAD", "/hello", 200, "", "", ""},
		{"a handler that panics", "GET", "/panics", 500, "", "server_error", ""},
		{"HEAD of a handler that panics", "HEAD", "/panics", 500, "", "", ""},
		{"a handler that writes nothing", "POST", "/hello", 500, "", "server_error", ""},
		{"a header set after the answer", "GET", "/late", 409, "", "invalid_request", ""},
		{"an unknown path", "GET", "/%zz", 404, "", "invalid_request", ""},
		{"HEAD of an unknown path", "HEAD", "/nothing", 404, "", "", ""},
		{"a wrong method", "DELETE", "/hello", 405, "GET, HEAD, OPTIONS, POST", "invalid_request", ""},
		{"a preflight", "OPTIONS", "/hello", 204, "GET, HEAD, OPTIONS, POST", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, tr transport) {
				a := tr(t, rt, request(tt.method, tt.path))
				if a.status != tt.status {
					t.Errorf("status = %d, want %d (%s)", a.status, tt.status, a.body)
				}
				if got := a.header.Get("Allow"); got != tt.allow {
					t.Errorf("Allow = %q, want %q", got, tt.allow)
				}
				if got := a.header.Get("Access-Control-Allow-Origin"); got != "*" {
					t.Errorf("Access-Control-Allow-Origin = %q, want *", got)
				}
				if a.header.Get("X-Secret") != "" || strings.Contains(a.body, "secret") {
					t.Errorf("the answer has details of the fault: %v %s", a.header, a.body)
				}
				if tt.code != "" {
					checkError(t, a, tt.code)
				} else if a.body != tt.body {
					t.Errorf("body = %q, want %q", a.body, tt.body)
				}
			})
		})
	}
}

// checkError checks an error in OAuth's form and returns its request id.
func checkError(t *testing.T, a answer, code string) string {
	t.Helper()
	var e struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		RequestID   string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		t.Fatalf("%v in %q", err, a.body)
	}
	if e.Error != code || e.Description == "" || e.RequestID == "" {
		t.Errorf("body = %s, want error %q with description and request_id", a.body, code)
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type = %q, want application/json", got)
	}
	return e.RequestID
}

// net/http closes the connection of a handler that panics. On Lambda there is
// no connection, so the client gets an error without any output of the handler.
func TestPanicOfABareHandlerIsAnswered(t *testing.T) {
	for name, h := range map[string]handler{
		"immediately":       func(http.ResponseWriter, *http.Request) { panic("secret text") },
		"after its answer":  func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "secret half"); panic("secret text") },
		"to abort":          func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(200); panic(http.ErrAbortHandler) },
		"by a wrong status": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(20) },
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			before := slog.Default()
			slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
			defer slog.SetDefault(before)

			a := overLambda(t, h, get("/"))
			if a.status != 500 {
				t.Errorf("status = %d, want 500", a.status)
			}
			if id := checkError(t, a, "server_error"); id != "gateway-id" {
				t.Errorf("request_id = %q, want API Gateway's", id)
			}
			if strings.Contains(a.body, "secret") {
				t.Errorf("the answer has details of the fault: %s", a.body)
			}
			logged := strings.Contains(log.String(), `"request_id":"gateway-id"`) && strings.Contains(log.String(), "response_test.go")
			if want := name != "to abort"; logged != want {
				t.Errorf("logged with id and stack = %t, want %t: %s", logged, want, log.String())
			}

			srv := httptest.NewUnstartedServer(h)
			srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
			srv.Start()
			defer srv.Close()
			if res, err := http.Get(srv.URL); err == nil {
				res.Body.Close()
				t.Errorf("net/http answered %s, want a dropped connection", res.Status)
			}
		})
	}
}

func TestInvalidBase64BodyIsRefused(t *testing.T) {
	a := overLambda(t, handler(func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") }), event(t, "token-bad-base64"))
	if a.status != 400 {
		t.Errorf("status = %d, want 400", a.status)
	}
	if id := checkError(t, a, "invalid_request"); id != event(t, "token-bad-base64").RequestContext.RequestID {
		t.Errorf("request_id = %q, want API Gateway's", id)
	}
}

func TestRequestIDIsAPIGateways(t *testing.T) {
	rt := httpapi.NewRouter(slog.New(slog.DiscardHandler))
	if got := checkError(t, overLambda(t, rt, get("/")), "invalid_request"); got != "gateway-id" {
		t.Errorf("request_id = %q, want API Gateway's", got)
	}
	e := get("/")
	e.RequestContext.RequestID = ""
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "lambda-id"})
	if got := checkError(t, invoke(t, ctx, rt, e), "invalid_request"); got != "lambda-id" {
		t.Errorf("without API Gateway's id: request_id = %q, want Lambda's", got)
	}
	if got := checkError(t, overLambda(t, rt, e), "invalid_request"); got == "" {
		t.Error("without any id: no request_id")
	}
}

// A handler that observes its context responds before Lambda ends the process.
func TestContextEndsBeforeTheFunctionsTimeout(t *testing.T) {
	for _, tt := range []struct{ timeout, want time.Duration }{
		{10 * time.Second, 10*time.Second - 250*time.Millisecond},
		{400 * time.Millisecond, 300 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
			defer cancel()
			start := time.Now()
			a := invoke(t, ctx, handler(func(w http.ResponseWriter, r *http.Request) {
				<-r.Context().Done()
				w.WriteHeader(503)
			}), get("/"))
			if took := time.Since(start); a.status != 503 || took != tt.want {
				t.Errorf("time-out %s: status %d after %s, want 503 after %s", tt.timeout, a.status, took, tt.want)
			}
		})
	}
}
