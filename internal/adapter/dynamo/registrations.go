package dynamo

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

const kindRegistration = "registration"

// optionalOfRegistration are the optional attributes of a registration that a
// replacement replaces. last_used_at is not one of them.
var optionalOfRegistration = []string{
	"initial_access_token", "created_by", "issued_at", "active_since", attrExpiresAt, attrTTL, attrDue, attrDueAt, "stale",
	"access_token", "next_access_token", "secret", "app_client",
}

// CreateRegistration implements broker.Registrations.
func (s *Store) CreateRegistration(ctx context.Context, r *broker.Registration) error {
	const op = "create registration"
	k, ok := key(kindRegistration, r.ClientID)
	if !ok {
		return errKey(op)
	}
	it, err := registrationItem(k, r)
	if err != nil {
		return fmt.Errorf("dynamodb: %s: %w", op, err)
	}
	putTime(it, "last_used_at", r.LastUsedAt)
	values := item{":now": num(s.now().Unix())}
	if err := s.create(ctx, op, it, isAbsent+" OR "+isExpired, values); err != nil {
		return err
	}
	r.Version = 1
	return nil
}

// Registration implements broker.Registrations.
func (s *Store) Registration(ctx context.Context, clientID string) (*broker.Registration, error) {
	k, ok := key(kindRegistration, clientID)
	if !ok {
		return nil, broker.ErrNotFound
	}
	it, err := s.get(ctx, "read registration", k)
	if err != nil {
		return nil, err
	}
	if it == nil || expired(it, s.now().Unix()) {
		return nil, broker.ErrNotFound
	}
	return readRegistration(it)
}

// ReplaceRegistration implements broker.Registrations.
func (s *Store) ReplaceRegistration(ctx context.Context, r *broker.Registration) error {
	return s.replaceRegistration(ctx, "replace registration", r, optionalOfRegistration, sameGeneration(r))
}

// RetireRegistration implements broker.Registrations.
func (s *Store) RetireRegistration(ctx context.Context, r *broker.Registration) error {
	unused := guard{"attribute_not_exists(#last_used_at)", nil}
	if !r.LastUsedAt.IsZero() {
		unused = guard{"#last_used_at = :last_used_at", item{":last_used_at": num(r.LastUsedAt.Unix())}}
	}
	return s.replaceRegistration(ctx, "retire registration", r, optionalOfRegistration, sameGeneration(r), unused)
}

// RenewRegistration implements broker.Registrations.
func (s *Store) RenewRegistration(ctx context.Context, r *broker.Registration, generation string) error {
	renewed := r.Clone()
	renewed.Generation, renewed.LastUsedAt = generation, time.Time{}
	optional := append(slices.Clone(optionalOfRegistration), "last_used_at")
	if err := s.replaceRegistration(ctx, "renew registration", renewed, optional, sameGeneration(r)); err != nil {
		return err
	}
	r.Generation, r.LastUsedAt, r.Version = renewed.Generation, renewed.LastUsedAt, renewed.Version
	return nil
}

func sameGeneration(r *broker.Registration) guard {
	return guard{"#generation = :generation", item{":generation": str(r.Generation)}}
}

func (s *Store) replaceRegistration(ctx context.Context, op string, r *broker.Registration, optional []string, guards ...guard) error {
	k, ok := key(kindRegistration, r.ClientID)
	if !ok {
		return broker.ErrNotFound
	}
	it, err := registrationItem(k, r)
	if err != nil {
		return fmt.Errorf("dynamodb: %s: %w", op, err)
	}
	if err := s.replace(ctx, op, it, optional, r.Version, guards...); err != nil {
		return err
	}
	r.Version++
	return nil
}

// DeleteRegistration implements broker.Registrations.
func (s *Store) DeleteRegistration(ctx context.Context, clientID, generation string) error {
	k, ok := key(kindRegistration, clientID)
	if !ok {
		return nil
	}
	_, err := s.remove(ctx, "delete registration", k, isAbsent+" OR #generation = :generation",
		item{":generation": str(generation)})
	return err
}

