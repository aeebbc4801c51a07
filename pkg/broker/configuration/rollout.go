package configuration

import "time"

// A Rollout says which version's settings the app clients have at Cognito. A
// program that changes app clients adds a run before its first change, and
// removes the run after its last one.
type Rollout struct {
	// Done is the number of the version whose settings all app clients had when
	// the last run ended, and Digest is the version's digest. Done is 0 if some
	// app clients may have had others. It has no meaning as long as there are Runs.
	Done   int
	Digest string
	// Runs are the runs that have not ended, by their random ids, with the time
	// of their start.
	Runs map[string]time.Time
	// Version is the version of the stored record, 0 if none is stored.
	Version int64
}
