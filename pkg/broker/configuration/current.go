package configuration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/clock"
)

const (
	// MaxAge is how long a process uses a configuration before it looks for a
	// newer version.
	MaxAge = time.Minute
	// retryAfter is the time from a failed read to the next one.
	retryAfter = 5 * time.Second
	// readTimeout is how long a request waits for the store.
	readTimeout = 2 * time.Second
)

// ErrNone means that no document is stored.
var ErrNone = errors.New("the table has no configuration yet; store one with dcrctl config apply FILE")

// CurrentConfig configures a Current.
type CurrentConfig struct {
	// Reader has the documents. REQUIRED.
	Reader Reader
	// Deployment is the deployment that a document must fit. REQUIRED.
	Deployment broker.Deployment
	// MaxAge is the time between two reads. OPTIONAL, default: MaxAge.
	MaxAge time.Duration
	// Now is the clock. REQUIRED.
	Now func() time.Time
	// Log gets a line for each new version, and an error for each failed read.
	// REQUIRED.
	Log *slog.Logger
}

// Current has the configuration in force: the newest stored version that this
// program can read. Whatever fails later, the last good one stays in force. It
// is safe for concurrent use.
type Current struct {
	c CurrentConfig

	good atomic.Pointer[Configuration]

	mu       sync.Mutex // held during a read, so there is one at a time
	at       time.Time  // when the last read began if it succeeded, or failed
	bound    time.Duration
	err      error           // of the last read, if there has been no good one yet
	rejected map[string]bool // digests of documents with faults, or whose schema is newer
}

// NewCurrent returns a Current that has read nothing yet.
func NewCurrent(c CurrentConfig) *Current {
	c.MaxAge = cmp.Or(c.MaxAge, MaxAge)
	return &Current{c: c, rejected: make(map[string]bool)}
}

// Get returns the configuration in force. Once a version was read, the error is
// always nil; before, it is a broker.Refusal that clients may repeat. The same
// pointer means the same configuration.
func (c *Current) Get(ctx context.Context) (*Configuration, error) {
	if good := c.good.Load(); good != nil {
		// Only one request at a time waits for a new version.
		if c.mu.TryLock() {
			defer c.mu.Unlock()
			c.refresh(ctx)
		}
		return c.good.Load(), nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refresh(ctx)
	if good := c.good.Load(); good != nil {
		return good, nil
	}
	return nil, broker.NotReady(c.err)
}

// refresh reads again if it is time to.
func (c *Current) refresh(ctx context.Context) {
	began := c.c.Now()
	if clock.Fresh(c.at, began, c.bound) {
		return
	}
	read, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	next, err := c.newest(read)
	if err == nil {
		c.at, c.bound, c.err = began, c.c.MaxAge, nil
		if next != c.good.Load() {
			c.good.Store(next)
			c.c.Log.InfoContext(ctx, "configuration in force", "configuration_version", next.Version, "digest", next.Digest)
		}
		return
	}
	if ctx.Err() != nil { // the caller gave up; the store may be fine
		c.err = cmp.Or(c.err, err)
		return
	}
	c.at, c.bound, c.err = c.c.Now(), retryAfter, err
	c.c.Log.ErrorContext(ctx, "configuration not read", "error", err, "last_good_in_use", c.good.Load() != nil)
}

// newest returns the newest version that this program can use.
func (c *Current) newest(ctx context.Context) (*Configuration, error) {
	versions, err := c.c.Reader.Versions(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the versions: %w", err)
	}
	good := c.good.Load()
	reason := ErrNone
	for _, v := range versions {
		if good != nil && v.Digest == good.Digest {
			return good, nil
		}
		if c.rejected[v.Digest] {
			continue
		}
		conf, err := c.usable(ctx, v)
		if err == nil {
			return conf, nil
		}
		var e *unusableError
		if !errors.As(err, &e) {
			return nil, err
		}
		reason = err
		c.c.Log.ErrorContext(ctx, "configuration version not usable", "configuration_version", v.Number, "error", err)
	}
	if good != nil {
		return good, nil
	}
	return nil, reason
}

// unusableError means that a version cannot be used, and an older one may be.
type unusableError struct {
	version int
	err     error
}

func (e *unusableError) Error() string { return fmt.Sprintf("version %d: %v", e.version, e.err) }
func (e *unusableError) Unwrap() error { return e.err }

// usable returns the configuration of a version, or an unusableError.
func (c *Current) usable(ctx context.Context, v Version) (*Configuration, error) {
	if v.Schema > SchemaVersion {
		c.rejected[v.Digest] = true
		return nil, &unusableError{v.Number, fmt.Errorf("its schema is %d, and this program reads up to %d", v.Schema, SchemaVersion)}
	}
	body, err := c.c.Reader.Body(ctx, v)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return nil, &unusableError{v.Number, errors.New("its document is gone")}
	case err != nil:
		return nil, fmt.Errorf("read version %d: %w", v.Number, err)
	case Digest(body) != v.Digest:
		return nil, &unusableError{v.Number, errors.New("its document is not the one that was stored")}
	}
	conf, err := Parse(body, c.c.Deployment)
	if err != nil {
		c.rejected[v.Digest] = true
		return nil, &unusableError{v.Number, err}
	}
	conf.Version = v.Number
	return conf, nil
}
