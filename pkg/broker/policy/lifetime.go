package policy

import (
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

const (
	// lookEvery is how long a registration goes without being looked at, so that
	// a policy that has changed reaches it.
	reviewEvery = 7 * 24 * time.Hour
	// firstLook is when a registration is looked at after its first use: whoever
	// notes that does not know the policy.
	FirstReview = 24 * time.Hour
	// tombstoneTime is how long it is remembered that a client was removed.
	TombstoneTime = 90 * 24 * time.Hour
)

// ends returns when the life of r ends under its profile, if nobody uses it
// before; zero is never. profile is nil if the policy does not have it any more.
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

// look returns when r must be looked at next; zero is never.
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

// expiry is until when a registration lives that nobody uses.
func UnconfirmedUntil(profile *Profile, now time.Time) time.Time {
	if profile.Lifetimes().Unconfirmed == 0 {
		return time.Time{}
	}
	return broker.Seconds(now).Add(profile.Lifetimes().Unconfirmed)
}
