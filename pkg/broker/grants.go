package broker

import "context"

// GrantEnder ends what users have allowed clients, in brokered mode. A grant that
// has been ended yields nothing from then on, and Cognito's refresh token is
// revoked. All can be repeated after an error, and then do what was left undone.
// Implementations are safe for concurrent use.
type GrantEnder interface {
	// EndOfClient ends the grants of a client but those of the generation keep,
	// which may be empty. It returns how many it has ended, also with an error,
	// and stops when ctx ends.
	EndOfClient(ctx context.Context, clientID, keep string) (int, error)
	// EndOfUser ends the grants of a user, by sub. It reads all grants.
	EndOfUser(ctx context.Context, sub string) (int, error)
	// End ends one grant, or returns ErrNotFound.
	End(ctx context.Context, id string) error
}
