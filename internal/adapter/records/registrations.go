package records

import (
	"context"
	"iter"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// The methods in this file implement broker.Registrations and
// broker.AppClientRecords, whose comments are their contract.

func (s *Store) CreateRegistration(ctx context.Context, r *broker.Registration) error {
	return create(ctx, s, "CreateRegistration", registrations, r)
}

func (s *Store) Registration(ctx context.Context, clientID string) (*broker.Registration, error) {
	return read(ctx, s, "Registration", registrations, clientID)
}

func (s *Store) ReplaceRegistration(ctx context.Context, r *broker.Registration) error {
	return replace(ctx, s, "ReplaceRegistration", registrations, r, nil, is(columnGeneration, Equal, r.Generation))
}

func (s *Store) RetireRegistration(ctx context.Context, r *broker.Registration) error {
	unused := is(columnLastUse, Lacks, nil)
	if !r.LastUsedAt.IsZero() {
		unused = is(columnLastUse, Equal, r.LastUsedAt.Unix())
	}
	return replace(ctx, s, "RetireRegistration", registrations, r, nil, is(columnGeneration, Equal, r.Generation), unused)
}

func (s *Store) RenewRegistration(ctx context.Context, r *broker.Registration, generation string) error {
	renewed := r.Clone()
	renewed.Generation, renewed.LastUsedAt = generation, time.Time{}
	err := replace(ctx, s, "RenewRegistration", registrations, renewed, []string{columnLastUse}, is(columnGeneration, Equal, r.Generation))
	if err == nil {
		r.Generation, r.LastUsedAt, r.Version = renewed.Generation, renewed.LastUsedAt, renewed.Version
	}
	return err
}

func (s *Store) DeleteRegistration(ctx context.Context, clientID, generation string) error {
	_, err := s.remove(ctx, "DeleteRegistration", registrations.name, clientID, is(columnGeneration, Equal, generation))
	return err
}

func (s *Store) TouchRegistration(ctx context.Context, clientID, generation string, at time.Time) error {
	out, err := s.write(ctx, "TouchRegistration", registrations.name, clientID, Write{
		Change: &Change{Set: Item{columnLastUse: at.Unix()}},
		If: all(is(columnGeneration, Equal, generation), live,
			either(is(columnLastUse, Lacks, nil), is(columnLastUse, Less, at.Unix()))),
	})
	if err == nil && out.Refused && (absentAt(out.Item, s.now()) || out.Item[columnGeneration] != generation) {
		return broker.ErrNotFound
	}
	return err // if it was refused, a later use is recorded
}

func (s *Store) ListRegistrations(ctx context.Context) iter.Seq2[*broker.Registration, error] {
	return list(ctx, s, "ListRegistrations", registrations, inDueIndex(broker.DueRegistration))
}

func (s *Store) ListAllRegistrations(ctx context.Context) iter.Seq2[*broker.Registration, error] {
	return list(ctx, s, "ListAllRegistrations", registrations, Query{Prefixes: []string{registrations.name}})
}

func (s *Store) CreateAppClient(ctx context.Context, a *broker.AppClient) error {
	return create(ctx, s, "CreateAppClient", appClients, a)
}

func (s *Store) AppClient(ctx context.Context, key string) (*broker.AppClient, error) {
	return read(ctx, s, "AppClient", appClients, key)
}

func (s *Store) ReplaceAppClient(ctx context.Context, a *broker.AppClient) error {
	return replace(ctx, s, "ReplaceAppClient", appClients, a, nil)
}

func (s *Store) DeleteAppClient(ctx context.Context, key string, version int64) error {
	return s.removeVersion(ctx, "DeleteAppClient", appClients.name, key, version)
}

func (s *Store) AppClientKeys(ctx context.Context) iter.Seq2[string, error] {
	return ids(s.table.Query(ctx, "AppClientKeys", inDueIndex(broker.DueAppClient)), appClients.name)
}

// ids yields the ids of items of one kind.
func ids(items iter.Seq2[Item, error], kind string) iter.Seq2[string, error] {
	return each(items, func(it Item) (string, error) { return idOf(it, kind) })
}
