package configuration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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
// program can use. Whatever fails later, the last good one stays in force. It
// is safe for concurrent use.
type Current struct {
	c CurrentConfig

	good atomic.Pointer[Configuration]

	// turn is a lock that a request can stop waiting for: it holds a value during a
	// read, so there is one at a time. It guards all fields below.
	turn  chan struct{}
	at    time.Time     // the last read began at this time if it succeeded, or failed at this time
	wait  time.Duration // time from at to the next read
	asked time.Time     // the last read for broker.Newest that succeeded began at this time
	newer int           // the number of the newest version, if the last read that succeeded found that it cannot be used; else 0
	err   error         // of the last read, if it failed
	// unusable has the versions that were found unusable. It has no other versions
	// than the last list, so it stays small.
	unusable map[versionKey]*finding
}

// A finding is a version that was found unusable, and whether the log has it.
type finding struct {
	*VersionError
	logged bool
}

// versionKey identifies a version also in a table that was restored from a
// backup.
type versionKey struct {
	number int
	digest string
}

func keyOf(v Version) versionKey { return versionKey{v.Number, v.Digest} }

// NewCurrent returns a Current that has read nothing yet.
func NewCurrent(c CurrentConfig) *Current {
	c.MaxAge = cmp.Or(c.MaxAge, MaxAge)
	return &Current{c: c, turn: make(chan struct{}, 1), unusable: make(map[versionKey]*finding)}
}

// Get returns the configuration in force. Once a version was read, the error is
// always nil; before, it is a *broker.Refusal of a request that can be repeated.
// Get waits for the store for two seconds at most; if a version was read before,
// only one request at a time waits. The same pointer means the same
// configuration.
//
// In a context of broker.Newest, Get reads the store again, but at most once in
// five seconds for all such requests, and in a context of broker.Uncached always.
// If the last read failed, Get then returns the error even if there is a last good
// version; after a failed read, no request reads again for five seconds. In a
// context of broker.Uncached, Get also returns an error if the newest version is
// not the one in force, because this program cannot use it: an older one does not
// say what the operator wants now.
func (c *Current) Get(ctx context.Context) (*Configuration, error) {
	if broker.WantsNewest(ctx) {
		return c.getNewest(ctx)
	}
	if good := c.good.Load(); good != nil {
		select {
		case c.turn <- struct{}{}:
			defer c.release()
			c.refresh(ctx)
			return c.good.Load(), nil
		default:
			return good, nil
		}
	}
	if err := c.takeTurn(ctx); err != nil {
		return nil, err
	}
	defer c.release()
	err := c.refresh(ctx)
	if good := c.good.Load(); good != nil {
		return good, nil
	}
	return nil, broker.NotReady(err)
}

// getNewest is Get in a context of broker.Newest. Requests within five seconds
// share a read, unless its caller gave up.
func (c *Current) getNewest(ctx context.Context) (*Configuration, error) {
	if err := c.takeTurn(ctx); err != nil {
		return nil, err
	}
	defer c.release()
	var err error
	now := c.c.Now()
	if shared := clock.Fresh(c.asked, now, retryAfter) && !broker.WantsUncached(ctx); c.err != nil || shared {
		err = c.refresh(ctx)
	} else if err = c.read(ctx); err == nil {
		c.asked = now
	}
	if err == nil && c.newer != 0 && broker.WantsUncached(ctx) {
		err = fmt.Errorf("version %d, the newest, cannot be used", c.newer)
	}
	if err != nil {
		return nil, broker.NotReady(err)
	}
	return c.good.Load(), nil
}

// takeTurn waits for the turn. release ends it.
func (c *Current) takeTurn(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return broker.NotReady(ctx.Err())
	}
}

func (c *Current) release() { <-c.turn }

// refresh reads again if the last read is too old. It returns the error of the
// last read. The caller has the turn.
func (c *Current) refresh(ctx context.Context) error {
	if clock.Fresh(c.at, c.c.Now(), c.wait) {
		return c.err
	}
	return c.read(ctx)
}

