package dynamo

import (
	"context"
	"iter"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

const kindAppClient = "appclient"

var optionalOfAppClient = []string{
	"for", "cognito_id", "abandoned", "initial_access_token", "client_id", "generation", "scopes", "secret", "branded",
	attrCreatedAt, attrDue, attrDueAt,
}

// CreateAppClient implements broker.AppClientRecords.
func (s *Store) CreateAppClient(ctx context.Context, a *broker.AppClient) error {
	const op = "create app client record"
	k, ok := key(kindAppClient, a.Key)
	if !ok {
		return errKey(op)
	}
	if err := s.create(ctx, op, appClientItem(k, a), isAbsent, nil); err != nil {
		return err
	}
	a.Version = 1
	return nil
}

// AppClient implements broker.AppClientRecords.
func (s *Store) AppClient(ctx context.Context, id string) (*broker.AppClient, error) {
	k, ok := key(kindAppClient, id)
	if !ok {
		return nil, broker.ErrNotFound
	}
	it, err := s.get(ctx, "read app client record", k)
	if err != nil {
		return nil, err
	}
	if it == nil {
		return nil, broker.ErrNotFound
	}
	return readAppClient(it)
}

// ReplaceAppClient implements broker.AppClientRecords.
func (s *Store) ReplaceAppClient(ctx context.Context, a *broker.AppClient) error {
	k, ok := key(kindAppClient, a.Key)
	if !ok {
		return broker.ErrNotFound
	}
	err := s.replace(ctx, "replace app client record", appClientItem(k, a), optionalOfAppClient, a.Version)
	if err != nil {
		return err
	}
	a.Version++
	return nil
}

// DeleteAppClient implements broker.AppClientRecords.
func (s *Store) DeleteAppClient(ctx context.Context, id string, version int64) error {
	k, ok := key(kindAppClient, id)
	if !ok {
		return nil
	}
	out, err := s.remove(ctx, "delete app client record", k, isAbsent+" OR #version = :version",
		item{":version": num(version)})
	if err != nil {
		return err
	}
	if out.refused {
		return broker.ErrConflict
	}
	return nil
}

// AppClientKeys implements broker.AppClientRecords. Every record is in the due
// index, so one query finds all of them without reading the whole table.
func (s *Store) AppClientKeys(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for n := range duePartitions {
			p := partition{broker.DueAppClient, n}
			for it, err := range s.query(ctx, "list app client records", dueIndex, "#due = :due", item{":due": str(p.String())}, nil) {
				var id string
				if err == nil {
					id, err = p.id(it)
				}
				if !yield(id, err) || err != nil {
					return
				}
			}
		}
	}
}

// appClientItem returns a as attributes, without those that create and replace
// add.
func appClientItem(k string, a *broker.AppClient) item {
	it := newItem(kindAppClient, k)
	it["key"] = str(a.Key)
	it["state"] = str(string(a.State))
	it["marker"] = str(a.Marker)
	it["profile"] = str(a.Profile)
	putString(it, "for", string(a.Kind)) // "kind" is the kind of the item
	putTexts(it, "abandoned", a.Abandoned)
	putString(it, "cognito_id", a.CognitoID)
	putString(it, "initial_access_token", a.Use.Stored())
	putText(it, "client_id", a.ClientID)
	putText(it, "generation", a.Generation)
	putTexts(it, "scopes", a.Scopes)
	putText(it, "secret", a.Secret)
	if a.Branded {
		it["branded"] = boolean(true)
	}
	putTime(it, attrCreatedAt, a.CreatedAt)
	due := a.Due
	if due.IsZero() {
		due = never // so that it is in the index
	}
	putDue(it, broker.DueAppClient, k, due)
	return it
}

func readAppClient(it item) (*broker.AppClient, error) {
	from := read(kindAppClient, it)
	a := &broker.AppClient{
		Key:        from.string("key"),
		Version:    from.int(attrVersion),
		State:      broker.AppClientState(from.string("state")),
		Kind:       broker.AppClientKind(from.optionalString("for")),
		Marker:     from.string("marker"),
		Abandoned:  from.texts("abandoned"),
		CognitoID:  from.optionalString("cognito_id"),
		Profile:    from.string("profile"),
		Use:        broker.StoredUse(from.optionalString("initial_access_token")),
		ClientID:   from.optionalText("client_id"),
		Generation: from.optionalText("generation"),
		Scopes:     from.texts("scopes"),
		Secret:     from.optionalText("secret"),
		Branded:    from.optionalBoolean("branded"),
		CreatedAt:  from.time(attrCreatedAt),
		Due:        from.time(attrDueAt),
	}
	if a.Due.Equal(never) {
		a.Due = time.Time{}
	}
	if from.err != nil {
		return nil, from.err
	}
	return a, nil
}
