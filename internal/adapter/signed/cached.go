package signed

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	fresh      = 5 * time.Minute
	retryAfter = 30 * time.Second
	// patience is how long a request waits for the origin.
	patience = 3 * time.Second
)

// Cached is a document of type T. It is fetched when it is first asked for, and
// again when the copy is more than five minutes old. If that fails, or what
// comes is not valid, the last good copy stays in use and the origin is left
// alone for half a minute. It is safe for concurrent use.
type Cached[T any] struct {
	fetch Fetch
	parse func([]byte) (T, error)
	now   func() time.Time
	log   *slog.Logger

	mu    sync.Mutex // held while fetching: there is one fetch at a time
	value T
	good  bool
	due   time.Time
	err   error
}

// Cache returns the document that fetch reads and parse understands.
func Cache[T any](fetch Fetch, parse func([]byte) (T, error), now func() time.Time, log *slog.Logger) *Cached[T] {
	return &Cached[T]{fetch: fetch, parse: parse, now: now, log: log}
}

// Get returns the document, or an error if there never was a good copy.
func (c *Cached[T]) Get(ctx context.Context) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now().Before(c.due) {
		return c.value, c.err
	}
	value, err := c.read(ctx)
	switch {
	case err == nil:
		c.value, c.good, c.err, c.due = value, true, nil, c.now().Add(fresh)
	case ctx.Err() != nil:
		// The caller gave up; that says nothing about the origin.
		if !c.good {
			return c.value, err
		}
	default:
		c.due = c.now().Add(retryAfter)
		c.log.ErrorContext(ctx, "document not read", "error", err, "last_good_copy_in_use", c.good)
		if !c.good {
			c.err = err
		}
	}
	return c.value, c.err
}

func (c *Cached[T]) read(ctx context.Context) (T, error) {
	var none T
	ctx, cancel := context.WithTimeout(ctx, patience)
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