// read reads the versions, and the document of the newest one that can be used.
// It writes at most one line with the level ERROR. The caller has the turn.
func (c *Current) read(ctx context.Context) error {
	began := c.c.Now()
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	next, err := c.newest(limited)
	switch {
	case err == nil:
		c.at, c.wait, c.err = began, c.c.MaxAge, nil
		c.report(ctx)
		if c.good.Swap(next) != next {
			c.c.Log.InfoContext(ctx, "configuration in force", "configuration_version", next.Version, "digest", next.Digest)
		}
	case ctx.Err() != nil: // the caller gave up; the store may be fine
	default:
		c.at, c.wait, c.err = c.c.Now(), retryAfter, err
		c.c.Log.ErrorContext(ctx, "configuration not read", "error", err, "last_good_in_use", c.good.Load() != nil)
	}
	return err
}

// newest returns the newest version that this program can use, or the last good
// one if there is none.
func (c *Current) newest(ctx context.Context) (*Configuration, error) {
	versions, err := c.c.Reader.Versions(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the versions: %w", err)
	case len(versions) == 0:
		return nil, ErrNone
	}
	c.forget(versions)
	good := c.good.Load()
	var first *VersionError // why the newest version cannot be used
	for i, v := range versions {
		conf, err := c.usable(ctx, v, good)
		if err == nil {
			if c.newer = 0; i > 0 {
				c.newer = versions[0].Number
			}
			return conf, nil
		}
		e, ok := errors.AsType[*VersionError](err)
		if !ok {
			return nil, err
		}
		first = cmp.Or(first, c.find(v, e))
	}
	if good != nil {
		c.newer = versions[0].Number
		return good, nil
	}
	for _, f := range c.unusable {
		f.logged = true // with the error
	}
	return nil, fmt.Errorf("none of %d versions can be used: %w", len(versions), first)
}

// forget removes the versions that are not in the list from those found
// unusable.
func (c *Current) forget(versions []Version) {
	listed := make(map[versionKey]bool, len(versions))
	for _, v := range versions {
		listed[keyOf(v)] = true
	}
	maps.DeleteFunc(c.unusable, func(k versionKey, _ *finding) bool { return !listed[k] })
}

// usable returns the configuration of a version, or a VersionError. It does not
// read the document of the version in force, nor one that it has rejected.
func (c *Current) usable(ctx context.Context, v Version, good *Configuration) (*Configuration, error) {
	if good != nil && v.Digest == good.Digest {
		if v.Number == good.Version {
			return good, nil
		}
		same := *good // the same document was stored as another version
		same.Version = v.Number
		return &same, nil
	}
	// A document that is gone may come back, one with faults stays as it is.
	if e := c.unusable[keyOf(v)]; e != nil && !errors.Is(e, ErrGone) && !errors.Is(e, ErrAltered) {
		return nil, e.VersionError
	}
	return Load(ctx, c.c.Reader, v, c.c.Deployment)
}

// find remembers why a version cannot be used, in brief.
func (c *Current) find(v Version, e *VersionError) *VersionError {
	e = e.brief()
	if before := c.unusable[keyOf(v)]; before == nil || before.Error() != e.Error() {
		c.unusable[keyOf(v)] = &finding{VersionError: e}
	}
	return e
}

// report logs the newest version that was found unusable and is not in the log
// yet, and how many others there are.
func (c *Current) report(ctx context.Context) {
	var newest *VersionError
	found := 0
	for _, f := range c.unusable {
		if f.logged {
			continue
		}
		f.logged = true
		if found++; newest == nil || f.Number > newest.Number {
			newest = f.VersionError
		}
	}
	if newest != nil {
		c.c.Log.ErrorContext(ctx, "configuration version not usable", "configuration_version", newest.Number, "error", newest.Reason, "others", found-1)
	}
}
