package fake

import (
	"context"
	"iter"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// FaultyGrants is a grant.Store that fails when it is told to, and counts its
// calls. The names of the methods are those of grant.Store.
type FaultyGrants struct {
	*Faults
	store broker.GrantStore
}

var _ broker.GrantStore = (*FaultyGrants)(nil)

// NewFaultyGrants returns store behind switches that are all off.
func NewFaultyGrants(store broker.GrantStore) *FaultyGrants {
	return &FaultyGrants{
		Faults: NewFaults(
			"CreateTransaction", "Transaction", "TakeStep", "ReplaceTransaction", "DeleteTransaction",
			"CreateGrant", "Grant", "ReplaceGrant", "GrantsOf", "ListGrants",
			"PutConsent", "Consent", "DeleteConsent",
		),
		store: store,
	}
}

// CreateTransaction implements grant.Store.
func (s *FaultyGrants) CreateTransaction(ctx context.Context, t *broker.Transaction) error {
	sent := t.Clone()
	err := s.Do("CreateTransaction", func() error { return s.store.CreateTransaction(ctx, sent) })
	if err == nil {
		t.Version = sent.Version
	}
	return err
}

// Transaction implements grant.Store.
func (s *FaultyGrants) Transaction(ctx context.Context, key credential.Hash) (*broker.Transaction, error) {
	return result(s.Faults, "Transaction", func() (*broker.Transaction, error) { return s.store.Transaction(ctx, key) })
}

// TakeStep implements grant.Store.
func (s *FaultyGrants) TakeStep(ctx context.Context, key credential.Hash, from, to broker.Step) (*broker.Transaction, error) {
	return result(s.Faults, "TakeStep", func() (*broker.Transaction, error) {
		return s.store.TakeStep(ctx, key, from, to)
	})
}

// ReplaceTransaction implements grant.Store.
func (s *FaultyGrants) ReplaceTransaction(ctx context.Context, t *broker.Transaction) error {
	sent := t.Clone()
	err := s.Do("ReplaceTransaction", func() error { return s.store.ReplaceTransaction(ctx, sent) })
	if err == nil {
		t.Version = sent.Version
	}
	return err
}

// DeleteTransaction implements grant.Store.
func (s *FaultyGrants) DeleteTransaction(ctx context.Context, key credential.Hash) error {
	return s.Do("DeleteTransaction", func() error { return s.store.DeleteTransaction(ctx, key) })
}

// CreateGrant implements grant.Store.
func (s *FaultyGrants) CreateGrant(ctx context.Context, g *broker.Grant) error {
	sent := g.Clone()
	err := s.Do("CreateGrant", func() error { return s.store.CreateGrant(ctx, sent) })
	if err == nil {
		g.Version = sent.Version
	}
	return err
}

// Grant implements grant.Store.
func (s *FaultyGrants) Grant(ctx context.Context, id string) (*broker.Grant, error) {
	return result(s.Faults, "Grant", func() (*broker.Grant, error) { return s.store.Grant(ctx, id) })
}

// ReplaceGrant implements grant.Store.
func (s *FaultyGrants) ReplaceGrant(ctx context.Context, g *broker.Grant) error {
	sent := g.Clone()
	err := s.Do("ReplaceGrant", func() error { return s.store.ReplaceGrant(ctx, sent) })
	if err == nil {
		g.Version = sent.Version
	}
	return err
}

// GrantsOf implements grant.Store.
func (s *FaultyGrants) GrantsOf(ctx context.Context, clientID string) iter.Seq2[string, error] {
	return sequence(s.Faults, "GrantsOf", func() iter.Seq2[string, error] { return s.store.GrantsOf(ctx, clientID) })
}

// ListGrants implements grant.Store.
func (s *FaultyGrants) ListGrants(ctx context.Context) iter.Seq2[*broker.Grant, error] {
	return sequence(s.Faults, "ListGrants", func() iter.Seq2[*broker.Grant, error] { return s.store.ListGrants(ctx) })
}

// PutConsent implements grant.Store.
func (s *FaultyGrants) PutConsent(ctx context.Context, c *broker.Consent) error {
	return s.Do("PutConsent", func() error { return s.store.PutConsent(ctx, c) })
}

// Consent implements grant.Store.
func (s *FaultyGrants) Consent(ctx context.Context, key string) (*broker.Consent, error) {
	return result(s.Faults, "Consent", func() (*broker.Consent, error) { return s.store.Consent(ctx, key) })
}

// DeleteConsent implements grant.Store.
func (s *FaultyGrants) DeleteConsent(ctx context.Context, key string) error {
	return s.Do("DeleteConsent", func() error { return s.store.DeleteConsent(ctx, key) })
}