// TouchRegistration implements broker.Registrations.
func (s *Store) TouchRegistration(ctx context.Context, clientID, generation string, at time.Time) error {
	k, ok := key(kindRegistration, clientID)
	if !ok {
		return broker.ErrNotFound
	}
	now := s.now().Unix()
	out, err := s.update(ctx, "touch registration", k, "SET #last_used_at = :at",
		isPresent+" AND #generation = :generation AND "+isLive+
			" AND (attribute_not_exists(#last_used_at) OR #last_used_at < :at)",
		item{":at": num(at.Unix()), ":generation": str(generation), ":now": num(now)})
	if err != nil || !out.refused {
		return err
	}
	if out.old == nil || expired(out.old, now) {
		return broker.ErrNotFound
	}
	old, err := readRegistration(out.old)
	if err != nil {
		return err
	}
	if old.Generation != generation {
		return broker.ErrNotFound
	}
	return nil // a later use is recorded
}

// ListRegistrations implements broker.Registrations.
func (s *Store) ListRegistrations(ctx context.Context) iter.Seq2[*broker.Registration, error] {
	values := item{":now": num(s.now().Unix())}
	return readAll(s.scan(ctx, "list registrations", kindRegistration, " AND "+isLive, values), readRegistration)
}

// registrationItem returns r as attributes, without the last use and without
// those that create and replace add. A registration that owns an app client has
// no TTL: if DynamoDB removed it, the broker could no longer find the app
// client.
func registrationItem(k string, r *broker.Registration) (item, error) {
	metadata, err := json.Marshal(r.Metadata)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	it := newItem(kindRegistration, k)
	it["client_id"] = str(r.ClientID)
	it["generation"] = str(r.Generation)
	it["mode"] = str(string(r.Mode))
	it["state"] = str(string(r.State))
	it["profile"] = str(r.Profile)
	it["metadata"] = str(string(metadata))
	putString(it, "initial_access_token", string(r.Voucher))
	putText(it, "created_by", r.CreatedBy)
	putString(it, "app_client", r.AppClient)
	putHash(it, "access_token", r.AccessTokens.Current)
	putHash(it, "next_access_token", r.AccessTokens.Next)
	putHash(it, "secret", r.SecretHash)
	putTime(it, "issued_at", r.IssuedAt)
	putTime(it, "active_since", r.ActiveSince)
	putDue(it, broker.DueRegistration, k, r.Due)
	if r.Stale {
		it["stale"] = boolean(true)
	}
	putTime(it, attrExpiresAt, r.ExpiresAt)
	if r.AppClient == "" {
		putTime(it, attrTTL, r.ExpiresAt)
	}
	return it, nil
}

func readRegistration(it item) (*broker.Registration, error) {
	from := read(kindRegistration, it)
	r := &broker.Registration{
		ClientID:     from.string("client_id"),
		Generation:   from.string("generation"),
		Version:      from.int(attrVersion),
		Mode:         broker.Mode(from.string("mode")),
		State:        broker.RegistrationState(from.string("state")),
		Profile:      from.string("profile"),
		Voucher:      broker.Voucher(from.optionalString("initial_access_token")),
		CreatedBy:    from.optionalText("created_by"),
		IssuedAt:     from.time("issued_at"),
		LastUsedAt:   from.time("last_used_at"),
		ActiveSince:  from.time("active_since"),
		ExpiresAt:    from.time(attrExpiresAt),
		Due:          from.time(attrDueAt),
		Stale:        from.optionalBoolean("stale"),
		AccessTokens: broker.AccessTokens{Current: from.hash("access_token"), Next: from.hash("next_access_token")},
		SecretHash:   from.hash("secret"),
		AppClient:    from.optionalString("app_client"),
	}
	if err := json.Unmarshal([]byte(from.string("metadata")), &r.Metadata); err != nil {
		from.fail("metadata", err)
	}
	if from.err != nil {
		return nil, from.err
	}
	return r, nil
}

// putHash adds an attribute, unless h is the zero hash.
func putHash(it item, name string, h credential.Hash) {
	if !h.IsZero() {
		it[name] = str(h.String())
	}
}

// hash returns an attribute, or the zero hash if there is none.
func (r *reader) hash(name string) credential.Hash {
	if _, ok := r.it[name]; !ok {
		return credential.Hash{}
	}
	h, err := credential.ParseHash(r.string(name))
	if err != nil {
		r.fail(name, err)
	}
	return h
}

// readAll decodes the items of a sequence.
func readAll[T any](items iter.Seq2[item, error], decode func(item) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for it, err := range items {
			var t T
			if err == nil {
				t, err = decode(it)
			}
			if !yield(t, err) {
				return
			}
		}
	}
}
