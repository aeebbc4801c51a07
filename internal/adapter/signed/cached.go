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

// cached is a cached document of type T.
type cached[T any] struct {
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

// Cache returns a function that returns the document which fetch reads and parse
// decodes, or an error if there has been no good copy yet. Its first call reads
// the document, and a call reads it again if the copy is more than five minutes
// old. If that fails, the last good copy stays in use and the next read waits
// half a minute. The function is safe for concurrent use.
func Cache[T any](fetch Fetch, parse func([]byte) (T, error), now func() time.Time, log *slog.Logger) func(context.Context) (T, error) {
	c := &cached[T]{fetch: fetch, parse: parse, now: now, log: log}
	return c.get
}

func (c *cached[T]) get(ctx context.Context) (T, error) {
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

func (c *cached[T]) read(ctx context.Context) (T, error) {
	var none T
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	body, err := c.fetch(ctx)
	if err != nil {
		return none, err
	}
	if len(body) > maxSize {
		return none, fmt.Errorf("the document is larger than %d bytes", maxSize)
	}
	return c.parse(body)
}
