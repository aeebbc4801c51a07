package wellknown_test

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

	"github.com/dcr-broker/dcr-broker/internal/adapter/wellknown"
	"github.com/dcr-broker/dcr-broker/pkg/clock"
	"github.com/dcr-broker/dcr-broker/pkg/discovery"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

const (
	poolIssuer = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123"
	published  = "https://published.auth.example.com" // the domain in the pool's document
)

func poolDocument(issuer string) string {
	return fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"jwks_uri":%q,`+
		`"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}`,
		issuer, published+"/oauth2/authorize", published+"/oauth2/token", issuer+"/.well-known/jwks.json")
}

// pool is the user pool's end of the connection.
type pool struct {
	requests atomic.Int64
	mu       sync.Mutex
	answer   func(*http.Request) (*http.Response, error)
}

func (c *pool) RoundTrip(r *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	c.mu.Lock()
	answer := c.answer
	c.mu.Unlock()
	return answer(r)
}

func (c *pool) set(answer func(*http.Request) (*http.Response, error)) {
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

// silent never responds.
func silent(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// after responds after the time d.
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

func newDiscovery(t testing.TB, c *pool) *wellknown.Client {
	t.Helper()
	d, err := wellknown.New(wellknown.Config{
		URL:    poolIssuer + "/.well-known/openid-configuration",
		Issuer: poolIssuer,
		Now:    clock.Now,
		Client: &http.Client{Transport: c},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// expect compares the domain in the current document ("" for no document), how
// long Current took, and how many requests Cognito has had since the start.
func expect(t *testing.T, when string, d *wellknown.Client, c *pool, domain string, took time.Duration, requests int64) {
	t.Helper()
	start := time.Now()
	if got := domainOf(d.Current(t.Context())); got != domain {
		t.Errorf("%s: domain = %q, want %q", when, got, domain)
	}
	if d := time.Since(start); d != took {
		t.Errorf("%s: took %v, want %v", when, d, took)
	}
	if n := c.requests.Load(); n != requests {
		t.Errorf("%s: Cognito had %d requests, want %d", when, n, requests)
	}
}

func domainOf(up *discovery.Upstream) string {
	if up == nil {
		return ""
	}
	return strings.TrimSuffix(up.AuthorizationEndpoint, "/oauth2/authorize")
}

func TestDocumentIsReadOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &pool{answer: text(200, poolDocument(poolIssuer))}
		d := newDiscovery(t, c)
		expect(t, "at first", d, c, published, 0, 1)
		first := d.Current(t.Context())
		time.Sleep(time.Hour - time.Nanosecond)
		expect(t, "within the hour", d, c, published, 0, 1)
		if d.Current(t.Context()) != first {
			t.Error("the snapshot changed within the hour")
		}
		time.Sleep(time.Nanosecond)
		expect(t, "after an hour", d, c, published, 0, 2)
	})
}

func TestColdStartWithoutCognitoHasNoDocument(t *testing.T) {
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
				c := &pool{answer: answer}
				d := newDiscovery(t, c)
				expect(t, "at first", d, c, "", 0, 1)
				time.Sleep(time.Minute - time.Nanosecond)
				expect(t, "within the minute", d, c, "", 0, 1)
				time.Sleep(time.Nanosecond)
				expect(t, "after a minute", d, c, "", 0, 2)
				c.set(text(200, poolDocument(poolIssuer)))
				time.Sleep(time.Minute)
				expect(t, "once Cognito answers", d, c, published, 0, 3)
				time.Sleep(time.Minute)
				expect(t, "a minute later", d, c, published, 0, 3)
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

func TestSilentCognitoDelaysTheFirstRequestByThreeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &pool{answer: silent}
		d := newDiscovery(t, c)
		expect(t, "at first", d, c, "", 3*time.Second, 1)
		expect(t, "immediately after", d, c, "", 0, 1)
		time.Sleep(time.Minute)
		expect(t, "after a minute", d, c, "", 250*time.Millisecond, 2)
		expect(t, "while it is fetched", d, c, "", 0, 2)
		time.Sleep(3 * time.Second)
	})
}

func TestAbandonedRequestGetsNoDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &pool{answer: after(2*time.Second, text(200, poolDocument(poolIssuer)))}
		d := newDiscovery(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := d.Current(ctx); got != nil {
			t.Errorf("Current = %+v, want nil", got)
		}
		// The fetch continues for the requests that joined it.
		expect(t, "a request that joins", d, c, published, time.Second, 1)
	})
}

func TestStaleDocumentIsServedWhileCognitoDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &pool{answer: text(200, poolDocument(poolIssuer))}
		d := newDiscovery(t, c)
		expect(t, "at first", d, c, published, 0, 1)
		c.set(down)
		time.Sleep(time.Hour)
		expect(t, "an hour later", d, c, published, 0, 2)
		time.Sleep(59 * time.Second)
		expect(t, "within the minute", d, c, published, 0, 2)
		time.Sleep(time.Second)
		expect(t, "a minute later", d, c, published, 0, 3)
		time.Sleep(72 * time.Hour)
		expect(t, "days later", d, c, published, 0, 4)
		c.set(text(200, strings.ReplaceAll(poolDocument(poolIssuer), published, "https://moved.example.com")))
		time.Sleep(time.Minute)
		expect(t, "once Cognito answers", d, c, "https://moved.example.com", 0, 5)
		time.Sleep(time.Hour - time.Second)
		expect(t, "within the hour", d, c, "https://moved.example.com", 0, 5)
	})
}

func TestSlowRefreshDelaysOneRequestBriefly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &pool{answer: text(200, poolDocument(poolIssuer))}
		d := newDiscovery(t, c)
		expect(t, "at first", d, c, published, 0, 1)
		time.Sleep(time.Hour)
		moved := strings.ReplaceAll(poolDocument(poolIssuer), published, "https://moved.example.com")
		c.set(after(2*time.Second, text(200, moved)))
		var wg sync.WaitGroup
		var waited atomic.Int64
		for range 20 {
			wg.Go(func() {
				start := time.Now()
				if got := d.Current(t.Context()); domainOf(got) != published {
					t.Errorf("during the refresh: domain = %q, want the old one", domainOf(got))
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
		expect(t, "after the refresh", d, c, "https://moved.example.com", 0, 2)
	})
}

// Lambda freezes the process after the response, so a refresh of usual length
// must finish before.
func TestQuickRefreshIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &pool{answer: text(200, poolDocument(poolIssuer))}
		d := newDiscovery(t, c)
		expect(t, "at first", d, c, published, 0, 1)
		time.Sleep(time.Hour)
		moved := strings.ReplaceAll(poolDocument(poolIssuer), published, "https://moved.example.com")
		c.set(after(100*time.Millisecond, text(200, moved)))
		expect(t, "an hour later", d, c, "https://moved.example.com", 100*time.Millisecond, 2)
	})
}

func TestConcurrentFirstRequestsShareOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &pool{answer: after(time.Second, text(200, poolDocument(poolIssuer)))}
		d := newDiscovery(t, c)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if d.Current(t.Context()) == nil {
					t.Error("Current = nil, want Cognito's document")
				}
			})
		}
		wg.Wait()
		if n := c.requests.Load(); n != 1 {
			t.Errorf("Cognito had %d requests, want 1", n)
		}
	})
}

