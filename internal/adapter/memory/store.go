// Package memory is a broker.Store and grant.Store in the memory of one process: what the local
// development server runs on, and what tests run on that are not about the
// store. It behaves like the DynamoDB store in every way that a caller can
// see, whole seconds and cancelled contexts included, except that it is never
// slow and forgets everything when the process ends.
package memory

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// Store is a broker.Store and grant.Store in memory. Make one with NewStore.
type Store struct {
	now func() time.Time

	mu            sync.Mutex // guards all below
	registrations map[string]*broker.Registration
	appClients    map[string]*broker.AppClient
	tokens        map[string]*credential.InitialAccessToken
	budgets       map[string]*budget
	slots         map[slot]int
	transactions  map[credential.Hash]*broker.Transaction
	grants        map[string]*broker.Grant
	consents      map[string]*broker.Consent
	sweepAt       int // how many of the last three make the next sweep

	due        map[dueKey]time.Time       // of records that are due at some time
	standing   map[string]map[string]bool // ids of the grants that stand, by client
	sweepPlace string
	deployment *broker.TableOwner // nil if there is none
	identity   string             // does not change
}

var (
	_ broker.Store      = (*Store)(nil)
	_ broker.GrantStore = (*Store)(nil)
)

// NewStore returns an empty Store that takes the time from now, or from the
// system if now is nil.
func NewStore(now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{
		now:           now,
		registrations: make(map[string]*broker.Registration),
		appClients:    make(map[string]*broker.AppClient),
		tokens:        make(map[string]*credential.InitialAccessToken),
		budgets:       make(map[string]*budget),
		slots:         make(map[slot]int),
		transactions:  make(map[credential.Hash]*broker.Transaction),
		grants:        make(map[string]*broker.Grant),
		consents:      make(map[string]*broker.Consent),
		due:           make(map[dueKey]time.Time),
		standing:      make(map[string]map[string]bool),
		identity:      credential.NewID(),
	}
}

// expired reports whether a time of expiry has come; the zero time never does.
func expired(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// seconds is t as a store keeps it: in UTC, without a fraction of a second.
func seconds(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.Unix(t.Unix(), 0).UTC()
}

// sequence yields items that were collected beforehand, so that the caller of
// the sequence can use the store while it reads.
func sequence[T any](ctx context.Context, collect func() []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if err := ctx.Err(); err != nil {
			yield(none, err)
			return
		}
		for _, item := range collect() {
			if err := ctx.Err(); err != nil {
				yield(none, err)
				return
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}
