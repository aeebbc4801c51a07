package devstack

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

// watchEvery is the time between two looks at the configuration file.
const watchEvery = time.Second

// live has the configuration in force of a local broker: that of the document
// when it was last without faults.
type live struct {
	document
	good atomic.Pointer[configuration.Configuration]
	seen string // the digest at the last look, or why the file could not be read
}

// newLive returns a live document, or a *configurationError.
func newLive(d document) (*live, error) {
	l := &live{document: d}
	_, err := l.look()
	return l, err
}

// Get returns the configuration in force.
func (l *live) Get(context.Context) (*configuration.Configuration, error) { return l.good.Load(), nil }

// look reads the document, and puts it in force if it has no faults. It reports
// whether the document has changed since the last look. Only one goroutine may
// call it.
func (l *live) look() (changed bool, err error) {
	body, conf, err := l.load()
	seen := configuration.Digest(body)
	if body == nil {
		seen = err.Error()
	}
	if seen == l.seen {
		return false, err
	}
	l.seen = seen
	if err == nil {
		l.good.Store(conf)
	}
	return true, err
}

// watch looks at the document at each tick, until ctx ends. After each change it
// calls changed with the error of the new document, or with nil if this is in
// force.
func (l *live) watch(ctx context.Context, tick <-chan time.Time, changed func(context.Context, error)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		if again, err := l.look(); again {
			changed(ctx, err)
		}
	}
}
