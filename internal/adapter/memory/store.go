// Package memory is an adapter: a broker.Store and a broker.GrantStore in the
// memory of one process, for the local development server and for tests that
// are not about the store. It behaves like the DynamoDB store in every way that
// a caller can see, also with whole seconds and cancelled contexts. It leaves
// out persistence: all records end with the process.
package memory

import (
	"sync"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// Store is a broker.Store and broker.GrantStore in memory. Make one with
// NewStore.
type Store struct {
	*tables
	hook Hook // nil if there is none
}

// tables has the records. Stores with different hooks share it.
type tables struct {
	now func() time.Time

	mu              sync.Mutex // guards all below
	registrations   map[string]*broker.Registration
	appClients      map[string]*broker.AppClient
	tokens          map[string]*credential.InitialAccessToken
	budgets         map[string]*budget
	slots           map[slot]int
	transactions    map[credential.Hash]*broker.Transaction
	grants          map[string]*broker.Grant
	consents        map[string]*broker.Consent
	removeExpiredAt int // number of the last three at which removeExpired runs again

	due        map[dueKey]time.Time       // of records with a due time
	standing   map[string]map[string]bool // ids of the grants that have not ended, by client
	sweepPlace string
	owner      *broker.TableOwner // nil if there is none
	identity   string             // constant
}

var (
	_ broker.Store      = (*Store)(nil)
	_ broker.GrantStore = (*Store)(nil)
)

// NewStore returns an empty Store with the time from now, or from the system if
// now is nil.
func NewStore(now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{tables: &tables{
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
	}}
}

// expired reports whether the expiry at has passed; the zero time never passes.
func expired(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// seconds returns t as a store keeps it: in UTC, without a fraction of a
// second.
func seconds(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.Unix(t.Unix(), 0).UTC()
}
