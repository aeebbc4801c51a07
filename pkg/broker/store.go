package broker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

var (
	// ErrNotFound means that there is no such thing, or that it has expired.
	ErrNotFound = errors.New("not found")
	// ErrExists means that something else already has this key.
	ErrExists = errors.New("exists already")
	// ErrConflict means that the thing was changed since it was read.
	ErrConflict = errors.New("changed since it was read")
	// ErrExhausted means that a budget has no room left.
	ErrExhausted = errors.New("budget exhausted")
	// ErrPending is an ErrNotFound: the client waits for an operator's approval.
	ErrPending = fmt.Errorf("it waits for approval: %w", ErrNotFound)
	// ErrRemoved is an ErrNotFound: the client's registration has ended.
	ErrRemoved = fmt.Errorf("its registration has ended: %w", ErrNotFound)
)

// A Store keeps what the broker knows.
//
// Implementations are safe for concurrent use. Reads see every write that
// returned before them, in any process, unless a method says otherwise. Values
// are copied in and out, times as whole seconds in UTC. A call that is transparently sent twice, as an SDK
// that lost a reply does, has the effect and the result of one. The errors
// named in the methods' comments may be wrapped and mean that nothing was
// changed; after any other error it is not known whether the call was applied.
type Store interface {
	Registrations
	AppClientRecords
	InitialAccessTokens
	Budgets
	Sweeping
}

// Registrations is the part of a Store that holds registrations.
type Registrations interface {
	// CreateRegistration stores r as version 1 and sets r.Version, or returns
	// ErrExists if there is a registration with its id that has not expired.
	CreateRegistration(ctx context.Context, r *Registration) error
	// Registration returns the registration of a client, or ErrNotFound.
	Registration(ctx context.Context, clientID string) (*Registration, error)
	// ReplaceRegistration stores r if the stored version is still r.Version, of
	// the same generation, and increments r.Version. It returns ErrConflict if
	// it is another and ErrNotFound if there is none. LastUsedAt is not replaced.
	ReplaceRegistration(ctx context.Context, r *Registration) error
	// RetireRegistration is ReplaceRegistration on the further condition that
	// the stored LastUsedAt is still r.LastUsedAt; else it returns ErrConflict.
	// So a client that is used at this moment is not retired.
	RetireRegistration(ctx context.Context, r *Registration) error
	// RenewRegistration is ReplaceRegistration that also gives the registration
	// this generation in place of r.Generation, and forgets LastUsedAt. It sets
	// r.Generation and r.LastUsedAt, too. Versions go on, so that whoever has
	// read the former generation finds out.
	RenewRegistration(ctx context.Context, r *Registration, generation string) error
	// DeleteRegistration removes the registration if it still is of that
	// generation. One that is gone or of another generation is no error.
	DeleteRegistration(ctx context.Context, clientID, generation string) error
	// TouchRegistration sets LastUsedAt to at, if that is later than what is
	// stored, on a registration of that generation, and changes no version.
	// It returns ErrNotFound if there is none.
	TouchRegistration(ctx context.Context, clientID, generation string, at time.Time) error
	// ListRegistrations yields all registrations that have not expired, in no
	// order. It reads the whole store, page by page, and is for operators.
	ListRegistrations(ctx context.Context) iter.Seq2[*Registration, error]
}

// AppClientRecords is the part of a Store that holds the records of app
// clients.
type AppClientRecords interface {
	// CreateAppClient stores a as version 1 and sets a.Version, or returns
	// ErrExists if there is one with its key.
	CreateAppClient(ctx context.Context, a *AppClient) error
	// AppClient returns the record with that key, or ErrNotFound.
	AppClient(ctx context.Context, key string) (*AppClient, error)
	// ReplaceAppClient stores a if the stored version is still a.Version, and
	// increments a.Version. It returns ErrConflict if the version is another
	// and ErrNotFound if there is none.
	ReplaceAppClient(ctx context.Context, a *AppClient) error
	// DeleteAppClient removes the record if its version is still that. One that
	// is gone is no error; another version is ErrConflict.
	DeleteAppClient(ctx context.Context, key string, version int64) error
	// AppClientKeys yields the keys of all records, in no order. It may lag
	// behind: a record of a moment ago may be missing, and one that is gone
	// among them.
	AppClientKeys(ctx context.Context) iter.Seq2[string, error]
}

