package policy

import (
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

const (
	// reviewEvery is the longest time between two reviews of a registration, so
	// that a changed policy takes effect on it.
	reviewEvery = 7 * 24 * time.Hour
	// FirstReview is the time between the first use of a registration and its
	// first review. The request that records the first use does not know the
	// policy.
	FirstReview = 24 * time.Hour
	// TombstoneTime is how long the broker remembers that a client was removed.
	TombstoneTime = 90 * 24 * time.Hour
)

// EndOfLife returns when r expires under its profile if it is not used before;
// zero means never. profile is nil if the policy no longer has it.
func EndOfLife(r *broker.Registration, profile *Profile) time.Time {
	if profile == nil || r.CreatedBy != "" || r.State != broker.RegistrationActive && r.State != broker.RegistrationPending {
		return time.Time{}
	}
	life := profile.Lifetimes()
	var end time.Time
	sooner := func(from time.Time, d time.Duration) {
		if at := from.Add(d); d > 0 && (end.IsZero() || at.Before(end)) {
			end = at
		}
	}
	sooner(r.IssuedAt, life.Absolute)
	used := r.LastUsedAt
	if r.ActiveSince.After(used) {
		used = r.ActiveSince
	}
	if used.IsZero() {
		used = r.IssuedAt
		sooner(used, life.Unconfirmed)
	}
	sooner(used, life.Inactive)
	return end
}

// NextReview returns when the janitor must review r next; zero means never.
func NextReview(r *broker.Registration, profile *Profile, now time.Time) time.Time {
	if !r.ExpiresAt.IsZero() || r.CreatedBy != "" {
		return time.Time{}
	}
	next := broker.Seconds(now).Add(reviewEvery)
	if end := EndOfLife(r, profile); !end.IsZero() && end.Before(next) {
		next = end
	}
	return next
}

// UnconfirmedUntil returns when a new registration expires if it is not used;
// zero means never.
func UnconfirmedUntil(profile *Profile, now time.Time) time.Time {
	if profile.Lifetimes().Unconfirmed == 0 {
		return time.Time{}
	}
	return broker.Seconds(now).Add(profile.Lifetimes().Unconfirmed)
}
