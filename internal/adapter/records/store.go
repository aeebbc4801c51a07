package records

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
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

// errKey is the error for a record whose key the table cannot store.
var errKey = fmt.Errorf("the key is not UTF-8 or longer than %d bytes", maxKey)

// write changes the item with this id. A write to an item with an invalid key is
// refused, because no such item exists.
func (s *Store) write(ctx context.Context, op, kind, id string, w Write) (Outcome, error) {
	if w.Key = kind + id; !isKey(w.Key) {
		return Outcome{Refused: true}, nil
	}
	return s.table.Write(ctx, op, w)
}

// read returns the record with that id. An expired record is absent.
func read[R any](ctx context.Context, s *Store, op string, k kind[R], id string) (*R, error) {
	key := k.name + id
	if !isKey(key) {
		return nil, broker.ErrNotFound
	}
	it, err := s.table.Get(ctx, op, key)
	if err != nil {
		return nil, err
	}
	return k.live(it, s.now())
}

// live returns the record that an item holds, or broker.ErrNotFound if the item
// is nil or has expired.
func (k kind[R]) live(it Item, now time.Time) (*R, error) {
	if absentAt(it, now) {
		return nil, broker.ErrNotFound
	}
	return k.record(it)
}

// absentAt reports whether an item counts as absent.
func absentAt(it Item, now time.Time) bool {
	at, expires := it[columnExpiry].(int64)
	return it == nil || expires && at <= now.Unix()
}

// list yields the records that a query finds, without those that have expired.
func list[R any](ctx context.Context, s *Store, op string, k kind[R], q Query) iter.Seq2[*R, error] {
	q.Whole = true
	now := s.now()
	return each(s.table.Query(ctx, op, q), func(it Item) (*R, error) { return k.live(it, now) })
}

// each yields what read returns for the items. It leaves out items for which
// read returns broker.ErrNotFound, and ends with the first other error.
func each[T any](items iter.Seq2[Item, error], read func(Item) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for it, err := range items {
			var t T
			if err == nil {
				t, err = read(it)
			}
			if errors.Is(err, broker.ErrNotFound) {
				continue
			}
			if !yield(t, err) || err != nil {
				return
			}
		}
	}
}

// put stores r on a condition, and replaces the record with this id.
func put[R any](ctx context.Context, s *Store, op string, k kind[R], r *R, condition Condition) (Outcome, error) {
	it, err := k.item(r)
	if err != nil {
		return Outcome{}, fmt.Errorf("%s: %w", op, err)
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

// create stores r as version 1 and sets its version, or returns broker.ErrExists
// if there is a record with this id that has not expired.
func create[R any](ctx context.Context, s *Store, op string, k kind[R], r *R) error {
	it, err := k.item(r)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	write := newWriteID()
	it[columnVersion], it[writeColumn(1)] = int64(1), write
	out, err := s.table.Write(ctx, op, Write{Key: it[ColumnKey].(string), Put: it, If: either(absent, over)})
	switch {
	case err != nil:
		return err
	case out.Refused && !madeBy(out.Item, writeColumn(1), write):
		return broker.ErrExists
	}
	k.form.setVersion(r, 1)
	return nil
}

// replace stores r if the stored record is live, has the version of r and meets
// the guards, and then increments that version. It removes the columns in also.
// It changes neither the kept columns nor columns that this program does not
// know. It returns broker.ErrNotFound or broker.ErrConflict.
func replace[R any](ctx context.Context, s *Store, op string, k kind[R], r *R, also []string, guards ...Condition) error {
	it, err := k.item(r)
	if errors.Is(err, errKey) {
		return broker.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	key, version, write := it[ColumnKey].(string), it[columnVersion].(int64), newWriteID()
	next := version + 1
	delete(it, ColumnKey)
	it[columnVersion], it[writeColumn(next)] = next, write
	change := &Change{Set: it, Remove: slices.Clone(also)}
	may := slices.Clone(derived) // columns that the stored item may have
	for _, c := range k.form.columns {
		if c.kept {
			delete(it, c.column)
		} else if !c.count && !slices.Contains(derived, c.column) {
			may = append(may, c.column)
		}
	}
	for _, column := range may {
		if _, ok := it[column]; !ok {
			change.Remove = append(change.Remove, column)
		}
	}
	out, err := s.table.Write(ctx, op, Write{Key: key, Change: change, If: all(append(guards, is(columnVersion, Equal, version), live)...)})
	switch {
	case err != nil:
		return err
	case !out.Refused, madeBy(out.Item, writeColumn(next), write):
		k.form.setVersion(r, next)
		return nil
	case absentAt(out.Item, s.now()):
		return broker.ErrNotFound
	}
	return broker.ErrConflict
}

// remove deletes the item with this id if it meets the condition.
func (s *Store) remove(ctx context.Context, op, kind, id string, condition Condition) (Outcome, error) {
	return s.write(ctx, op, kind, id, Write{If: condition})
}

// removeVersion deletes the item with this id, or returns broker.ErrConflict if
// it has another version.
func (s *Store) removeVersion(ctx context.Context, op, kind, id string, version int64) error {
	out, err := s.remove(ctx, op, kind, id, is(columnVersion, Equal, version))
	if err == nil && out.Refused && out.Item != nil {
		return broker.ErrConflict
	}
	return err
}

// leave removes a member from a set of an item.
func (s *Store) leave(ctx context.Context, op, kind, id, column, member string) error {
	_, err := s.write(ctx, op, kind, id, Write{Change: &Change{Leave: map[string]Member{column: memberOf(member)}}, If: present})
	return err
}
