package metadata_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/metadata"
	"github.com/dcr-broker/dcr-broker/pkg/discovery"
)

const (
	poolIssuer = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123"
	configured = "https://configured.auth.example.com" // the domain in the configuration
	published  = "https://published.auth.example.com"  // the domain in the pool's document
)

func poolDocument(issuer string) string {
	return fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"jwks_uri":%q,`+
		`"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}`,
		issuer, published+"/oauth2/authorize", published+"/oauth2/token", issuer+"/.well-known/jwks.json")
}

func fallback(t testing.TB) discovery.Upstream {
	t.Helper()
	up, err := discovery.CognitoUpstream(poolIssuer, configured)
	if err != nil {
		t.Fatal(err)
	}
	return up
}

// cognito is the user pool's side of the connection.
type cognito struct {
	asked  atomic.Int64
	mu     sync.Mutex
	answer func(*http.Request) (*http.Response, error)
}

func (c *cognito) RoundTrip(r *http.Request) (*http.Response, error) {
	c.asked.Add(1)
	c.mu.Lock()
	answer := c.answer
	c.mu.Unlock()
	return answer(r)
}

func (c *cognito) set(answer func(*http.Request) (*http.Response, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = answer
}

func text(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}, Request: r}, nil
	}
}

func down(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

// silent never answers.
func silent(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// after answers once d has passed.
func after(d time.Duration, answer func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		select {
		case <-time.After(d):
			return answer(r)
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

func newSource(t testing.TB, c *cognito) *metadata.Source {
	t.Helper()
	s, err := metadata.NewSource(metadata.SourceConfig{
		URL:      poolIssuer + "/.well-known/openid-configuration",
		Fallback: fallback(t),
		Client:   &http.Client{Transport: c},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// expect asks s and compares what it says, how long it took to say so and how
// often Cognito has been asked by then.
func expect(t *testing.T, when string, s *metadata.Source, c *cognito, domain string, took time.Duration, asked int64) {
	t.Helper()
	start := time.Now()
	got := s.Current(t.Context())
	if want := domain + "/oauth2/authorize"; got.Upstream.AuthorizationEndpoint != want {
		t.Errorf("%s: authorization endpoint = %q, want %q", when, got.Upstream.AuthorizationEndpoint, want)
	}
	if want := domain == configured; got.Assumed != want {
		t.Errorf("%s: assumed = %v, want %v", when, got.Assumed, want)
	}
	if d := time.Since(start); d != took {
		t.Errorf("%s: took %v, want %v", when, d, took)
	}
	if n := c.asked.Load(); n != asked {
		t.Errorf("%s: Cognito asked %d times, want %d", when, n, asked)
	}
}

func TestDocumentIsReadOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cognito{answer: text(200, poolDocument(poolIssuer))}
		s := newSource(t, c)
		expect(t, "at first", s, c, published, 0, 1)
		first := s.Current(t.Context())
		time.Sleep(time.Hour - time.Nanosecond)
		expect(t, "within the hour", s, c, published, 0, 1)
		if s.Current(t.Context()) != first {
			t.Error("the snapshot changed within the hour")
		}
		time.Sleep(time.Nanosecond)
		expect(t, "after an hour", s, c, published, 0, 2)
	})
}

func TestColdStartWithoutCognitoServesTheConfiguredEndpoints(t *testing.T) {
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"refused":         down,
		"error":           text(503, `{"message":"Service Unavailable"}`),
		"no content":      text(204, ""),
		"another pool":    text(200, poolDocument("https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Other")),
		"not a document":  text(200, "<html>"),
		"too large":       text(200, poolDocument(poolIssuer)+strings.Repeat(" ", 256<<10)),
		"broken transfer": func(r *http.Request) (*http.Response, error) { return brokenBody(r), nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &cognito{answer: answer}
				s := newSource(t, c)
				expect(t, "at first", s, c, configured, 0, 1)
				time.Sleep(time.Minute - time.Nanosecond)
				expect(t, "within the minute", s, c, configured, 0, 1)
				time.Sleep(time.Nanosecond)
				expect(t, "after a minute", s, c, configured, 0, 2)
				c.set(text(200, poolDocument(poolIssuer)))
				time.Sleep(time.Minute)
				expect(t, "once Cognito answers", s, c, published, 0, 3)
				time.Sleep(time.Minute)
				expect(t, "a minute later", s, c, published, 0, 3)
			})
		})
	}
}

