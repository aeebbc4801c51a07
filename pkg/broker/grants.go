package broker

import (
	"context"
	"errors"
)

// GrantEnder ends grants, in brokered mode: after that a grant yields no
// tokens, and its refresh token at Cognito is revoked. A call that returned an
// error can be repeated, and then does what is left to do. Implementations are
// safe for concurrent use.
type GrantEnder interface {
	// EndOfClient ends the grants of a client, except those of the generation
	// keep, which may be empty. It returns the number of grants that it has
	// ended, even with an error, and stops when ctx ends.
	EndOfClient(ctx context.Context, clientID, keep string) (int, error)
	// EndOfUser ends the grants of the user with that sub and deletes the user's
	// remembered consents. It returns the number of grants that it has ended, even with an error.
	EndOfUser(ctx context.Context, sub string) (int, error)
	// EndByID ends the grant with that id, or returns ErrNotFound.
	EndByID(ctx context.Context, id string) error
	// EndSignIn ends the sign-in of a transaction that is due: if no grant has it,
	// its refresh token at Cognito is revoked. Then it deletes the transaction. key
	// is the key of its DueRecord. It reports whether it has revoked the token.
	EndSignIn(ctx context.Context, key string) (bool, error)
}

// ErrNoGrants means that the deployment is in direct mode, which has no grants.
var ErrNoGrants = errors.New("operator: ending grants needs brokered mode")

// NoGrants is the GrantEnder of direct mode: it ends no grant, and each method
// returns Err. For operators Err is ErrNoGrants. For the janitor it is nil:
// grants from before a change of mode cannot be used in direct mode, and end by
// themselves.
type NoGrants struct{ Err error }

var _ GrantEnder = NoGrants{}

// EndOfClient implements GrantEnder.
func (n NoGrants) EndOfClient(context.Context, string, string) (int, error) { return 0, n.Err }

// EndOfUser implements GrantEnder.
func (n NoGrants) EndOfUser(context.Context, string) (int, error) { return 0, n.Err }

// EndSignIn implements GrantEnder.
func (n NoGrants) EndSignIn(context.Context, string) (bool, error) { return false, n.Err }

// EndByID implements GrantEnder.
func (n NoGrants) EndByID(context.Context, string) error { return n.Err }
