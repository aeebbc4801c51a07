package brokered

import (
	"maps"
	"sync"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/clock"
)

const (
	// recentFor is how long a registration in memory is used. A client that an
	// operator disables is refused at the latest after this time, even if Lambda
	// has the process frozen in between.
	recentFor = 60 * time.Second
	// maxRecent bounds the memory. The number of different clients is much
	// smaller.
	maxRecent = 4096
)

// recent has the open registrations that this process has recently read or
// written, so that a client that registers at each start causes no reads or
// writes.
type recent struct {
	mu   sync.Mutex
	seen map[string]sighting // by client id
}

type sighting struct {
	at        time.Time // before the registration was read
	issuedAt  time.Time
	expiresAt time.Time
	scope     string // of the profile
}

func newRecent() *recent { return &recent{seen: make(map[string]sighting)} }

// issuedAt returns when the registration was created, if this process has
// recently seen it while its profile had this scope.
func (c *recent) issuedAt(clientID, scope string, now time.Time) (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.seen[clientID]
	if !ok || !clock.Fresh(s.at, now, recentFor) || s.scope != scope || !s.expiresAt.IsZero() && !now.Before(s.expiresAt) {
		return time.Time{}, false
	}
	return s.issuedAt, true
}

// remember stores a registration that was read or written, and the scope that its
// client is told. at is the time before that.
func (c *recent) remember(r *broker.Registration, scope string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.seen) >= maxRecent {
		maps.DeleteFunc(c.seen, func(_ string, s sighting) bool { return !clock.Fresh(s.at, at, recentFor) })
	}
	if len(c.seen) >= maxRecent {
		clear(c.seen)
	}
	c.seen[r.ClientID] = sighting{at: at, issuedAt: r.IssuedAt, expiresAt: r.ExpiresAt, scope: scope}
}
