package records

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// The methods in this file implement broker.InitialAccessTokens, whose comments
// are their contract.

func (s *Store) CreateInitialAccessToken(ctx context.Context, t *credential.InitialAccessToken) error {
	return create(ctx, s, "CreateInitialAccessToken", accessTokens, t)
}

func (s *Store) InitialAccessToken(ctx context.Context, id string) (*credential.InitialAccessToken, error) {
	return read(ctx, s, "InitialAccessToken", accessTokens, id)
}

// UseInitialAccessToken implements broker.InitialAccessTokens. The condition
// refuses a use of an uncounted token, so that nothing is written; the item in
// the refusal then decides.
func (s *Store) UseInitialAccessToken(ctx context.Context, id, member string) error {
	use := memberOf(member)
	out, err := s.write(ctx, "UseInitialAccessToken", accessTokens.name, id, Write{
		Change: &Change{Join: map[string]Member{columnUses: use}},
		If: all(is(columnMaxUses, Has, nil), is(columnRevoked, Lacks, nil),
			either(is(columnUses, Contains, use), is(columnUses, Lacks, nil), is(columnUses, Fewer, columnMaxUses))),
	})
	switch {
	case errors.Is(err, ErrTooLarge):
		return broker.ErrExhausted
	case err != nil || !out.Refused:
		return err
	case out.Item == nil:
		return broker.ErrNotFound
	case out.Item[columnMaxUses] != nil, out.Item[columnRevoked] != nil:
		return broker.ErrExhausted
	}
	return nil // its uses are not counted
}

func (s *Store) ReturnInitialAccessToken(ctx context.Context, id, member string) error {
	return s.leave(ctx, "ReturnInitialAccessToken", accessTokens.name, id, columnUses, member)
}

func (s *Store) RevokeInitialAccessToken(ctx context.Context, id string, at time.Time) error {
	out, err := s.write(ctx, "RevokeInitialAccessToken", accessTokens.name, id, Write{
		Change: &Change{Default: Item{columnRevoked: at.Unix()}}, If: present,
	})
	if err == nil && out.Refused {
		return broker.ErrNotFound
	}
	return err
}

func (s *Store) ListInitialAccessTokens(ctx context.Context) iter.Seq2[*credential.InitialAccessToken, error] {
	return list(ctx, s, "ListInitialAccessTokens", accessTokens, inDueIndex(dueToken))
}
