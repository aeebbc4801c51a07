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
	return create(ctx, s, "CreateInitialAccessToken", accessTokens, t.ID, t, nil)
}

func (s *Store) InitialAccessToken(ctx context.Context, id string) (*credential.InitialAccessToken, error) {
	return read(ctx, s, "InitialAccessToken", accessTokens, id)
}

// UseInitialAccessToken implements broker.InitialAccessTokens. The condition
// refuses a use of an uncounted token, so that nothing is written; the item in
// the refusal then decides.
func (s *Store) UseInitialAccessToken(ctx context.Context, id, user string) error {
	const op = "UseInitialAccessToken"
	key, ok := keyOf(accessTokens.name, id)
	if !ok {
		return broker.ErrNotFound
	}
	use := member(user)
	out, err := s.table.Write(ctx, op, Write{
		Key:    key,
		Change: &Change{Join: map[string]Member{columnUses: use}},
		If: all(present, is(columnMaxUses, Has, nil), is(columnRevoked, Lacks, nil),
			either(is(columnUses, Contains, use), is(columnUses, Lacks, nil), is(columnUses, Fewer, columnMaxUses))),
	})
	switch {
	case errors.Is(err, ErrTooLarge):
		return broker.ErrExhausted
	case err != nil || !out.Refused:
		return err
	case out.Item == nil:
		return broker.ErrNotFound
	}
	t, err := accessTokens.record(out.Item)
	if err != nil {
		return err
	}
	if t.MaxUses > 0 || !t.RevokedAt.IsZero() {
		return broker.ErrExhausted
	}
	return nil
}

func (s *Store) ReturnInitialAccessToken(ctx context.Context, id, user string) error {
	return s.leave(ctx, "ReturnInitialAccessToken", accessTokens.name, id, columnUses, user)
}

// leave removes a member from a set of an item.
func (s *Store) leave(ctx context.Context, op, kind, id, column, text string) error {
	key, ok := keyOf(kind, id)
	if !ok {
		return nil
	}
	_, err := s.table.Write(ctx, op, Write{Key: key, Change: &Change{Leave: map[string]Member{column: member(text)}}, If: present})
	return err
}

func (s *Store) RevokeInitialAccessToken(ctx context.Context, id string, at time.Time) error {
	key, ok := keyOf(accessTokens.name, id)
	if !ok {
		return broker.ErrNotFound
	}
	out, err := s.table.Write(ctx, "RevokeInitialAccessToken", Write{
		Key: key, Change: &Change{Default: Item{columnRevoked: at.Unix()}}, If: present,
	})
	if err == nil && out.Refused {
		return broker.ErrNotFound
	}
	return err
}

func (s *Store) ListInitialAccessTokens(ctx context.Context) iter.Seq2[*credential.InitialAccessToken, error] {
	return list(ctx, s, "ListInitialAccessTokens", accessTokens, Query{Index: DueIndex, Partitions: allShards(string(dueToken))})
}
