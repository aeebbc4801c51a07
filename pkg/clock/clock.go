// Package clock is the broker's clock. Wiring gives [Now] to every part that
// needs the time, and every cache with a bound compares ages with [Fresh].
//
// It leaves out what is right with the monotonic clock: durations that are
// measured for the log, and the deadlines of one call.
package clock

import "time"

// Now returns the wall time, without a monotonic clock reading.
//
// The values of time.Now have such a reading too, and Sub, Before and After
// prefer it. But the monotonic clock stands still while Lambda has the process
// frozen, for hours or days. By that clock a cached value is seconds old when the
// process wakes: a client that an operator has disabled would still be served,
// and a withdrawn key would still be accepted.
func Now() time.Time { return time.Now().Round(0) }

// Fresh reports whether a value that was read at readAt may still be used now:
// its age by the wall clock is less than bound. If now is before readAt, the wall
// clock was set back, the age is unknown, and the value is not fresh. Monotonic
// clock readings are ignored.
//
// readAt is the time before the read began. After it, the value may be older than
// it seems, because the process can be frozen during the read.
func Fresh(readAt, now time.Time, bound time.Duration) bool {
	age := now.Round(0).Sub(readAt)
	return age >= 0 && age < bound
}
