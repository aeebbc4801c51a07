// Package memory is an adapter: a broker.Store and a broker.GrantStore in the
// memory of one process, for the local development server and for tests that
// are not about the store. Package records says how records are stored; this
// package has one table for all of them, which behaves like the DynamoDB table
// in every way that a caller can see, also with cancelled contexts and with the
// largest size of an item. It leaves out persistence: all records end with the
// process.
package memory

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/clock"
)

// Store is a broker.Store and broker.GrantStore in memory. Make one with
// NewStore.
type Store struct {
	*records.Store
	table records.Table
	now   func() time.Time
}

// NewStore returns an empty Store with the time from now, or from clock.Now if
// now is nil.
func NewStore(now func() time.Time) *Store {
	if now == nil {
		now = clock.Now
	}
	return newStore(NewTable(now), now)
}

func newStore(t records.Table, now func() time.Time) *Store {
	return &Store{records.New(t, now), t, now}
}

// table is a records.Table in memory. It has no indexes: only lists need them,
// and they read all items.
type table struct {
	now      func() time.Time
	identity string

	mu      sync.Mutex // guards all below
	items   map[string]records.Item
	cleanAt int // number of items at which expired ones are removed
}

// firstClean is the number of items at which expired ones are first removed.
const firstClean = 1000

// NewTable returns an empty table, whose items expire by the time from now.
func NewTable(now func() time.Time) records.Table {
	return &table{now: now, identity: credential.NewID(), items: make(map[string]records.Item), cleanAt: firstClean}
}

// Get implements records.Table.
func (t *table) Get(ctx context.Context, _, key string) (records.Item, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.items[key], nil // an item is replaced and never changed
}

// Identity implements records.Table.
func (t *table) Identity(ctx context.Context, _ string) (string, error) { return t.identity, ctx.Err() }

// Write implements records.Table.
func (t *table) Write(ctx context.Context, _ string, w records.Write) (records.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return records.Outcome{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.items[w.Key]
	if !t.met(w.If, old) {
		return records.Outcome{Refused: true, Item: old}, nil
	}
	var next records.Item
	var out records.Outcome
	switch {
	case w.Change != nil:
		next = changed(w.Key, old, w.Change)
		if w.Return {
			out.Item = next
		}
	case w.Put != nil:
		next = w.Put
	}
	if next.Size() > records.MaxItem {
		return records.Outcome{}, records.ErrTooLarge
	}
	if next == nil {
		delete(t.items, w.Key)
		return out, nil
	}
	t.items[w.Key] = next
	if len(t.items) >= t.cleanAt {
		t.clean()
	}
	return out, nil
}

// clean removes expired items, so that they fill at most as much memory as the
// others. The caller holds t.mu.
func (t *table) clean() {
	now := t.now().Unix()
	maps.DeleteFunc(t.items, func(_ string, it records.Item) bool {
		at, ok := it[records.ColumnTTL].(int64)
		return ok && at <= now
	})
	t.cleanAt = max(firstClean, 2*len(t.items))
}

// changed returns a copy of the item with the changes.
func changed(key string, old records.Item, c *records.Change) records.Item {
	next := maps.Clone(old)
	if next == nil {
		next = make(records.Item)
	}
	next[records.ColumnKey] = key
	for column, v := range c.Default {
		if _, ok := next[column]; !ok {
			next[column] = v
		}
	}
	maps.Copy(next, c.Set)
	for _, column := range c.Remove {
		delete(next, column)
	}
	for _, column := range c.Increment {
		n, _ := next[column].(int64)
		next[column] = n + 1
	}
	for column, m := range c.Join {
		if members, _ := next[column].(records.Set); !slices.Contains(members, m) {
			next[column] = append(slices.Clip(members), m)
		}
	}
	for column, m := range c.Leave {
		members, _ := next[column].(records.Set)
		rest := slices.DeleteFunc(slices.Clone(members), func(other records.Member) bool { return other == m })
		next[column] = rest
		if len(rest) == 0 {
			delete(next, column)
		}
	}
	return next
}

// met reports whether an item, which may be nil, meets a condition.
func (t *table) met(c records.Condition, it records.Item) bool {
	v, ok := it[c.Column]
	n, _ := v.(int64)
	members, _ := v.(records.Set)
	switch c.Operator {
	case records.Always:
		return true
	case records.All:
		return !slices.ContainsFunc(c.Parts, func(p records.Condition) bool { return !t.met(p, it) })
	case records.Any:
		return slices.ContainsFunc(c.Parts, func(p records.Condition) bool { return t.met(p, it) })
	case records.Has:
		return ok
	case records.Lacks:
		return !ok
	case records.Live:
		return !ok || n > t.now().Unix()
	case records.Expired:
		return ok && n <= t.now().Unix()
	case records.Equal:
		return ok && v == c.Value
	case records.Less:
		return ok && n < c.Value.(int64)
	case records.Contains:
		return slices.Contains(members, c.Value.(records.Member))
	case records.Fewer:
		limit := c.Value
		if column, is := limit.(string); is {
			limit = it[column]
		}
		most, known := limit.(int64)
		return ok && known && int64(len(members)) < most
	}
	return false
}

// Query implements records.Table. It yields the items that are there when it
// begins.
func (t *table) Query(ctx context.Context, _ string, q records.Query) iter.Seq2[records.Item, error] {
	return func(yield func(records.Item, error) bool) {
		for _, it := range t.find(q) {
			if ctx.Err() != nil {
				break
			}
			if !yield(it, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// find returns the items of a query in their order.
func (t *table) find(q records.Query) []records.Item {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found []records.Item
	partitions := make(map[string][]records.Item)
	for key, it := range t.items {
		partition, _ := it[q.Index.Partition].(string)
		at, _ := it[q.Index.Sort].(int64)
		switch {
		case slices.ContainsFunc(q.Prefixes, func(p string) bool { return strings.HasPrefix(key, p) }):
			found = append(found, it)
		case partition != "" && (q.UpTo == nil || at <= *q.UpTo):
			partitions[partition] = append(partitions[partition], it)
		}
	}
	for i, name := range q.Partitions {
		part := slices.SortedFunc(slices.Values(partitions[name]), func(a, b records.Item) int { return compare(q.Index, a, b) })
		if i == 0 && q.After != nil {
			part = slices.DeleteFunc(part, func(it records.Item) bool { return compare(q.Index, it, q.After) <= 0 })
		}
		found = append(found, part...)
	}
	return found
}

// compare orders two entries of a partition of an index.
func compare(x records.Index, a, b records.Item) int {
	atA, _ := a[x.Sort].(int64)
	atB, _ := b[x.Sort].(int64)
	keyA, _ := a[records.ColumnKey].(string)
	keyB, _ := b[records.ColumnKey].(string)
	return cmp.Or(cmp.Compare(atA, atB), cmp.Compare(keyA, keyB))
}
