package records

import (
	"context"
	"crypto/rand"
	"fmt"
	"hash/fnv"
	"iter"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// Store is a broker.Store and a broker.GrantStore on a Table. Make one with New.
type Store struct {
	table Table
	now   func() time.Time
}

var (
	_ broker.Store      = (*Store)(nil)
	_ broker.GrantStore = (*Store)(nil)
)

// New returns a Store on the table, with the time from now.
func New(table Table, now func() time.Time) *Store { return &Store{table, now} }

// A kind is a kind of records.
type kind[R any] struct {
	// name begins the key of each item.
	name string
	// derived are the columns that derive may set and that are no field's.
	derived []string
	// derive adds the columns that follow from fields of the record. key is the
	// key of the item.
	derive func(it Item, key string, r *R)
}

// The kinds of records. An initial access token and a registration that owns an
// app client have no TTL: registrations refer to the token, and if the
// registration were gone, the broker could no longer find the app client.
var (
	registrations = kind[broker.Registration]{"registration", []string{DueIndex.Partition, ColumnTTL}, func(it Item, key string, r *broker.Registration) {
		if !r.Unused() {
			setDue(it, broker.DueRegistration, key)
		}
		if r.AppClient == "" {
			setTTL(it, r.ExpiresAt)
		}
	}}
	appClients = kind[broker.AppClient]{"appclient", []string{DueIndex.Partition}, func(it Item, key string, _ *broker.AppClient) {
		setDue(it, broker.DueAppClient, key)
	}}
	accessTokens = kind[credential.InitialAccessToken]{"iat", []string{DueIndex.Partition}, func(it Item, key string, _ *credential.InitialAccessToken) {
		setDue(it, dueToken, key)
	}}
	transactions = kind[broker.Transaction]{"transaction", []string{ColumnTTL}, func(it Item, _ string, t *broker.Transaction) {
		setTTL(it, t.ExpiresAt)
	}}
	grants = kind[broker.Grant]{"grant", []string{ColumnTTL, ClientIndex.Partition, UserIndex.Partition}, func(it Item, key string, g *broker.Grant) {
		setTTL(it, g.ExpiresAt)
		if g.Standing() {
			setPartition(it, ClientIndex, shard(g.ClientID, key))
			setPartition(it, UserIndex, g.User.Sub)
		}
	}}
	sealedTokens = kind[broker.SealedTokens]{"tokens", []string{ColumnTTL}, func(it Item, _ string, t *broker.SealedTokens) {
		setTTL(it, t.ExpiresAt)
	}}
	consents = kind[broker.Consent]{"consent", nil, func(it Item, _ string, c *broker.Consent) {
		setTTL(it, c.ExpiresAt)
		setPartition(it, UserIndex, c.Sub)
	}}
	sweeps = kind[sweep]{"sweep", nil, func(Item, string, *sweep) {}}
	owners = kind[broker.TableOwner]{"deployment", nil, func(Item, string, *broker.TableOwner) {}}
)

// Kinds returns the kinds of all items that a Store writes.
func Kinds() []string {
	return []string{
		registrations.name, appClients.name, accessTokens.name, transactions.name, grants.name, sealedTokens.name, consents.name,
		kindBudget, kindCount, sweeps.name, owners.name,
	}
}

// KindOf returns the kind of the item with that key.
func KindOf(key string) string {
	name, _, _ := strings.Cut(key, "#")
	return name
}

// maxKey is the maximum length of a key in bytes (DynamoDB, quotas).
const maxKey = 2048

// keyOf returns the key of an item, and false if it is not a valid key; then no
// such item exists. The SDK of DynamoDB would replace bytes that are not UTF-8,
// and so find another item.
func keyOf(kind, id string) (string, bool) {
	k := kind + "#" + id
	return k, len(k) <= maxKey && utf8.ValidString(k)
}

// errKey returns the error for a record with an invalid key.
func errKey(op string) error {
	return fmt.Errorf("%s: the key is not UTF-8 or longer than %d bytes", op, maxKey)
}

func setTTL(it Item, at time.Time) {
	if !at.IsZero() {
		it[ColumnTTL] = at.Unix()
	}
}

// setPartition adds an item to an index, unless no partition has that name.
func setPartition(it Item, x Index, partition string) {
	if isPartition(partition) {
		it[x.Partition] = partition
	}
}

// isPartition reports whether a partition of an index can have that name.
func isPartition(s string) bool { return s != "" && len(s) <= maxKey && utf8.ValidString(s) }

// partitions returns the partitions of a value, none if it has no partition.
func partitions(value string, of func(string) []string) []string {
	if !isPartition(value) {
		return nil
	}
	return of(value)
}

// shards is the number of partitions into which an index divides a value that
// many items may share: several partitions allow more writes a second than one.
const shards = 16

// shard returns the partition of the item with this key.
func shard(value, key string) string {
	h := fnv.New32a()
	h.Write([]byte(key))
	return fmt.Sprintf("%s#%d", value, h.Sum32()%shards)
}

// allShards returns all partitions of a value.
func allShards(value string) []string {
	all := make([]string, shards)
	for n := range all {
		all[n] = fmt.Sprintf("%s#%d", value, n)
	}
	return all
}

// read returns the record with that id. An expired record is absent, if the
// kind has an expiry.
func read[R any](ctx context.Context, s *Store, op string, k kind[R], id string) (*R, error) {
	key, ok := keyOf(k.name, id)
	if !ok {
		return nil, broker.ErrNotFound
	}
	it, err := s.table.Get(ctx, op, key)
	if err != nil {
		return nil, err
	}
	if it == nil || expired(it, s.now().Unix()) {
		return nil, broker.ErrNotFound
	}
	return k.record(it)
}

// record returns the record that an item holds.
func (k kind[R]) record(it Item) (*R, error) {
	r := new(R)
	if err := decode(it, k.name, r); err != nil {
		return nil, err
	}
	return r, nil
}

// list yields the records that a query finds, without those that have expired.
func list[R any](ctx context.Context, s *Store, op string, k kind[R], q Query) iter.Seq2[*R, error] {
	q.Whole = true
	return func(yield func(*R, error) bool) {
		now := s.now().Unix()
		for it, err := range s.table.Query(ctx, op, q) {
			if err == nil && expired(it, now) {
				continue
			}
			var r *R
			if err == nil {
				r, err = k.record(it)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// expired reports whether an item counts as absent.
func expired(it Item, now int64) bool {
	at, ok := it[columnExpiry].(int64)
	return ok && at <= now
}

// item returns the item of a record.
func (k kind[R]) item(op, id string, r *R) (Item, error) {
	key, ok := keyOf(k.name, id)
	if !ok {
		return nil, errKey(op)
	}
	it, err := encode(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	k.derive(it, key, r)
	it[ColumnKey] = key
	return it, nil
}

// put stores r on a condition, and replaces the record with this id.
func put[R any](ctx context.Context, s *Store, op string, k kind[R], id string, r *R, condition Condition) (Outcome, error) {
	it, err := k.item(op, id, r)
	if err != nil {
		return Outcome{}, err
	}
	return s.table.Write(ctx, op, Write{Key: it[ColumnKey].(string), Put: it, If: condition})
}

// rememberedWrites is the number of write ids on an item, one for each of the
// last versions. A Table repeats a write whose reply was lost. The condition
// refuses the repeated write, because the first one is already applied, and the
// write recognizes its id, even if another request has written since. The id is
// not part of the condition, because the repeated write would then undo the
// writes in between.
const rememberedWrites = 8

// writeColumn returns the column with the id of the write that made a version.
func writeColumn(version int64) string { return fmt.Sprintf("w%d", version%rememberedWrites) }

// newWriteID returns a random id. It only has to differ from the ids of other
// writes of the same version of the same item.
func newWriteID() []byte {
	id := make([]byte, 8)
	rand.Read(id)
	return id
}

// madeBy reports whether the write with that id has written a column.
func madeBy(it Item, column string, id []byte) bool {
	stored, ok := it[column].([]byte)
	return ok && string(stored) == string(id)
}

// create stores r as version 1 and sets version, or returns broker.ErrExists if
// there is a record with this id that has not expired.
func create[R any](ctx context.Context, s *Store, op string, k kind[R], id string, r *R, version *int64) error {
	it, err := k.item(op, id, r)
	if err != nil {
		return err
	}
	write := newWriteID()
	it[columnVersion], it[writeColumn(1)] = int64(1), write
	out, err := s.table.Write(ctx, op, Write{Key: it[ColumnKey].(string), Put: it, If: either(absent, over)})
	if err != nil {
		return err
	}
	if out.Refused && !madeBy(out.Item, writeColumn(1), write) {
		return broker.ErrExists
	}
	if version != nil {
		*version = 1
	}
	return nil
}

// replace stores r if the stored record is live, has this version and meets the
// guards, and then increments version. It removes the columns in also. It
// changes neither the kept columns nor columns that this program does not know.
// It returns broker.ErrNotFound or broker.ErrConflict.
func replace[R any](ctx context.Context, s *Store, op string, k kind[R], id string, r *R, version *int64, also []string, guards ...Condition) error {
	it, err := k.item(op, id, r)
	if err != nil {
		return broker.ErrNotFound // no record has such a key
	}
	next, write := *version+1, newWriteID()
	key := it[ColumnKey].(string)
	delete(it, ColumnKey)
	it[columnVersion], it[writeColumn(next)] = next, write
	change := &Change{Set: it, Remove: slices.Clone(also)}
	for _, c := range k.columns() {
		if _, ok := it[c]; !ok {
			change.Remove = append(change.Remove, c)
		}
	}
	for _, c := range formOf(reflect.TypeFor[R]()).columns {
		if c.kept {
			delete(it, c.column)
		}
	}
	condition := all(append([]Condition{present, is(columnVersion, Equal, *version), live}, guards...)...)
	out, err := s.table.Write(ctx, op, Write{Key: key, Change: change, If: condition})
	switch {
	case err != nil:
		return err
	case !out.Refused, madeBy(out.Item, writeColumn(next), write):
		*version = next
		return nil
	case out.Item == nil, expired(out.Item, s.now().Unix()):
		return broker.ErrNotFound
	}
	return broker.ErrConflict
}

// columns returns the columns that a replacement may have to remove.
func (k kind[R]) columns() []string {
	all := slices.Clone(k.derived)
	for _, c := range formOf(reflect.TypeFor[R]()).columns {
		if c.column != tagKey && !c.count && !c.kept {
			all = append(all, c.column)
		}
	}
	return all
}
