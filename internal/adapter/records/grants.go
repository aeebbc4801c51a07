package records

import (
	"context"
	"iter"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// The methods in this file implement broker.GrantStore, whose comments are their
// contract.

func (s *Store) CreateTransaction(ctx context.Context, t *broker.Transaction) error {
	return create(ctx, s, "CreateTransaction", transactions, t.Key.String(), t, &t.Version)
}

func (s *Store) Transaction(ctx context.Context, key credential.Hash) (*broker.Transaction, error) {
	return read(ctx, s, "Transaction", transactions, key.String())
}

// TakeStep implements broker.GrantStore. It does not know the new version in
// advance, so it stores its write id under the name of the step.
func (s *Store) TakeStep(ctx context.Context, key credential.Hash, from, to broker.Step) (*broker.Transaction, error) {
	k, _ := keyOf(transactions.name, key.String())
	write, taken := newWriteID(), "taken_"+string(to)
	out, err := s.table.Write(ctx, "TakeStep", Write{
		Key:    k,
		Change: &Change{Set: Item{columnStep: string(to), taken: write}, Increment: []string{columnVersion}},
		If:     all(present, is(columnStep, Equal, string(from)), live),
		Return: true,
	})
	switch {
	case err != nil:
		return nil, err
	case !out.Refused, madeBy(out.Item, taken, write):
		return transactions.record(out.Item)
	case out.Item == nil, expired(out.Item, s.now().Unix()):
		return nil, broker.ErrNotFound
	}
	return nil, broker.ErrConflict
}

func (s *Store) ReplaceTransaction(ctx context.Context, t *broker.Transaction) error {
	return replace(ctx, s, "ReplaceTransaction", transactions, t.Key.String(), t, &t.Version, nil)
}

// DeleteTransaction implements broker.GrantStore. A key is random, so a repeated
// deletion cannot delete another transaction.
func (s *Store) DeleteTransaction(ctx context.Context, key credential.Hash) error {
	_, err := remove(ctx, s, "DeleteTransaction", transactions.name, key.String(), Condition{})
	return err
}

func (s *Store) CreateGrant(ctx context.Context, g *broker.Grant) error {
	return create(ctx, s, "CreateGrant", grants, g.ID, g, &g.Version)
}

func (s *Store) Grant(ctx context.Context, id string) (*broker.Grant, error) {
	return read(ctx, s, "Grant", grants, id)
}

func (s *Store) ReplaceGrant(ctx context.Context, g *broker.Grant) error {
	return replace(ctx, s, "ReplaceGrant", grants, g.ID, g, &g.Version, nil)
}

func (s *Store) GrantsOf(ctx context.Context, clientID string) iter.Seq2[string, error] {
	return ids(s.table.Query(ctx, "GrantsOf", Query{Index: ClientIndex, Partitions: partitions(clientID, allShards)}), grants.name)
}

func (s *Store) ListGrants(ctx context.Context) iter.Seq2[*broker.Grant, error] {
	return list(ctx, s, "ListGrants", grants, Query{Kinds: []string{grants.name}})
}

func (s *Store) OfUser(ctx context.Context, sub string) iter.Seq2[broker.UserRecord, error] {
	return func(yield func(broker.UserRecord, error) bool) {
		one := func(sub string) []string { return []string{sub} }
		for it, err := range s.table.Query(ctx, "OfUser", Query{Index: UserIndex, Partitions: partitions(sub, one)}) {
			var r broker.UserRecord
			switch key, _ := it[ColumnKey].(string); {
			case err != nil:
			case KindOf(key) == consents.name:
				r.Consent, err = idOf(it, consents.name)
			default:
				r.Grant, err = idOf(it, grants.name)
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

func (s *Store) CreateTokens(ctx context.Context, t *broker.SealedTokens) error {
	return create(ctx, s, "CreateTokens", sealedTokens, t.ID, t, &t.Version)
}

func (s *Store) Tokens(ctx context.Context, id string) (*broker.SealedTokens, error) {
	return read(ctx, s, "Tokens", sealedTokens, id)
}

func (s *Store) ReplaceTokens(ctx context.Context, t *broker.SealedTokens) error {
	return replace(ctx, s, "ReplaceTokens", sealedTokens, t.ID, t, &t.Version, nil)
}

func (s *Store) DeleteTokens(ctx context.Context, id string) error {
	_, err := remove(ctx, s, "DeleteTokens", sealedTokens.name, id, Condition{})
	return err
}

func (s *Store) PutConsent(ctx context.Context, c *broker.Consent) error {
	_, err := put(ctx, s, "PutConsent", consents, c.Key, c, Condition{})
	return err
}

func (s *Store) Consent(ctx context.Context, key string) (*broker.Consent, error) {
	return read(ctx, s, "Consent", consents, key)
}

func (s *Store) DeleteConsent(ctx context.Context, key string) error {
	_, err := remove(ctx, s, "DeleteConsent", consents.name, key, Condition{})
	return err
}
