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
	return create(ctx, s, "CreateRegistration", registrations, r.ClientID, r, &r.Version)
}

func (s *Store) Registration(ctx context.Context, clientID string) (*broker.Registration, error) {
	return read(ctx, s, "Registration", registrations, clientID)
}

func (s *Store) ReplaceRegistration(ctx context.Context, r *broker.Registration) error {
	return replace(ctx, s, "ReplaceRegistration", registrations, r.ClientID, r, &r.Version, nil, sameGeneration(r))
}

func (s *Store) RetireRegistration(ctx context.Context, r *broker.Registration) error {
	unused := is(columnLastUse, Lacks, nil)
	if !r.LastUsedAt.IsZero() {
		unused = is(columnLastUse, Equal, r.LastUsedAt.Unix())
	}
	return replace(ctx, s, "RetireRegistration", registrations, r.ClientID, r, &r.Version, nil, sameGeneration(r), unused)
}

func (s *Store) RenewRegistration(ctx context.Context, r *broker.Registration, generation string) error {
	renewed := r.Clone()
	renewed.Generation, renewed.LastUsedAt = generation, time.Time{}
	err := replace(ctx, s, "RenewRegistration", registrations, r.ClientID, renewed, &renewed.Version, []string{columnLastUse}, sameGeneration(r))
	if err == nil {
		r.Generation, r.LastUsedAt, r.Version = renewed.Generation, renewed.LastUsedAt, renewed.Version
	}
	return err
}

func sameGeneration(r *broker.Registration) Condition {
	return is(columnGeneration, Equal, r.Generation)
}

func (s *Store) DeleteRegistration(ctx context.Context, clientID, generation string) error {
	_, err := remove(ctx, s, "DeleteRegistration", registrations.name, clientID, either(absent, is(columnGeneration, Equal, generation)))
	return err
}

func (s *Store) TouchRegistration(ctx context.Context, clientID, generation string, at time.Time) error {
	const op = "TouchRegistration"
	key, ok := keyOf(registrations.name, clientID)
	if !ok {
		return broker.ErrNotFound
	}
	out, err := s.table.Write(ctx, op, Write{
		Key:    key,
		Change: &Change{Set: Item{columnLastUse: at.Unix()}},
		If: all(present, is(columnGeneration, Equal, generation), live,
			either(is(columnLastUse, Lacks, nil), is(columnLastUse, Less, at.Unix()))),
	})
	if err != nil || !out.Refused {
		return err
	}
	if out.Item == nil || expired(out.Item, s.now().Unix()) || out.Item[columnGeneration] != generation {
		return broker.ErrNotFound
	}
	return nil // a later use is recorded
}

func (s *Store) ListRegistrations(ctx context.Context) iter.Seq2[*broker.Registration, error] {
	return list(ctx, s, "ListRegistrations", registrations, Query{Index: DueIndex, Partitions: allShards(string(broker.DueRegistration))})
}

func (s *Store) ListAllRegistrations(ctx context.Context) iter.Seq2[*broker.Registration, error] {
	return list(ctx, s, "ListAllRegistrations", registrations, Query{Kinds: []string{registrations.name}})
}

// remove deletes an item that meets the condition. An id that is not a valid
// key is that of no item.
func remove(ctx context.Context, s *Store, op, kind, id string, condition Condition) (Outcome, error) {
	key, ok := keyOf(kind, id)
	if !ok {
		return Outcome{}, nil
	}
	return s.table.Write(ctx, op, Write{Key: key, Delete: true, If: condition})
}

func (s *Store) CreateAppClient(ctx context.Context, a *broker.AppClient) error {
	return create(ctx, s, "CreateAppClient", appClients, a.Key, a, &a.Version)
}

func (s *Store) AppClient(ctx context.Context, key string) (*broker.AppClient, error) {
	return read(ctx, s, "AppClient", appClients, key)
}

func (s *Store) ReplaceAppClient(ctx context.Context, a *broker.AppClient) error {
	return replace(ctx, s, "ReplaceAppClient", appClients, a.Key, a, &a.Version, nil)
}

func (s *Store) DeleteAppClient(ctx context.Context, key string, version int64) error {
	out, err := remove(ctx, s, "DeleteAppClient", appClients.name, key, either(absent, is(columnVersion, Equal, version)))
	if err == nil && out.Refused {
		return broker.ErrConflict
	}
	return err
}

func (s *Store) AppClientKeys(ctx context.Context) iter.Seq2[string, error] {
	return ids(s.table.Query(ctx, "AppClientKeys", Query{Index: DueIndex, Partitions: allShards(string(broker.DueAppClient))}), appClients.name)
}

// ids yields the ids of the items of one kind, and an error for an item of
// another kind.
func ids(items iter.Seq2[Item, error], kind string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for it, err := range items {
			id := ""
			if err == nil {
				id, err = idOf(it, kind)
			}
			if !yield(id, err) || err != nil {
				return
			}
		}
	}
}
