package memory

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// table is a records.Table in memory.
type table struct {
	now      func() time.Time
	identity string

	mu      sync.Mutex // guards all below
	items   map[string]records.Item
	indexes map[string]map[string]map[string]bool // index, partition, key
	// expiring is the number of items with a TTL; at cleanAt of them, the expired
	// ones are removed.
	expiring, cleanAt int
}

// firstClean is the number of items with a TTL at which expired ones are first
// removed.
const firstClean = 1000

// NewTable returns an empty table, whose items expire by the time from now.
func NewTable(now func() time.Time) records.Table { return newTable(now) }

func newTable(now func() time.Time) *table {
	t := &table{
		now: now, identity: credential.NewID(), cleanAt: firstClean,
		items: make(map[string]records.Item), indexes: make(map[string]map[string]map[string]bool),
	}
	for _, x := range records.Indexes() {
		t.indexes[x.Name] = make(map[string]map[string]bool)
	}
	return t
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
	t.store(w.Key, next)
	if t.expiring >= t.cleanAt {
		t.clean()
	}
	return out, nil
}

// store replaces the item with this key by next, or removes it if next is nil.
// The caller holds t.mu.
func (t *table) store(key string, next records.Item) {
	old := t.items[key]
	for _, x := range records.Indexes() {
		partitions := t.indexes[x.Name]
		was, _ := old[x.Partition].(string)
		is, _ := next[x.Partition].(string)
		if was != "" && was != is {
			delete(partitions[was], key)
			if len(partitions[was]) == 0 {
				delete(partitions, was)
			}
		}
		if is != "" && was != is {
			if partitions[is] == nil {
				partitions[is] = make(map[string]bool)
			}
			partitions[is][key] = true
		}
	}
	if _, ok := old[records.ColumnTTL]; ok {
		t.expiring--
	}
	if _, ok := next[records.ColumnTTL]; ok {
		t.expiring++
	}
	if next == nil {
		delete(t.items, key)
		return
	}
	t.items[key] = next
}

// clean removes expired items, so that they fill at most as much memory as the
// others. The caller holds t.mu.
func (t *table) clean() {
	now := t.now().Unix()
	for key, it := range t.items {
		if at, ok := it[records.ColumnTTL].(int64); ok && at <= now {
			t.store(key, nil)
		}
	}
	t.cleanAt = max(firstClean, 2*t.expiring)
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
	switch c.Operator {
	case records.Always:
		return true
	case records.Has:
		return ok
	case records.Lacks:
		return !ok
	case records.All:
		return !slices.ContainsFunc(c.Parts, func(p records.Condition) bool { return !t.met(p, it) })
	case records.Any:
		return slices.ContainsFunc(c.Parts, func(p records.Condition) bool { return t.met(p, it) })
	case records.Equal:
		return ok && v == c.Value
	}
	if !ok {
		return c.Operator == records.After
	}
	switch v := v.(type) {
	case int64:
		n, _ := c.Value.(int64)
		now := t.now().Unix()
		return c.Operator == records.Less && v < n || c.Operator == records.Until && v <= now || c.Operator == records.After && v > now
	case records.Set:
		if m, ok := c.Value.(records.Member); ok && c.Operator == records.Contains {
			return slices.Contains(v, m)
		}
		limit, ok := c.Value.(int64)
		if column, is := c.Value.(string); is {
			limit, ok = it[column].(int64)
		}
		return c.Operator == records.Fewer && ok && int64(len(v)) < limit
	}
	return false
}

// Query implements records.Table. It yields the items that are there when it
// begins.
func (t *table) Query(ctx context.Context, _ string, q records.Query) iter.Seq2[records.Item, error] {
	return func(yield func(records.Item, error) bool) {
		err := ctx.Err()
		if err == nil {
			for _, it := range t.find(q) {
				if err = ctx.Err(); err != nil {
					break
				}
				if !yield(it, nil) {
					return
				}
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// find returns the items of a query in their order.
func (t *table) find(q records.Query) []records.Item {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []records.Item
	if len(q.Kinds) > 0 {
		for key, it := range t.items {
			if slices.Contains(q.Kinds, records.KindOf(key)) {
				all = append(all, it)
			}
		}
		return all
	}
	for i, partition := range q.Partitions {
		begin := len(all)
		for key := range t.indexes[q.Index.Name][partition] {
			it := t.items[key]
			at, _ := it[q.Index.Sort].(int64)
			if q.UpTo == nil || at <= *q.UpTo {
				all = append(all, it)
			}
		}
		order := func(a, b records.Item) int { return compare(q.Index, a, b) }
		slices.SortFunc(all[begin:], order)
		if i == 0 && q.After != nil {
			all = slices.DeleteFunc(all, func(it records.Item) bool { return order(it, q.After) <= 0 })
		}
	}
	return all
}

// compare orders two entries of a partition of an index.
func compare(x records.Index, a, b records.Item) int {
	atA, _ := a[x.Sort].(int64)
	atB, _ := b[x.Sort].(int64)
	keyA, _ := a[records.ColumnKey].(string)
	keyB, _ := b[records.ColumnKey].(string)
	return cmp.Or(cmp.Compare(atA, atB), cmp.Compare(keyA, keyB))
}