// InitialAccessTokens is the part of a Store that holds initial access tokens.
type InitialAccessTokens interface {
	// CreateInitialAccessToken stores t, or returns ErrExists.
	CreateInitialAccessToken(ctx context.Context, t *credential.InitialAccessToken) error
	// InitialAccessToken returns the token with that id, expired, revoked and
	// spent ones too, or ErrNotFound.
	InitialAccessToken(ctx context.Context, id string) (*credential.InitialAccessToken, error)
	// UseInitialAccessToken makes member one of the token's uses, unless it is
	// one already. It returns ErrExhausted if the token has been revoked or
	// all its uses are taken by others, and ErrNotFound if there is none.
	UseInitialAccessToken(ctx context.Context, id, member string) error
	// ReturnInitialAccessToken takes member off the uses. A member that is not
	// there, or a token that is gone, is no error.
	ReturnInitialAccessToken(ctx context.Context, id, member string) error
	// RevokeInitialAccessToken marks the token revoked at that time, or
	// returns ErrNotFound. A token that was revoked before keeps its time.
	RevokeInitialAccessToken(ctx context.Context, id string, at time.Time) error
	// ListInitialAccessTokens yields all tokens, in no order. It reads the
	// whole store, page by page, and is for operators.
	ListInitialAccessTokens(ctx context.Context) iter.Seq2[*credential.InitialAccessToken, error]
}

// A Budget is a set with a limited number of members. Being a set, it counts a
// member once however often it is added, and giving a place back twice frees
// one place.
type Budget struct {
	Key string
	// Limit is how many members there may be.
	Limit int
	// ExpiresAt is when the whole budget is forgotten; zero is never. That of
	// the call that begins a budget counts.
	ExpiresAt time.Time
}

// Budgets is the part of a Store that counts what is limited.
type Budgets interface {
	// TakeBudget makes member one of the budget's members, unless it is one
	// already. It returns ErrExhausted if Limit others are there.
	TakeBudget(ctx context.Context, b Budget, member string) error
	// ReturnBudget takes member out. One that is not there is no error.
	ReturnBudget(ctx context.Context, key, member string) error
	// TakeSlot reports whether a call may be made in the second that at lies
	// in: at most limit of all that ask with the same key, in all processes,
	// are admitted. Sent twice it may count twice.
	TakeSlot(ctx context.Context, key string, at time.Time, limit int) (bool, error)
}

// DueKind is a kind of record that somebody must come back to.
type DueKind string

const (
	// DueAppClient is an AppClient; its key is AppClient.Key.
	DueAppClient DueKind = "appclient"
	// DueRegistration is a Registration; its key is its ClientID.
	DueRegistration DueKind = "registration"
)

// A DueRecord is a record whose Due has come.
type DueRecord struct {
	Kind DueKind
	Key  string
	// Place is where it was found, for Sweeping.Due to go on after. Only the
	// store knows what it means. It has at most 4 KB.
	Place string
}

// Deployment says whose table a store is, so that what an empty or foreign or
// restored one says is not believed.
type TableOwner struct {
	// ID is that of the deployment, which is kept outside the store.
	ID string
	// Store is the identity of the store, see Sweeping.Identity. It is empty
	// until a sweep has noted it.
	Store string
	// Began is when the store was first used. No app client that is older can be
	// known to it. Zero is for a store that is to be believed all the same.
	Began time.Time
}

// Sweeping is the part of a Store that a sweep works by.
type Sweeping interface {
	// Due yields what is due at now: first what comes after that place, then the
	// rest, so that whoever stops and goes on after the place of the last one
	// comes by everything in turn. The empty place, and one that the store does
	// not know, is the beginning. It may lag behind, and may yield a record
	// twice: read the record again, and act on condition of its version.
	Due(ctx context.Context, now time.Time, after string) iter.Seq2[DueRecord, error]
	// SweepPlace returns the place that SetSweepPlace stored last, or "".
	SweepPlace(ctx context.Context) (string, error)
	// SetSweepPlace stores a place. Of two at once either may stay.
	SetSweepPlace(ctx context.Context, place string) error
	// Deployment returns whose table this is, or ErrNotFound.
	TableOwner(ctx context.Context) (*TableOwner, error)
	// CreateDeployment stores d, or returns ErrExists if there is one. Sent twice
	// it may return ErrExists although it was the first.
	CreateTableOwner(ctx context.Context, d *TableOwner) error
	// SetDeployment stores d in place of what there is.
	SetTableOwner(ctx context.Context, d *TableOwner) error
	// Identity returns what the store is: another one after it was made anew or
	// restored from a backup. Empty is unknown.
	Identity(ctx context.Context) (string, error)
}
