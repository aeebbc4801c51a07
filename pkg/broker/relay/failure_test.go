package relay_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// cut answers with the beginning of a response and closes the connection.
func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	io.WriteString(w, `{"access_token":"at0ken"`)
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// failure is a way in which Cognito fails to answer.
type failure struct {
	name       string
	answer     http.HandlerFunc
	retryAfter string
}

// failures are the failures of any endpoint.
var failures = []failure{
	{"connection closed", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "2"},
	{"500 in JSON", replying(500, `{"error":"server_error"}`), "2"},
	{"500 with an OAuth error code", replying(500, `{"error":"invalid_grant"}`), "2"},
	{"502 in HTML", replying(502, "<html>Bad Gateway</html>"), "2"},
	{"503 with its own time", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		replying(503, "")(w, r)
	}, "7"},
	{"throttled", replying(429, `{"error":"too_many_requests"}`), "2"},
	{"throttled, with a time", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		replying(429, "")(w, r)
	}, "7"},
	{"throttled, for a day", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "86400")
		replying(429, "")(w, r)
	}, "60"},
	{"throttled, until a date", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "Fri, 31 Dec 2049 23:59:59 GMT")
		replying(429, "")(w, r)
	}, "2"},
	{"redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}, "2"},
	{"redirect with a body that looks right", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		replying(302, issued(`{}`))(w, r)
	}, "2"},
	{"403 of a firewall", replying(403, "<html>Forbidden</html>"), "2"},
	{"400 without error", replying(400, `{"message":"no"}`), "2"},
	{"400 with an unknown error", replying(400, `{"error":"rate\nlimited"}`), "2"},
	{"400 with an error that is not a string", replying(400, `{"error":{"code":"invalid_grant"}}`), "2"},
	{"400 with an array", replying(400, `["invalid_grant"]`), "2"},
}

// cutShort are successes whose body is incomplete. A revocation also fails
// then, because it may not have been applied, and repeating it does no harm.
var cutShort = []failure{
	{"answer cut off", cut, "2"},
	{"huge", replying(200, `{"access_token":"at0ken","token_type":"Bearer","x":"`+strings.Repeat("a", 256<<10)+`"}`), "2"},
}

// tokenFailures are successes without tokens.
var tokenFailures = []failure{
	{"200 with nothing", replying(200, ""), "2"},
	{"200 with garbage", replying(200, "\x00\xff{"), "2"},
	{"200 with null", replying(200, "null"), "2"},
	{"200 with HTML", replying(200, "<html>Sign in</html>"), "2"},
	{"200 without access_token", replying(200, `{"token_type":"Bearer"}`), "2"},
	{"200 with a null access_token", replying(200, `{"access_token":null,"token_type":"Bearer"}`), "2"},
	{"200 with a number for access_token", replying(200, `{"access_token":1,"token_type":"Bearer"}`), "2"},
	{"200 without token_type", replying(200, `{"access_token":"at0ken"}`), "2"},
	{"201", replying(201, issued(`{}`)), "2"},
}

func TestCognitoThatFailsIs503(t *testing.T) {
	for _, endpoint := range []struct {
		path, form string
		failures   []failure
	}{
		{"/token", codeForm, slices.Concat(failures, cutShort, tokenFailures)},
		{"/revoke", "token=" + refreshToken, slices.Concat(failures, cutShort)},
	} {
		for _, tt := range endpoint.failures {
			t.Run(endpoint.path+" "+tt.name, func(t *testing.T) {
				up := newCognito(t, tt.answer)
				a := newStack(t, up.URL).post(endpoint.path, basic(secretID, clientSecret), endpoint.form)
				a.wantRefusal(t, 503, "temporarily_unavailable")
				if got := a.header.Get("Retry-After"); got != tt.retryAfter {
					t.Errorf("Retry-After = %q, want %q", got, tt.retryAfter)
				}
				if got := len(up.received()); got != 1 {
					t.Errorf("Cognito got %d requests, want 1: %+v", got, up.received())
				}
			})
		}
	}
}

func TestUnreachableCognitoIs503(t *testing.T) {
	up := newCognito(t, nil)
	up.Close()
	s := newStack(t, up.URL)
	s.post("/token", "", codeForm+"&client_id="+publicID).wantRefusal(t, 503, "temporarily_unavailable")
	s.post("/revoke", "", "token="+refreshToken+"&client_id="+publicID).wantRefusal(t, 503, "temporarily_unavailable")
}