func brokenBody(r *http.Request) *http.Response {
	body := io.MultiReader(strings.NewReader(`{"issuer":`), errReader{})
	return &http.Response{StatusCode: 200, Body: io.NopCloser(body), Header: http.Header{}, Request: r}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestSilentCognitoHoldsUpTheFirstRequestForThreeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cognito{answer: silent}
		s := newSource(t, c)
		expect(t, "at first", s, c, configured, 3*time.Second, 1)
		expect(t, "at once again", s, c, configured, 0, 1)
		time.Sleep(time.Minute)
		expect(t, "after a minute", s, c, configured, 250*time.Millisecond, 2)
		expect(t, "while being asked", s, c, configured, 0, 2)
		time.Sleep(3 * time.Second)
	})
}

func TestRequestThatIsGivenUpGetsTheConfiguredEndpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cognito{answer: after(2*time.Second, text(200, poolDocument(poolIssuer)))}
		s := newSource(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := s.Current(ctx); !got.Assumed {
			t.Errorf("Current = %+v, want an assumed one", got)
		}
		// Its fetch goes on for those who joined it.
		expect(t, "who joins", s, c, published, time.Second, 1)
	})
}

func TestStaleDocumentIsServedWhileCognitoDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cognito{answer: text(200, poolDocument(poolIssuer))}
		s := newSource(t, c)
		expect(t, "at first", s, c, published, 0, 1)
		c.set(down)
		time.Sleep(time.Hour)
		expect(t, "an hour later", s, c, published, 0, 2)
		time.Sleep(59 * time.Second)
		expect(t, "within the minute", s, c, published, 0, 2)
		time.Sleep(time.Second)
		expect(t, "a minute later", s, c, published, 0, 3)
		time.Sleep(72 * time.Hour)
		expect(t, "days later", s, c, published, 0, 4)
		c.set(text(200, strings.ReplaceAll(poolDocument(poolIssuer), published, "https://moved.example.com")))
		time.Sleep(time.Minute)
		expect(t, "once Cognito answers", s, c, "https://moved.example.com", 0, 5)
		time.Sleep(time.Hour - time.Second)
		expect(t, "within the hour", s, c, "https://moved.example.com", 0, 5)
	})
}

func TestSlowRefreshHoldsUpOneRequestBriefly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cognito{answer: text(200, poolDocument(poolIssuer))}
		s := newSource(t, c)
		expect(t, "at first", s, c, published, 0, 1)
		time.Sleep(time.Hour)
		moved := strings.ReplaceAll(poolDocument(poolIssuer), published, "https://moved.example.com")
		c.set(after(2*time.Second, text(200, moved)))
		var wg sync.WaitGroup
		var waited atomic.Int64
		for range 20 {
			wg.Go(func() {
				start := time.Now()
				if got := s.Current(t.Context()); got.Upstream.AuthorizationEndpoint != published+"/oauth2/authorize" {
					t.Errorf("during the refresh: authorization endpoint = %q, want the old one", got.Upstream.AuthorizationEndpoint)
				}
				switch d := time.Since(start); d {
				case 0:
				case 250 * time.Millisecond:
					waited.Add(1)
				default:
					t.Errorf("during the refresh: took %v, want 0 or 250ms", d)
				}
			})
		}
		wg.Wait()
		if n := waited.Load(); n != 1 {
			t.Errorf("%d requests waited, want 1", n)
		}
		time.Sleep(2 * time.Second)
		expect(t, "after the refresh", s, c, "https://moved.example.com", 0, 2)
	})
}

