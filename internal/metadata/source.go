package metadata

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

	"github.com/dcr-broker/dcr-broker/pkg/discovery"
)

const (
	keepFor      = time.Hour       // the user pool's document changes when somebody reconfigures the pool
	retryAfter   = time.Minute     // at the earliest, when it could not be read
	fetchTimeout = 3 * time.Second // clients give the whole discovery 10 s
	maxDocument  = 256 << 10

	// grace is how long a request that starts a refresh waits for it although an
	// older document is at hand. Lambda freezes the process once the request is
	// answered, and a refresh left behind then would never finish.
	grace = 250 * time.Millisecond
)

// SourceConfig says where the user pool's document is and what to assume without
// it.
type SourceConfig struct {
	// URL of the document as this process reaches it.
	URL string
	// Fallback is published until the document could be read for the first time.
	// Its Issuer is the one that the document must name.
	Fallback discovery.Upstream

	Client *http.Client     // nil means one with http.DefaultTransport
	Now    func() time.Time // nil means time.Now
	Log    *slog.Logger     // nil means none
}

// Source is the user pool's discovery document, read when it is first asked for,
// and again when the copy is older than an hour. It is safe for concurrent use.
type Source struct {
	url     string
	client  *http.Client
	now     func() time.Time
	log     *slog.Logger
	assumed *Snapshot

	state  atomic.Pointer[state] // nil before the first attempt has ended
	mu     sync.Mutex            // guards flight
	flight chan struct{}         // closed when the fetch under way has ended; nil if there is none
}

type state struct {
	snapshot *Snapshot
	due      time.Time
}

// Snapshot is what is known of the user pool at one time. It never changes: as
// long as Current returns the same pointer, nothing made from it is out of date.
type Snapshot struct {
	Upstream discovery.Upstream
	// Assumed is set if Upstream is from the configuration, because the document
	// was never read.
	Assumed bool
}

// NewSource returns a Source that has fetched nothing yet.
func NewSource(cfg SourceConfig) (*Source, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("metadata: %q is not the http or https URL of a discovery document", cfg.URL)
	}
	if cfg.Fallback.Issuer == "" {
		return nil, errors.New("metadata: fallback without issuer")
	}
	s := &Source{
		url:     cfg.URL,
		client:  &http.Client{},
		now:     cfg.Now,
		log:     cfg.Log,
		assumed: &Snapshot{Upstream: cfg.Fallback.Clone(), Assumed: true},
	}
	if cfg.Client != nil {
		*s.client = *cfg.Client
	}
	s.client.CheckRedirect = sameOrigin
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s, nil
}

// Current returns what is known. It waits for the document, up to 3 seconds or
// until ctx ends, only if no attempt to read it has ended yet; one caller an hour
// (a minute, while reading fails) waits 250 ms for a newer one. It never fails:
// without a document there is the last one, or the fallback.
func (s *Source) Current(ctx context.Context) *Snapshot {
	if st := s.state.Load(); st != nil && s.clock().Before(st.due) {
		return st.snapshot
	}
	done, started := s.refresh(ctx)
	var timeout <-chan time.Time
	if st := s.state.Load(); st != nil {
		if !started {
			return st.snapshot
		}
		t := time.NewTimer(grace)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case <-done:
	case <-timeout:
	case <-ctx.Done():
	}
	if st := s.state.Load(); st != nil {
		return st.snapshot
	}
	return s.assumed
}

// refresh starts a fetch, or joins the one under way, and returns what is closed
// at its end. The fetch does not end with ctx: others may have joined it.
func (s *Source) refresh(ctx context.Context) (done chan struct{}, started bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight != nil {
		return s.flight, false
	}
	done = make(chan struct{})
	if st := s.state.Load(); st != nil && s.clock().Before(st.due) {
		close(done) // ended since the caller looked
		return done, false
	}
	s.flight = done
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		up, err := s.fetch(ctx)
		s.settle(up, err)
		s.mu.Lock()
		s.flight = nil
		s.mu.Unlock()
		close(done)
	}()
	return done, true
}

// settle records the end of a fetch. Only one runs at a time.
func (s *Source) settle(up discovery.Upstream, err error) {
	if err == nil {
		s.state.Store(&state{&Snapshot{Upstream: up}, s.clock().Add(keepFor)})
		s.log.Info("user pool's discovery document read")
		return
	}
	last := s.assumed
	if st := s.state.Load(); st != nil {
		last = st.snapshot
	}
	s.state.Store(&state{last, s.clock().Add(retryAfter)})
	s.log.Warn("user pool's discovery document not read", "error", err, "assumed", last.Assumed)
}

func (s *Source) fetch(ctx context.Context) (discovery.Upstream, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return discovery.Upstream{}, fmt.Errorf("metadata: fetch: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return discovery.Upstream{}, fmt.Errorf("metadata: fetch: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return discovery.Upstream{}, fmt.Errorf("metadata: fetch %s: status %d", s.url, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return discovery.Upstream{}, fmt.Errorf("metadata: fetch %s: %w", s.url, err)
	}
	if len(body) > maxDocument {
		return discovery.Upstream{}, fmt.Errorf("metadata: fetch %s: larger than %d bytes", s.url, maxDocument)
	}
	return discovery.ParseUpstream(body, s.assumed.Upstream.Issuer)
}

// clock is the wall clock alone: the monotonic one may stand still while Lambda
// has the process frozen, and the document would be kept for days.
func (s *Source) clock() time.Time { return s.now().Round(0) }

// sameOrigin refuses redirects that leave the configured scheme and host.
func sameOrigin(req *http.Request, via []*http.Request) error {
	if len(via) > 3 {
		return errors.New("more than 3 redirects")
	}
	if from := via[0].URL; req.URL.Scheme != from.Scheme || req.URL.Host != from.Host {
		return errors.New("redirected to another host")
	}
	return nil
}
