package broker

import (
	"context"
	"errors"
	"fmt"
)

// GrantEnder ends grants, in brokered mode: after that a grant yields no
// tokens, and its refresh token at Cognito is revoked. A call that returned an
// error can be repeated, and then does what is left to do. Implementations are
// safe for concurrent use.
type GrantEnder interface {
	// EndOfClient ends the grants of a client, or only those of the generations for
	// which over returns true; nil is all. It returns the number of grants that it
	// has ended, even with an error, and stops when ctx ends.
	EndOfClient(ctx context.Context, clientID string, over Over) (int, error)
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

// Over reports whether a generation of a client's registration is over.
type Over func(ctx context.Context, generation string) (bool, error)

// OverGenerations returns the Over of a client, which reads the registration when it
// is asked about a generation for the first time. A generation that is over never
// comes back. So a client that registers again or is enabled while its grants are
// being ended keeps the new ones, although the caller knows nothing of them.
func OverGenerations(store Registrations, clientID string) Over {
	known := make(map[string]bool)
	return func(ctx context.Context, generation string) (bool, error) {
		if known[generation] {
			return true, nil
		}
		r, err := store.Registration(ctx, clientID)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return false, fmt.Errorf("read registration %s: %w", clientID, err)
		}
		known[generation] = err != nil || r.Generation != generation || r.State != RegistrationActive && r.State != RegistrationPending
		return known[generation], nil
	}
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
func (n NoGrants) EndOfClient(context.Context, string, Over) (int, error) { return 0, n.Err }

// EndOfUser implements GrantEnder.
func (n NoGrants) EndOfUser(context.Context, string) (int, error) { return 0, n.Err }

// EndSignIn implements GrantEnder.
func (n NoGrants) EndSignIn(context.Context, string) (bool, error) { return false, n.Err }

// EndByID implements GrantEnder.
func (n NoGrants) EndByID(context.Context, string) error { return n.Err }
