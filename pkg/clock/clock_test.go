package clock_test

import (
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/clock"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

func TestNowHasNoMonotonicReading(t *testing.T) {
	before := time.Now().Round(0)
	now := clock.Now()
	after := time.Now().Round(0)
	// == compares readings too, and Round(0) removes one.
	if now != now.Round(0) {
		t.Errorf("Now() = %v, want it without a monotonic reading", now)
	}
	if now.Before(before) || now.After(after) {
		t.Errorf("Now() = %v, want a time between %v and %v", now, before, after)
	}
}

func TestFresh(t *testing.T) {
	const bound = time.Minute
	read := time.Date(2030, time.March, 1, 12, 0, 0, 700_000_000, time.UTC)
	for _, tt := range []struct {
		name  string
		age   time.Duration
		bound time.Duration
		want  bool
	}{
		{"at once", 0, bound, true},
		{"just within the bound", bound - 1, bound, true},
		{"at the bound", bound, bound, false},
		{"after an hour", time.Hour, bound, false},
		{"the wall clock was set back a little", -1, bound, false},
		{"the wall clock was set back by a day", -24 * time.Hour, bound, false},
		{"no bound", 0, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := clock.Fresh(read, read.Add(tt.age), tt.bound); got != tt.want {
				t.Errorf("Fresh(%s, %s later, %s) = %t, want %t", read, tt.age, tt.bound, got, tt.want)
			}
			// The same in a process whose monotonic clock stands still.
			c := fake.ClockAt(read)
			c.Freeze()
			readAt := c.Now()
			c.Advance(tt.age)
			if got := clock.Fresh(readAt, c.Now(), tt.bound); got != tt.want {
				t.Errorf("frozen: Fresh(%s, %s later, %s) = %t, want %t", readAt, tt.age, tt.bound, got, tt.want)
			}
		})
	}
	if clock.Fresh(time.Time{}, read, time.Hour) {
		t.Error("Fresh of a value that was never read = true, want false")
	}
}
