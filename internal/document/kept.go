package document

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	maxAge     = 5 * time.Minute
	retryAfter = 30 * time.Second
	// fetchTimeout is how long a request waits for the origin.
	fetchTimeout = 3 * time.Second
)

// Kept is a cached document of type T. The first Get fetches it, and a Get
// fetches it again if the copy is more than five minutes old. If a fetch fails
// or the document is invalid, the last good copy stays in use and the next
// fetch waits half a minute. It is safe for concurrent use.
type Kept[T any] struct {
	fetch Fetch
	parse func([]byte) (T, error)
	now   func() time.Time
	log   *slog.Logger

	mu    sync.Mutex // held during a fetch, so there is one at a time
	value T
	good  bool
	due   time.Time
	err   error
}

// Keep returns a Kept that reads with fetch and decodes with parse.
func Keep[T any](fetch Fetch, parse func([]byte) (T, error), now func() time.Time, log *slog.Logger) *Kept[T] {
	return &Kept[T]{fetch: fetch, parse: parse, now: now, log: log}
}

// Get returns the document, or an error if there has been no good copy yet.
func (k *Kept[T]) Get(ctx context.Context) (T, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now().Before(k.due) {
		return k.value, k.err
	}
	value, err := k.read(ctx)
	switch {
	case err == nil:
		k.value, k.good, k.err, k.due = value, true, nil, k.now().Add(maxAge)
	case ctx.Err() != nil:
		// The caller gave up; the origin may be fine.
		if !k.good {
			return k.value, err
		}
	default:
		k.due = k.now().Add(retryAfter)
		k.log.ErrorContext(ctx, "document not read", "error", err, "last_good_copy_in_use", k.good)
		if !k.good {
			k.err = err
		}
	}
	return k.value, k.err
}

func (k *Kept[T]) read(ctx context.Context) (T, error) {
	var none T
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	body, err := k.fetch(ctx)
	if err != nil {
		return none, err
	}
	if len(body) > MaxSize {
		return none, fmt.Errorf("the document is larger than %d bytes", MaxSize)
	}
	return k.parse(body)
}