// Lambda freezes the process after the answer, so a refresh that takes no longer
// than usual must be over by then.
func TestQuickRefreshIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cognito{answer: text(200, poolDocument(poolIssuer))}
		s := newSource(t, c)
		expect(t, "at first", s, c, published, 0, 1)
		time.Sleep(time.Hour)
		moved := strings.ReplaceAll(poolDocument(poolIssuer), published, "https://moved.example.com")
		c.set(after(100*time.Millisecond, text(200, moved)))
		expect(t, "an hour later", s, c, "https://moved.example.com", 100*time.Millisecond, 2)
	})
}

func TestConcurrentFirstRequestsShareOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cognito{answer: after(time.Second, text(200, poolDocument(poolIssuer)))}
		s := newSource(t, c)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if got := s.Current(t.Context()); got.Assumed {
					t.Error("got the assumed endpoints, want Cognito's")
				}
			})
		}
		wg.Wait()
		if n := c.asked.Load(); n != 1 {
			t.Errorf("Cognito asked %d times, want 1", n)
		}
	})
}

func TestInjectedClockDecidesWhenToReadAgain(t *testing.T) {
	c := &cognito{answer: text(200, poolDocument(poolIssuer))}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	s, err := metadata.NewSource(metadata.SourceConfig{
		URL: poolIssuer, Fallback: fallback(t), Client: &http.Client{Transport: c}, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		later time.Duration
		asked int64
	}{{0, 1}, {59 * time.Minute, 1}, {time.Minute, 2}, {time.Second, 2}} {
		now = now.Add(step.later)
		s.Current(t.Context())
		if n := c.asked.Load(); n != step.asked {
			t.Errorf("at %v: Cognito asked %d times, want %d", now, n, step.asked)
		}
	}
}

func TestRedirectsStayOnTheHost(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was asked for %s", r.Host, r.URL)
	}))
	defer elsewhere.Close()
	for _, tt := range []struct {
		name, location string
		assumed        bool
	}{
		{"same host", "/moved", false},
		{"another host", elsewhere.URL + "/moved", true},
		{"for ever", "/start", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.Handle("/start", http.RedirectHandler(tt.location, http.StatusFound))
			mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, poolDocument(poolIssuer)) })
			srv := httptest.NewServer(mux)
			defer srv.Close()
			s, err := metadata.NewSource(metadata.SourceConfig{URL: srv.URL + "/start", Fallback: fallback(t), Client: srv.Client()})
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Current(t.Context()); got.Assumed != tt.assumed {
				t.Errorf("assumed = %v, want %v", got.Assumed, tt.assumed)
			}
		})
	}
}

func TestRedirectToPlainHTTPIsNotFollowed(t *testing.T) {
	c := &cognito{}
	c.set(func(r *http.Request) (*http.Response, error) {
		if r.URL.Scheme == "http" {
			return text(200, poolDocument(poolIssuer))(r)
		}
		resp, err := text(302, "")(r)
		resp.Header.Set("Location", "http://"+r.URL.Host+"/moved")
		return resp, err
	})
	if got := newSource(t, c).Current(t.Context()); !got.Assumed || c.asked.Load() != 1 {
		t.Errorf("assumed = %v after %d requests, want true after 1", got.Assumed, c.asked.Load())
	}
}

func TestNewSourceRefuses(t *testing.T) {
	for _, url := range []string{"", "/x", "file:///etc/passwd", "https://", "example.com/x"} {
		if _, err := metadata.NewSource(metadata.SourceConfig{URL: url, Fallback: fallback(t)}); err == nil {
			t.Errorf("NewSource with URL %q: no error, want one", url)
		}
	}
	if _, err := metadata.NewSource(metadata.SourceConfig{URL: poolIssuer}); err == nil {
		t.Error("NewSource without fallback: no error, want one")
	}
}
