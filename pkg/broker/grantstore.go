package broker

import (
	"context"
	"iter"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// A UserRecord names a grant or a consent of a user.
type UserRecord struct {
	// Grant is the id of the grant, empty if it is a consent.
	Grant string
	// Consent is the key of the consent, empty if it is a grant.
	Consent string
}

// A GrantStore keeps transactions, grants, Cognito's tokens, consents and the
// resources of machine tokens. Implementations promise the same as those of Store:
// they are safe for concurrent use, reads see all writes that have returned, values
// are copied in and out, a call that is sent twice has the effect and result of one
// call, and an expired record is absent.
// Strings are stored byte for byte, UTF-8 or not, since some of them (such as
// state) are chosen by the client. Times are stored as whole seconds in UTC. An
// empty list is read as nil.
//
// The errors ErrNotFound, ErrExists and ErrConflict, which may be wrapped, mean
// that nothing was changed. After any other error it is not known whether the
// call was applied.
type GrantStore interface {
	// CreateTransaction stores t as version 1 and sets t.Version. It returns
	// ErrExists if there is an unexpired transaction with the same key.
	CreateTransaction(ctx context.Context, t *Transaction) error
	// Transaction returns the transaction with that key, or ErrNotFound.
	Transaction(ctx context.Context, key credential.Hash) (*Transaction, error)
	// TakeStep moves the transaction from one step to another, increments its
	// version, and returns the new transaction. Of several concurrent calls one
	// succeeds. TakeStep returns ErrConflict if the transaction is at another
	// step, and ErrNotFound if there is none.
	TakeStep(ctx context.Context, key credential.Hash, from, to Step) (*Transaction, error)
	// ReplaceTransaction stores t if the stored version is still t.Version, and
	// increments t.Version. It returns ErrConflict if the versions differ and
	// ErrNotFound if there is no transaction with that key.
	ReplaceTransaction(ctx context.Context, t *Transaction) error
	// LeftTransaction returns the transaction whose DueRecord has that key, even if
	// it has expired, or ErrNotFound.
	LeftTransaction(ctx context.Context, key string) (*Transaction, error)
	// DeleteTransaction removes the transaction. If there is none, that is no
	// error.
	DeleteTransaction(ctx context.Context, key credential.Hash) error

	// CreateGrant stores g as version 1 and sets g.Version. It returns
	// ErrExists if there is an unexpired grant with the same id, even one that
	// has ended.
	CreateGrant(ctx context.Context, g *Grant) error
	// Grant returns the grant with that id, even one that has ended, or
	// ErrNotFound.
	Grant(ctx context.Context, id string) (*Grant, error)
	// ReplaceGrant stores g if the stored version is still g.Version, and
	// increments g.Version. It returns ErrConflict if the versions differ and
	// ErrNotFound if there is no grant with that id.
	ReplaceGrant(ctx context.Context, g *Grant) error
	// GrantsOf yields the ids of the client's grants for which Grant.Standing
	// reports true, in no order. It may not show the latest writes, so the
	// caller reads each grant again.
	GrantsOf(ctx context.Context, clientID string) iter.Seq2[string, error]
	// ListGrants yields all unexpired grants, in no order. It reads the whole
	// store, page by page, and is for operators.
	ListGrants(ctx context.Context) iter.Seq2[*Grant, error]
	// OfUser yields the user's grants for which Grant.Unfinished reports true, and
	// the user's consents, in no order. It may not show the latest writes, and may
	// yield records that have expired, so the caller reads each one again.
	OfUser(ctx context.Context, sub string) iter.Seq2[UserRecord, error]

	// CreateTokens stores t as version 1 and sets t.Version. It returns ErrExists
	// if there are unexpired tokens with the same id.
	CreateTokens(ctx context.Context, t *SealedTokens) error
	// Tokens returns the tokens with that id, or ErrNotFound.
	Tokens(ctx context.Context, id string) (*SealedTokens, error)
	// ReplaceTokens stores t if the stored version is still t.Version, and
	// increments t.Version. It returns ErrConflict if the versions differ and
	// ErrNotFound if there are no tokens with that id.
	ReplaceTokens(ctx context.Context, t *SealedTokens) error
	// DeleteTokens removes the tokens if they still have that version, and returns
	// ErrConflict if they have another. If there are none, that is no error.
	DeleteTokens(ctx context.Context, id string, version int64) error

	// PutConsent stores c, and replaces a consent with the same key. A call
	// that is sent twice stores c twice, and so undoes a change that was made
	// between.
	PutConsent(ctx context.Context, c *Consent) error
	// Consent returns the consent with that key, or ErrNotFound.
	Consent(ctx context.Context, key string) (*Consent, error)
	// DeleteConsent removes the consent. If there is none, that is no error.
	DeleteConsent(ctx context.Context, key string) error

	// PutMachineToken stores t, and replaces one with the same id.
	PutMachineToken(ctx context.Context, t *MachineToken) error
	// MachineToken returns the one with that id, or ErrNotFound.
	MachineToken(ctx context.Context, id string) (*MachineToken, error)
}
