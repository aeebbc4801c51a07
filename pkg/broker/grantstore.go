package broker

import (
	"context"
	"iter"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// A GrantStore keeps transactions, grants and consents. It promises what
// Store promises: safe for concurrent use, consistent reads, values
// copied in and out, a call sent twice has the effect and result of one, what
// has expired is absent. Strings are kept byte for byte, UTF-8 or not, since
// state and the like are the client's; times are kept in whole seconds and UTC;
// an empty list is read as nil.
//
// Its errors are ErrNotFound, ErrExists and ErrConflict,
// which mean that nothing was changed; after any other error it is not known
// whether the call was applied.
type GrantStore interface {
	// CreateTransaction stores t as version 1 and sets t.Version, or returns
	// ErrExists if there is one with its key that has not expired.
	CreateTransaction(ctx context.Context, t *Transaction) error
	// Transaction returns the transaction with that key, or ErrNotFound.
	Transaction(ctx context.Context, key credential.Hash) (*Transaction, error)
	// TakeStep moves the transaction from one step to the next, increments its
	// version, and returns it as it then is. It returns ErrConflict if the
	// transaction is at another step, and ErrNotFound if there is none.
	TakeStep(ctx context.Context, key credential.Hash, from, to Step) (*Transaction, error)
	// ReplaceTransaction stores t if the stored version is still t.Version, and
	// increments t.Version. It returns ErrConflict if the version is another and
	// ErrNotFound if there is none.
	ReplaceTransaction(ctx context.Context, t *Transaction) error
	// DeleteTransaction removes the transaction. One that is gone is no error.
	DeleteTransaction(ctx context.Context, key credential.Hash) error

	// CreateGrant stores g as version 1 and sets g.Version, or returns ErrExists
	// if there is one with its id that has not expired, one that has ended too.
	CreateGrant(ctx context.Context, g *Grant) error
	// Grant returns the grant with that id, one that has ended too, or
	// ErrNotFound.
	Grant(ctx context.Context, id string) (*Grant, error)
	// ReplaceGrant stores g if the stored version is still g.Version, and
	// increments g.Version. It returns ErrConflict if the version is another and
	// ErrNotFound if there is none.
	ReplaceGrant(ctx context.Context, g *Grant) error
	// GrantsOf yields the ids of the client's grants that have something left to
	// end, see Grant.Standing, in no order. It may lag behind: read the grant
	// again.
	GrantsOf(ctx context.Context, clientID string) iter.Seq2[string, error]
	// ListGrants yields all grants that have not expired, in no order. It reads
	// the whole store, page by page, and is for operators.
	ListGrants(ctx context.Context) iter.Seq2[*Grant, error]

	// PutConsent stores c, in place of one with its key. A PutConsent that is
	// sent twice stores c twice, whatever was done in between.
	PutConsent(ctx context.Context, c *Consent) error
	// Consent returns the consent with that key, or ErrNotFound.
	Consent(ctx context.Context, key string) (*Consent, error)
	// DeleteConsent removes the consent. One that is gone is no error.
	DeleteConsent(ctx context.Context, key string) error
}
