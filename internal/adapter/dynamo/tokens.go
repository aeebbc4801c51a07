package dynamo

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

const kindToken = "iat"

// CreateInitialAccessToken implements broker.InitialAccessTokens. Tokens have
// no TTL: registrations refer to them, and an operator may look up who made one
// long after it expired.
func (s *Store) CreateInitialAccessToken(ctx context.Context, t *credential.InitialAccessToken) error {
	const op = "create initial access token"
	k, ok := key(kindToken, t.ID)
	if !ok {
		return errKey(op)
	}
	return s.create(ctx, op, tokenItem(k, t), isAbsent, nil)
}

// InitialAccessToken implements broker.InitialAccessTokens.
func (s *Store) InitialAccessToken(ctx context.Context, id string) (*credential.InitialAccessToken, error) {
	k, ok := key(kindToken, id)
	if !ok {
		return nil, broker.ErrNotFound
	}
	it, err := s.get(ctx, "read initial access token", k)
	if err != nil {
		return nil, err
	}
	if it == nil {
		return nil, broker.ErrNotFound
	}
	return readToken(it)
}

// UseInitialAccessToken implements broker.InitialAccessTokens. The condition
// refuses a use of an uncounted token, so that nothing is written; the item in
// the refusal then decides.
func (s *Store) UseInitialAccessToken(ctx context.Context, id, member string) error {
	k, ok := key(kindToken, id)
	if !ok {
		return broker.ErrNotFound
	}
	out, err := s.update(ctx, "use initial access token", k, "ADD #uses :use",
		isPresent+" AND attribute_exists(#max_uses) AND attribute_not_exists(#revoked_at)"+
			" AND (contains(#uses, :member) OR attribute_not_exists(#uses) OR size(#uses) < #max_uses)",
		item{":use": set(member), ":member": str(member)})
	if err != nil || !out.refused {
		return err
	}
	if out.old == nil {
		return broker.ErrNotFound
	}
	t, err := readToken(out.old)
	if err != nil {
		return err
	}
	if t.MaxUses > 0 || !t.RevokedAt.IsZero() {
		return broker.ErrExhausted
	}
	return nil
}

// ReturnInitialAccessToken implements broker.InitialAccessTokens.
func (s *Store) ReturnInitialAccessToken(ctx context.Context, id, member string) error {
	k, ok := key(kindToken, id)
	if !ok {
		return nil
	}
	_, err := s.update(ctx, "return initial access token", k, "DELETE #uses :use", isPresent,
		item{":use": set(member)})
	return err
}

// RevokeInitialAccessToken implements broker.InitialAccessTokens.
func (s *Store) RevokeInitialAccessToken(ctx context.Context, id string, at time.Time) error {
	k, ok := key(kindToken, id)
	if !ok {
		return broker.ErrNotFound
	}
	out, err := s.update(ctx, "revoke initial access token", k,
		"SET #revoked_at = if_not_exists(#revoked_at, :at)", isPresent, item{":at": num(at.Unix())})
	if err != nil {
		return err
	}
	if out.refused {
		return broker.ErrNotFound
	}
	return nil
}

// ListInitialAccessTokens implements broker.InitialAccessTokens.
func (s *Store) ListInitialAccessTokens(ctx context.Context) iter.Seq2[*credential.InitialAccessToken, error] {
	return readAll(s.scan(ctx, "list initial access tokens", kindToken, "", item{}), readToken)
}

func tokenItem(k string, t *credential.InitialAccessToken) item {
	it := newItem(kindToken, k)
	it["id"] = str(t.ID)
	it["hash"] = str(t.Hash.String())
	it["profile"] = str(t.Profile)
	putString(it, "label", t.Label)
	putString(it, "created_by", t.CreatedBy)
	putTime(it, attrCreatedAt, t.CreatedAt)
	putTime(it, attrExpiresAt, t.ExpiresAt)
	putTime(it, "revoked_at", t.RevokedAt)
	if t.MaxUses > 0 {
		it["max_uses"] = num(t.MaxUses)
	}
	if len(t.Uses) > 0 {
		it["uses"] = set(slices.Compact(slices.Sorted(slices.Values(t.Uses)))...)
	}
	return it
}

func readToken(it item) (*credential.InitialAccessToken, error) {
	from := read(kindToken, it)
	t := &credential.InitialAccessToken{
		ID:        from.string("id"),
		Hash:      from.hash("hash"),
		Label:     from.optionalString("label"),
		Profile:   from.string("profile"),
		CreatedBy: from.optionalString("created_by"),
		CreatedAt: from.time(attrCreatedAt),
		ExpiresAt: from.time(attrExpiresAt),
		RevokedAt: from.time("revoked_at"),
		MaxUses:   int(from.optionalInt("max_uses")),
		Uses:      from.set("uses"),
	}
	if from.err != nil {
		return nil, from.err
	}
	return t, nil
}
