package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

var (
	// ErrNotFound means that the record does not exist, or that it has expired.
	ErrNotFound = errors.New("not found")
	// ErrExists means that another record already has this key.
	ErrExists = errors.New("exists already")
	// ErrConflict means that the record was changed since it was read.
	ErrConflict = errors.New("changed since it was read")
	// ErrExhausted means that a budget has no room left.
	ErrExhausted = errors.New("budget exhausted")
	// ErrShareExhausted wraps ErrExhausted: a share has no room left, while the
	// budget has.
	ErrShareExhausted = fmt.Errorf("for a share: %w", ErrExhausted)
	// ErrPending wraps ErrNotFound: the client waits for an operator's
	// approval.
	ErrPending = fmt.Errorf("it waits for approval: %w", ErrNotFound)
	// ErrDisabled wraps ErrNotFound: an operator has switched the client off.
	ErrDisabled = fmt.Errorf("the operator has switched it off: %w", ErrNotFound)
	// ErrRemoved wraps ErrNotFound: the client's registration has ended.
	ErrRemoved = fmt.Errorf("its registration has ended: %w", ErrNotFound)
)

// A Store keeps registrations, records of app clients, initial access tokens
// and budgets.
//
// Implementations are safe for concurrent use. A read sees every write that
// returned before it, in any process, unless a method's comment says otherwise.
// Values are copied in and out; times are stored as whole seconds in UTC. A
// call that is sent twice, as an SDK does when it has lost the reply, has the
// effect and the result of one call, unless the method's comment says otherwise.
// A sequence ends with its first error.
//
// The errors named in the methods' comments may be wrapped and mean that
// nothing was changed. After any other error it is not known whether the call
// was applied.
type Store interface {
	Registrations
	AppClientRecords
	InitialAccessTokens
	Budgets
	Sweeping
}

// Registrations is the part of a Store that holds registrations.
type Registrations interface {
	// CreateRegistration stores r as version 1 and sets r.Version. It returns
	// ErrExists if there is an unexpired registration with the same client id.
	CreateRegistration(ctx context.Context, r *Registration) error
	// Registration returns the registration of a client, or ErrNotFound.
	Registration(ctx context.Context, clientID string) (*Registration, error)
	// ReplaceRegistration stores r if version and generation are still those of
	// r, and increments r.Version. It returns ErrConflict if one of them
	// differs and ErrNotFound if there is no registration. LastUsedAt is not
	// replaced.
	ReplaceRegistration(ctx context.Context, r *Registration) error
	// RetireRegistration is ReplaceRegistration with one more condition: the
	// stored LastUsedAt is still r.LastUsedAt, or it returns ErrConflict. So a
	// client that is used at this moment is not retired.
	RetireRegistration(ctx context.Context, r *Registration) error
	// RenewRegistration is ReplaceRegistration that also replaces r.Generation
	// by generation and LastUsedAt by zero, in the store and in r. The version
	// grows as with any replacement, so a request that has read the former
	// generation gets ErrConflict.
	RenewRegistration(ctx context.Context, r *Registration, generation string) error
	// DeleteRegistration removes the registration if it still has that
	// generation. If it is gone or has another generation, that is no error.
	DeleteRegistration(ctx context.Context, clientID, generation string) error
	// TouchRegistration sets LastUsedAt to at, if that is later than the stored
	// time. It changes no version. It returns ErrNotFound if there is no
	// registration with that generation.
	TouchRegistration(ctx context.Context, clientID, generation string, at time.Time) error
	// ListRegistrations yields the unexpired registrations for which
	// Registration.Unused reports false, in no order, page by page. It may not
	// show the latest writes, and is for operators.
	ListRegistrations(ctx context.Context) iter.Seq2[*Registration, error]
	// ListAllRegistrations yields all unexpired registrations, in no order. It
	// reads the whole store, page by page, and is for operators.
	ListAllRegistrations(ctx context.Context) iter.Seq2[*Registration, error]
}

// AppClientRecords is the part of a Store that holds the records of app
// clients.
type AppClientRecords interface {
	// CreateAppClient stores a as version 1 and sets a.Version. It returns
	// ErrExists if there is a record with the same key.
	CreateAppClient(ctx context.Context, a *AppClient) error
	// AppClient returns the record with that key, or ErrNotFound.
	AppClient(ctx context.Context, key string) (*AppClient, error)
	// ReplaceAppClient stores a if the stored version is still a.Version, and
	// increments a.Version. It returns ErrConflict if the versions differ and
	// ErrNotFound if there is no record with that key.
	ReplaceAppClient(ctx context.Context, a *AppClient) error
	// DeleteAppClient removes the record if it still has that version, and
	// returns ErrConflict if it has another. If there is no record, that is no
	// error.
	DeleteAppClient(ctx context.Context, key string, version int64) error
	// AppClientKeys yields the keys of all records, in no order. It may not
	// show the latest writes: a new record may be missing, and a deleted one
	// may be among them.
	AppClientKeys(ctx context.Context) iter.Seq2[string, error]
}

// InitialAccessTokens is the part of a Store that holds initial access tokens.
type InitialAccessTokens interface {
	// CreateInitialAccessToken stores t, or returns ErrExists if there is a
	// token with the same id, even an expired one.
	CreateInitialAccessToken(ctx context.Context, t *credential.InitialAccessToken) error
	// InitialAccessToken returns the token with that id, even if it is expired,
	// revoked or used up, or ErrNotFound.
	InitialAccessToken(ctx context.Context, id string) (*credential.InitialAccessToken, error)
	// UseInitialAccessToken adds member to the token's uses, unless it is one
	// of them already. It returns ErrExhausted if the token has been revoked or
	// other members take all its uses, and ErrNotFound if there is no such
	// token.
	UseInitialAccessToken(ctx context.Context, id, member string) error
	// ReturnInitialAccessToken removes member from the token's uses. If there
	// is no such member or token, that is no error.
	ReturnInitialAccessToken(ctx context.Context, id, member string) error
	// RevokeInitialAccessToken marks the token revoked at that time, or returns
	// ErrNotFound. A token that is already revoked keeps its time.
	RevokeInitialAccessToken(ctx context.Context, id string, at time.Time) error
	// ListInitialAccessTokens yields all tokens, in no order, page by page. It may
	// not show the latest writes, and is for operators.
	ListInitialAccessTokens(ctx context.Context) iter.Seq2[*credential.InitialAccessToken, error]
}

