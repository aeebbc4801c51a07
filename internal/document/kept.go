package document

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

// Kept is a document of type T. It is fetched when it is first asked for, and
// again when the copy is more than five minutes old. If that fails, or what
// comes is not valid, the last good copy stays in use and the origin is left
// alone for half a minute. It is safe for concurrent use.
type Kept[T any] struct {
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

// Keep returns the document that fetch reads and parse understands.
func Keep[T any](fetch Fetch, parse func([]byte) (T, error), now func() time.Time, log *slog.Logger) *Kept[T] {
	return &Kept[T]{fetch: fetch, parse: parse, now: now, log: log}
}

// Get returns the document, or an error if there never was a good copy.
func (k *Kept[T]) Get(ctx context.Context) (T, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now().Before(k.due) {
		return k.value, k.err
	}
	value, err := k.read(ctx)
	switch {
	case err == nil:
		k.value, k.good, k.err, k.due = value, true, nil, k.now().Add(fresh)
	case ctx.Err() != nil:
		// The caller gave up; that says nothing about the origin.
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
	ctx, cancel := context.WithTimeout(ctx, patience)
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
