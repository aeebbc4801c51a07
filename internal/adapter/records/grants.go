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
	return create(ctx, s, "CreateTransaction", transactions, t)
}

func (s *Store) Transaction(ctx context.Context, key credential.Hash) (*broker.Transaction, error) {
	return read(ctx, s, "Transaction", transactions, key.String())
}

// TakeStep implements broker.GrantStore. It does not know the new version in
// advance, so it stores its write id under the name of the step.
func (s *Store) TakeStep(ctx context.Context, key credential.Hash, from, to broker.Step) (*broker.Transaction, error) {
	write, taken := newWriteID(), "taken_"+string(to)
	out, err := s.write(ctx, "TakeStep", transactions.name, key.String(), Write{
		Change: &Change{Set: Item{columnStep: string(to), taken: write}, Increment: []string{columnVersion}},
		If:     all(is(columnStep, Equal, string(from)), live),
		Return: true,
	})
	switch {
	case err != nil:
		return nil, err
	case !out.Refused, madeBy(out.Item, taken, write):
		return transactions.record(out.Item)
	case absentAt(out.Item, s.now()):
		return nil, broker.ErrNotFound
	}
	return nil, broker.ErrConflict
}

func (s *Store) ReplaceTransaction(ctx context.Context, t *broker.Transaction) error {
	return replace(ctx, s, "ReplaceTransaction", transactions, t, nil)
}

func (s *Store) LeftTransaction(ctx context.Context, key string) (*broker.Transaction, error) {
	if !isKey(transactions.name + key) {
		return nil, broker.ErrNotFound
	}
	it, err := s.table.Get(ctx, "LeftTransaction", transactions.name+key)
	if err != nil {
		return nil, err
	}
	if it == nil {
		return nil, broker.ErrNotFound
	}
	return transactions.record(it)
}

// DeleteTransaction implements broker.GrantStore. A key is random, so a repeated
// deletion cannot delete another transaction.
func (s *Store) DeleteTransaction(ctx context.Context, key credential.Hash) error {
	_, err := s.remove(ctx, "DeleteTransaction", transactions.name, key.String(), Condition{})
	return err
}

func (s *Store) CreateGrant(ctx context.Context, g *broker.Grant) error {
	return create(ctx, s, "CreateGrant", grants, g)
}

func (s *Store) Grant(ctx context.Context, id string) (*broker.Grant, error) {
	return read(ctx, s, "Grant", grants, id)
}

func (s *Store) ReplaceGrant(ctx context.Context, g *broker.Grant) error {
	return replace(ctx, s, "ReplaceGrant", grants, g, nil)
}

func (s *Store) GrantsOf(ctx context.Context, clientID string) iter.Seq2[string, error] {
	return ids(s.table.Query(ctx, "GrantsOf", Query{Index: clientIndex, Partitions: allShards(clientID)}), grants.name)
}

func (s *Store) ListGrants(ctx context.Context) iter.Seq2[*broker.Grant, error] {
	return list(ctx, s, "ListGrants", grants, Query{Prefixes: []string{grants.name}})
}

func (s *Store) OfUser(ctx context.Context, sub string) iter.Seq2[broker.UserRecord, error] {
	items := s.table.Query(ctx, "OfUser", Query{Index: userIndex, Partitions: valid(sub)})
	return each(items, func(it Item) (r broker.UserRecord, err error) {
		if r.Consent, err = idOf(it, consents.name); err != nil {
			r.Grant, err = idOf(it, grants.name)
		}
		return r, err
	})
}

func (s *Store) CreateTokens(ctx context.Context, t *broker.SealedTokens) error {
	return create(ctx, s, "CreateTokens", sealedTokens, t)
}

func (s *Store) Tokens(ctx context.Context, id string) (*broker.SealedTokens, error) {
	return read(ctx, s, "Tokens", sealedTokens, id)
}

func (s *Store) ReplaceTokens(ctx context.Context, t *broker.SealedTokens) error {
	return replace(ctx, s, "ReplaceTokens", sealedTokens, t, nil)
}

func (s *Store) DeleteTokens(ctx context.Context, id string, version int64) error {
	return s.removeVersion(ctx, "DeleteTokens", sealedTokens.name, id, version)
}

func (s *Store) PutConsent(ctx context.Context, c *broker.Consent) error {
	_, err := put(ctx, s, "PutConsent", consents, c, Condition{})
	return err
}

func (s *Store) Consent(ctx context.Context, key string) (*broker.Consent, error) {
	return read(ctx, s, "Consent", consents, key)
}

func (s *Store) DeleteConsent(ctx context.Context, key string) error {
	_, err := s.remove(ctx, "DeleteConsent", consents.name, key, Condition{})
	return err
}

func (s *Store) PutMachineToken(ctx context.Context, t *broker.MachineToken) error {
	_, err := put(ctx, s, "PutMachineToken", machines, t, Condition{})
	return err
}

func (s *Store) MachineToken(ctx context.Context, id string) (*broker.MachineToken, error) {
	return read(ctx, s, "MachineToken", machines, id)
}