func TestInjectedClockDecidesWhenToReadAgain(t *testing.T) {
	fake.EachClock(t, func(t *testing.T, clock *fake.Clock) {
		c := &pool{answer: text(200, poolDocument(poolIssuer))}
		d, err := wellknown.New(wellknown.Config{URL: poolIssuer, Issuer: poolIssuer, Client: &http.Client{Transport: c}, Now: clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			later    time.Duration
			requests int64
		}{{0, 1}, {59 * time.Minute, 1}, {time.Minute, 2}, {time.Second, 2}, {-2 * time.Second, 3}, {time.Second, 3}} {
			clock.Advance(step.later)
			d.Current(t.Context())
			if n := c.requests.Load(); n != step.requests {
				t.Errorf("at %v: Cognito had %d requests, want %d", clock.Now(), n, step.requests)
			}
		}
		c.set(down)
		clock.Advance(time.Hour)
		for _, step := range []struct {
			later    time.Duration
			requests int64
		}{{0, 4}, {59 * time.Second, 4}, {time.Second, 5}} {
			clock.Advance(step.later)
			if d.Current(t.Context()) == nil {
				t.Errorf("at %v, while Cognito is down: no document, want the last one", clock.Now())
			}
			if n := c.requests.Load(); n != step.requests {
				t.Errorf("at %v, while Cognito is down: Cognito had %d requests, want %d", clock.Now(), n, step.requests)
			}
		}
	})
}

// A document whose fetch began before the process was frozen is as old as the
// fetch.
func TestTheAgeOfADocumentBeginsBeforeItsFetch(t *testing.T) {
	clock, c := fake.NewClock(), new(pool)
	c.set(func(r *http.Request) (*http.Response, error) {
		clock.Advance(time.Hour) // Lambda freezes the process
		return text(200, poolDocument(poolIssuer))(r)
	})
	d, err := wellknown.New(wellknown.Config{URL: poolIssuer, Issuer: poolIssuer, Client: &http.Client{Transport: c}, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	for want := range int64(2) {
		d.Current(t.Context())
		if n := c.requests.Load(); n != want+1 {
			t.Errorf("Cognito had %d requests, want %d", n, want+1)
		}
	}
}

func TestRedirectsStayOnTheHost(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("%s had a request for %s, want none", r.Host, r.URL)
	}))
	defer elsewhere.Close()
	for _, tt := range []struct {
		name, location string
		read           bool
	}{
		{"same host", "/moved", true},
		{"another host", elsewhere.URL + "/moved", false},
		{"endless", "/start", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.Handle("/start", http.RedirectHandler(tt.location, http.StatusFound))
			mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, poolDocument(poolIssuer)) })
			srv := httptest.NewServer(mux)
			defer srv.Close()
			d, err := wellknown.New(wellknown.Config{URL: srv.URL + "/start", Issuer: poolIssuer, Now: clock.Now, Client: srv.Client()})
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Current(t.Context()); (got != nil) != tt.read {
				t.Errorf("Current = %v, want a document: %t", got, tt.read)
			}
		})
	}
}

func TestRedirectToPlainHTTPIsNotFollowed(t *testing.T) {
	c := &pool{}
	c.set(func(r *http.Request) (*http.Response, error) {
		if r.URL.Scheme == "http" {
			return text(200, poolDocument(poolIssuer))(r)
		}
		resp, err := text(302, "")(r)
		resp.Header.Set("Location", "http://"+r.URL.Host+"/moved")
		return resp, err
	})
	if got := newDiscovery(t, c).Current(t.Context()); got != nil || c.requests.Load() != 1 {
		t.Errorf("Current = %v after %d requests, want nil after 1", got, c.requests.Load())
	}
}

func TestNewRefuses(t *testing.T) {
	for _, url := range []string{"", "/x", "file:///etc/passwd", "https://", "example.com/x"} {
		if _, err := wellknown.New(wellknown.Config{URL: url, Issuer: poolIssuer, Now: clock.Now}); err == nil {
			t.Errorf("New with URL %q: no error, want one", url)
		}
	}
	if _, err := wellknown.New(wellknown.Config{URL: poolIssuer, Now: clock.Now}); err == nil {
		t.Error("New without issuer: no error, want one")
	}
	if _, err := wellknown.New(wellknown.Config{URL: poolIssuer, Issuer: poolIssuer}); err == nil {
		t.Error("New without a clock: no error, want one")
	}
}
