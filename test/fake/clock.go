package fake

import (
	"sync"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// A Clock is a clock that stands still until it is moved. It is safe for
// concurrent use.
type Clock struct {
	mu    sync.Mutex
	t     time.Time
	began time.Time // set by Tick
}

// NewClock returns a clock that stands between two seconds, so that wrong
// rounding shows.
func NewClock() *Clock {
	return ClockAt(time.Date(2030, time.March, 1, 12, 0, 0, 700_000_000, time.UTC))
}

// ClockAt returns a clock that stands at t.
func ClockAt(t time.Time) *Clock { return &Clock{t: t} }

// Tick makes the clock move with the time of a synctest bubble too.
func (c *Clock) Tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.began = time.Now()
}

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.began.IsZero() {
		return c.t
	}
	return c.t.Add(time.Since(c.began))
}

// Second returns the clock's time without the fraction.
func (c *Clock) Second() time.Time { return broker.Seconds(c.Now()) }

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}