// pipes is a network within the process, so that the time of a synctest bubble
// does not advance while both ends wait.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p pipes) Close() error   { close(p.done); return nil }
func (p pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "cognito" }

func (p pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// inBubble runs f with a stack whose Cognito answers with answer, in a bubble
// of its own time.
func inBubble(t *testing.T, answer http.HandlerFunc, f func(*testing.T, *stack), change ...func(*settings)) {
	synctest.Test(t, func(t *testing.T) {
		network := pipes{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // only after this net/http notices that the client has disconnected
			answer(w, r)
		})}
		go server.Serve(network)
		defer server.Close()
		transport := &http.Transport{DialContext: network.dial}
		defer transport.CloseIdleConnections()
		viaPipes := func(c *settings) { c.cognito.HTTP = &http.Client{Transport: transport} }
		f(t, newStack(t, "http://cognito", append(change, viaPipes)...))
	})
}

// took runs f and checks its duration.
func took(t *testing.T, want time.Duration, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if got := time.Since(start); got != want {
		t.Errorf("the answer took %v, want %v", got, want)
	}
}

func silent(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// drip starts an answer and does not end it.
func drip(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, `{"access_token":`)
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

func TestCognitoHasFiveSecondsForAWholeAnswer(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{"silent": silent, "drip": drip} {
		for path, form := range map[string]string{"/token": codeForm, "/revoke": "token=" + refreshToken} {
			t.Run(name+path, func(t *testing.T) {
				inBubble(t, answer, func(t *testing.T, s *stack) {
					took(t, 5*time.Second, func() {
						a := s.post(path, "", form+"&client_id="+publicID)
						a.wantRefusal(t, 503, "temporarily_unavailable")
						if got := a.header.Get("Retry-After"); got != "2" {
							t.Errorf("Retry-After = %q, want 2", got)
						}
					})
				})
			})
		}
	}
}

func TestTimeoutIsConfigurable(t *testing.T) {
	inBubble(t, silent, func(t *testing.T, s *stack) {
		took(t, 300*time.Millisecond, func() {
			s.post("/token", "", codeForm+"&client_id="+publicID).wantRefusal(t, 503, "temporarily_unavailable")
		})
	}, func(c *settings) { c.cognito.Timeout = 300 * time.Millisecond })
}

// A stranger knows the id of a client that it registered itself, and of many others.
// Requests that lead to no token must not keep such a client from its end.
func TestOnlyIssuedTokensAreAUse(t *testing.T) {
	status, body := 0, ""
	s := newStack(t, newCognito(t, func(w http.ResponseWriter, r *http.Request) { replying(status, body)(w, r) }).URL)
	for _, tt := range []struct {
		status int
		body   string
		want   []string
	}{
		{400, `{"error":"invalid_grant"}`, nil},
		{503, ``, nil},
		{200, issued(`{}`), []string{publicID}},
	} {
		status, body = tt.status, tt.body
		s.post("/token", "", codeForm+"&client_id="+publicID)
		if !slices.Equal(s.clients.touched, tt.want) {
			t.Errorf("Cognito answers %d: use recorded for %q, want %q", tt.status, s.clients.touched, tt.want)
		}
	}
}

func TestTokenIsIssuedEvenIfUseCannotBeRecorded(t *testing.T) {
	tests := []struct {
		name   string
		touch  func(context.Context) error
		took   time.Duration
		logged bool
	}{
		{"a second", func(context.Context) error { time.Sleep(time.Second); return nil }, time.Second, false},
		{"an error", func(context.Context) error { return errors.New("throttled") }, 0, true},
		{"a panic", func(context.Context) error { panic("boom") }, 0, true},
		{"until the time is up", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 5 * time.Second, true},
		{"longer than that", func(context.Context) error { time.Sleep(time.Minute); return nil }, 5 * time.Second, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, replying(200, issued(`{"scope":"openid"}`)), func(t *testing.T, s *stack) {
				s.clients.onTouch = tt.touch
				took(t, tt.took, func() {
					if a := s.post("/token", "", codeForm+"&client_id="+publicID); a.status != 200 || a.text("scope") != "openid" {
						t.Errorf("got %d %s, want the tokens", a.status, a.raw)
					}
				})
				if got := strings.Contains(s.log.String(), "last use not recorded"); got != tt.logged {
					t.Errorf("logged: %t, want %t:\n%s", got, tt.logged, s.log)
				}
				time.Sleep(time.Hour) // in the bubble, so that everything that still runs ends
			})
		})
	}
}
