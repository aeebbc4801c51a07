package signed

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/clock"
)

const (
	maxAge     = 5 * time.Minute
	retryAfter = 30 * time.Second
	// fetchTimeout is how long a request waits for the origin.
	fetchTimeout = 3 * time.Second
)

// Cached is a cached document of type T. The first Get fetches it, and a Get
// fetches it again if the copy is more than five minutes old. If a fetch fails
// or the document is invalid, the last good copy stays in use and the next
// fetch waits half a minute. It is safe for concurrent use.
type Cached[T any] struct {
	fetch Fetch
	parse func([]byte) (T, error)
	now   func() time.Time
	log   *slog.Logger

	mu    sync.Mutex // held during a fetch, so there is one at a time
	value T
	good  bool
	err   error
	at    time.Time     // the last fetch began at this time if it succeeded, or failed at this time
	bound time.Duration // time from at to the next fetch
}

// Cache returns a Cached that reads with fetch and decodes with parse.
func Cache[T any](fetch Fetch, parse func([]byte) (T, error), now func() time.Time, log *slog.Logger) *Cached[T] {
	return &Cached[T]{fetch: fetch, parse: parse, now: now, log: log}
}

// Get returns the document, or an error if there has been no good copy yet.
func (c *Cached[T]) Get(ctx context.Context) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	began := c.now()
	if clock.Fresh(c.at, began, c.bound) {
		return c.value, c.err
	}
	value, err := c.read(ctx)
	switch {
	case err == nil:
		c.value, c.good, c.err, c.at, c.bound = value, true, nil, began, maxAge
	case ctx.Err() != nil:
		// The caller gave up; the origin may be fine.
		if !c.good {
			return c.value, err
		}
	default:
		c.at, c.bound = c.now(), retryAfter
		c.log.ErrorContext(ctx, "document not read", "error", err, "last_good_copy_in_use", c.good)
		if !c.good {
			c.err = err
		}
	}
	return c.value, c.err
}

func (c *Cached[T]) read(ctx context.Context) (T, error) {
	var none T
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	body, err := c.fetch(ctx)
	if err != nil {
		return none, err
	}
	if len(body) > MaxSize {
		return none, fmt.Errorf("the document is larger than %d bytes", MaxSize)
	}
	return c.parse(body)
}
