package fake

import (
	"fmt"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// A Clock is a clock that stands still until it is moved. It is safe for
// concurrent use.
type Clock struct {
	mu    sync.Mutex
	t     time.Time
	began time.Time // set by Tick
	still time.Time // set by Freeze
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

// Freeze makes the clock's values like those of time.Now in a process that Lambda
// freezes: they have a monotonic clock reading, which stands still while Advance
// moves the wall time.
func (c *Clock) Freeze() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.still = time.Now()
}

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.still.IsZero():
		return atWall(c.still, c.t)
	case !c.began.IsZero():
		return c.t.Add(time.Since(c.began))
	}
	return c.t
}

// EachClock runs a test twice: in a process that runs all the time, and in one
// that Lambda freezes whenever the clock is advanced. What expires at a time
// expires at the same time in both.
func EachClock(t *testing.T, test func(*testing.T, *Clock)) {
	t.Helper()
	t.Run("running", func(t *testing.T) { test(t, NewClock()) })
	t.Run("frozen", func(t *testing.T) {
		c := NewClock()
		c.Freeze()
		test(t, c)
	})
}

// atWall returns the wall time of wall, in UTC, with the monotonic clock reading
// of t, which is a value of time.Now. Package time has no function for this, so
// atWall changes the value in memory, and panics if the layout of time.Time has
// changed.
func atWall(t, wall time.Time) time.Time {
	made := t
	fields := (*struct {
		wall uint64 // a flag for the reading, 33 bits of seconds since 1885, 30 bits of nanoseconds
		ext  int64  // the reading
		loc  *time.Location
	})(unsafe.Pointer(&made))
	seconds := wall.Unix() - time.Date(1885, time.January, 1, 0, 0, 0, 0, time.UTC).Unix()
	fields.wall, fields.loc = 1<<63|uint64(seconds)<<30|uint64(wall.Nanosecond()), nil
	if !made.Round(0).Equal(wall) || made.Sub(t) != 0 {
		panic(fmt.Sprintf("fake: got %v, want %v with the monotonic reading of %v", made, wall, t))
	}
	return made
}

// Second returns the clock's time without the fraction.
func (c *Clock) Second() time.Time { return broker.Seconds(c.Now()) }

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}