// A Budget is a set with a limited number of members. Because it is a set, a
// member that is added twice counts once, and a place that is returned twice
// frees one place.
type Budget struct {
	// Key identifies the budget.
	Key string
	// Limit is the largest number of members.
	Limit int
	// ExpiresAt is when the whole budget is deleted; zero is never. The first
	// call that adds a member sets it; later calls do not change it.
	ExpiresAt time.Time
}

// A Counter is a number of events with a limit. A Budget needs an item that
// grows with its members; a Counter stays small.
type Counter struct {
	// Key identifies the counter and its time, such as an hour.
	Key string
	// Limit is the largest number of events.
	Limit int
	// ExpiresAt is when the store may delete the counter. The caller does not
	// use its Key after that time. REQUIRED.
	ExpiresAt time.Time
	// Shares are the shares that the event belongs to, at most eight. They are
	// counted in the same call, and stored in the same item.
	Shares []Share
}

// A Share is a part of the events of a Counter with a limit of its own.
type Share struct {
	// Name identifies the share in its counter. It has 1 to 8 of the characters
	// a-z, 0-9 and '_'.
	Name string
	// Limit is the largest number of events of the share.
	Limit int
}

// Budgets is the part of a Store that enforces limits.
type Budgets interface {
	// TakeBudget adds member to the budget, unless it is a member already. It
	// returns ErrExhausted if the budget has b.Limit other members, or if the store
	// can hold no more. Of several concurrent calls for the last place, one gets
	// it.
	TakeBudget(ctx context.Context, b Budget, member string) error
	// ReturnBudget removes member from the budget. If it is not a member, that
	// is no error.
	ReturnBudget(ctx context.Context, key, member string) error
	// Count counts one event. It returns ErrExhausted if c.Limit events have been
	// counted, in all processes together, so never more are admitted. It returns
	// ErrShareExhausted if a share of the event has reached its limit. An event
	// that is not admitted is counted nowhere. A call that is sent twice may count
	// twice, and an event cannot be taken back.
	Count(ctx context.Context, c Counter) error
}

// DueKind is the kind of a record that the janitor must look at again.
type DueKind string

const (
	// DueAppClient is an AppClient; its key is AppClient.Key.
	DueAppClient DueKind = "appclient"
	// DueRegistration is a Registration; its key is its ClientID.
	DueRegistration DueKind = "registration"
	// DueTransaction is a Transaction; its key is for GrantStore.LeftTransaction.
	DueTransaction DueKind = "transaction"
)

// A DueRecord is a record whose Due time has come.
type DueRecord struct {
	// Kind is the kind of the record.
	Kind DueKind
	// Key is the key of the record among those of its kind.
	Key string
	// Place is the position of the record, from which a later Sweeping.Due can
	// continue. Its form is the store's own. It has at most 4 KB.
	Place string
}

// TableOwner names the deployment to which a store belongs. A sweep compares it
// with its own deployment before it removes app clients, so that an empty,
// foreign or restored table causes no damage.
type TableOwner struct {
	// ID is the id of the deployment, which is also configured outside the
	// store.
	ID string `json:"id"`
	// Store is the identity of the store, see Sweeping.Identity. It is empty
	// until a sweep has written it.
	Store string `json:"store,omitempty"`
	// Began is when the store was first used. The store cannot have a record of
	// an app client that is older. Zero means that the store's answer is final.
	Began time.Time `json:"began_at,omitzero"`

	// Unknown has the members of the stored record that this program does not
	// know, because a newer one wrote them: a JSON object, or nil. A store writes
	// them back.
	Unknown json.RawMessage `json:"-" store:"unknown"`
}

// Sweeping is the part of a Store that is for sweeps.
type Sweeping interface {
	// Due yields the records that are due at now: first those after the place
	// after, then the others. A sweep that stops and later continues after the
	// place of its last record therefore reaches every record. The empty place,
	// or one that the store does not know, is the beginning.
	//
	// Due may not show the latest writes, and may yield a record twice. The
	// caller reads each record again and makes its changes conditional on the
	// version.
	Due(ctx context.Context, now time.Time, after string) iter.Seq2[DueRecord, error]
	// SweepPlace returns the place that SetSweepPlace stored last, or "".
	SweepPlace(ctx context.Context) (string, error)
	// SetSweepPlace stores a place. Of two concurrent calls either may win.
	SetSweepPlace(ctx context.Context, place string) error
	// TableOwner returns the owner of the table, or ErrNotFound.
	TableOwner(ctx context.Context) (*TableOwner, error)
	// CreateTableOwner stores d, or returns ErrExists if the table has an
	// owner. A call that is sent twice may return ErrExists although it stored
	// d.
	CreateTableOwner(ctx context.Context, d *TableOwner) error
	// SetTableOwner stores d, and replaces the present owner.
	SetTableOwner(ctx context.Context, d *TableOwner) error
	// Identity returns an identifier of the store. It changes when the store is
	// created again or restored from a backup. It is empty if it cannot be
	// known.
	Identity(ctx context.Context) (string, error)
}
