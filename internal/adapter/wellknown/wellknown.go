package wellknown

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/clock"
	"github.com/dcr-broker/dcr-broker/pkg/discovery"
)

const (
	// maxAge can be long: the document changes only when an operator changes the
	// user pool.
	maxAge = time.Hour
	// retryAfter is the time from a failed fetch to the next one.
	retryAfter = time.Minute
	// fetchTimeout is short because clients allow 10 s for all of discovery.
	fetchTimeout = 3 * time.Second
	// refreshWait is how long the request that starts a refresh waits for it,
	// although it has an older document. Lambda freezes the process after the
	// response, so a refresh in the background would not finish.
	refreshWait = 250 * time.Millisecond
	// maxDocument is the maximum size of a document, in bytes.
	maxDocument = 256 << 10
)

// Config configures a Client.
type Config struct {
	// URL is the address of the document as this process reaches it.
	URL string
	// Issuer is the issuer that the document must name.
	Issuer string
	// Now is the clock.
	Now func() time.Time

	Client *http.Client // nil means one with http.DefaultTransport
	Log    *slog.Logger // nil means none
}

// Client fetches the user pool's own discovery document (OpenID Connect
// Discovery 1.0 §4) at first use, and again when the copy is an hour old. It is
// safe for concurrent use.
type Client struct {
	url    string
	issuer string
	// do sends a request, and follows redirects to the same host only.
	do  func(*http.Request) (*http.Response, error)
	now func() time.Time
	log *slog.Logger

	last  atomic.Pointer[discovered] // nil before the first fetch has ended
	mu    sync.Mutex                 // guards fetch
	fetch chan struct{}              // closed when the current fetch ends; nil if there is none
}

// discovered is the state after a fetch.
type discovered struct {
	upstream *discovery.Upstream // nil if every fetch so far failed
	at       time.Time           // when the fetch began if it succeeded, or when it failed
	bound    time.Duration       // time from at to the next fetch
}

// fresh reports whether the next fetch is not due. f may be nil.
func (f *discovered) fresh(now time.Time) bool { return f != nil && clock.Fresh(f.at, now, f.bound) }

// New returns a Client that has fetched nothing yet.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("discovery: %q is not the http or https URL of a discovery document", cfg.URL)
	}
	if cfg.Issuer == "" || cfg.Now == nil {
		return nil, errors.New("discovery: Issuer and Now are required")
	}
	d := &Client{url: cfg.URL, issuer: cfg.Issuer, now: cfg.Now, log: cfg.Log}
	client := new(http.Client)
	if cfg.Client != nil {
		*client = *cfg.Client
	}
	client.CheckRedirect = sameOrigin
	d.do = client.Do
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	return d, nil
}

// Current returns the document that was read last, or nil if none could be read
// yet. The document never changes: a newer one has another pointer.
//
// Current waits up to 3 seconds, or until ctx ends, if no fetch has ended yet.
// Otherwise only the request that starts a refresh waits, for at most 250 ms. A
// refresh starts once an hour, or once a minute while fetches fail.
func (d *Client) Current(ctx context.Context) *discovery.Upstream {
	if last := d.last.Load(); last.fresh(d.now()) {
		return last.upstream
	}
	done, started := d.refresh(ctx)
	var timeout <-chan time.Time
	if last := d.last.Load(); last != nil {
		if !started {
			return last.upstream
		}
		t := time.NewTimer(refreshWait)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case <-done:
	case <-timeout:
	case <-ctx.Done():
	}
	return d.upstream()
}

// upstream returns the document that was read last, or nil.
func (d *Client) upstream() *discovery.Upstream {
	if last := d.last.Load(); last != nil {
		return last.upstream
	}
	return nil
}

// refresh starts a fetch, or joins the current one. done is closed when the
// fetch ends. The fetch does not end with ctx, because other requests may have
// joined it.
func (d *Client) refresh(ctx context.Context) (done chan struct{}, started bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fetch != nil {
		return d.fetch, false
	}
	done = make(chan struct{})
	if d.last.Load().fresh(d.now()) {
		close(done) // another request's fetch ended after the caller looked
		return done, false
	}
	d.fetch = done
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		began := d.now()
		up, err := d.read(ctx)
		d.store(began, up, err)
		d.mu.Lock()
		d.fetch = nil
		d.mu.Unlock()
		close(done)
	}()
	return done, true
}

// store stores the result of a fetch that began at this time. Only one fetch runs
// at a time.
func (d *Client) store(began time.Time, up *discovery.Upstream, err error) {
	if err == nil {
		d.last.Store(&discovered{up, began, maxAge})
		d.log.Info("user pool's discovery document read")
		return
	}
	up = d.upstream()
	d.last.Store(&discovered{up, d.now(), retryAfter})
	d.log.Warn("user pool's discovery document not read", "error", err, "assumed", up == nil)
}

func (d *Client) read(ctx context.Context) (*discovery.Upstream, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := d.do(req)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("discovery: %s: status %d", d.url, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("discovery: %s: %w", d.url, err)
	}
	if len(body) > maxDocument {
		return nil, fmt.Errorf("discovery: %s: larger than %d bytes", d.url, maxDocument)
	}
	up, err := discovery.ParseUpstream(body, d.issuer)
	if err != nil {
		return nil, err
	}
	return &up, nil
}

// sameOrigin refuses redirects to another scheme or host.
func sameOrigin(req *http.Request, via []*http.Request) error {
	if len(via) > 3 {
		return errors.New("more than 3 redirects")
	}
	if from := via[0].URL; req.URL.Scheme != from.Scheme || req.URL.Host != from.Host {
		return errors.New("redirected to another host")
	}
	return nil
}
