package records

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// dueToken is the part of the due index with the initial access tokens. They
// are never due; an operator's list finds them there.
const dueToken broker.DueKind = "iat"

// never is the due time of records that are in the index but not due: the end
// of the year 9999.
var never = time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC).Unix()

// setDue adds an item to the due index, where also lists find it. The item has
// the due time of its record, if there is one.
func setDue(it Item, kind broker.DueKind, key string) {
	it[dueIndex.Partition] = shard(string(kind), key)
	if _, ok := it[dueIndex.Sort]; !ok {
		it[dueIndex.Sort] = never
	}
}

// inDueIndex returns the query for everything of a kind in the due index.
func inDueIndex(kind broker.DueKind) Query {
	return Query{Index: dueIndex, Partitions: allShards(string(kind))}
}

// A place is the position of an entry in the due index.
type place struct {
	partition string
	at        int64 // Unix seconds
	key       string
}

func (p place) String() string { return fmt.Sprintf("%s %d %s", p.partition, p.at, p.key) }

// parsePlace reads what String wrote.
func parsePlace(s string) (place, bool) {
	partition, rest, _ := strings.Cut(s, " ")
	at, key, ok := strings.Cut(rest, " ")
	seconds, err := strconv.ParseInt(at, 10, 64)
	p := place{partition, seconds, key}
	return p, ok && err == nil && p.String() == s && slices.Contains(duePartitions(), partition)
}

func duePartitions() []string {
	return slices.Concat(allShards(string(broker.DueAppClient)), allShards(string(broker.DueRegistration)), allShards(string(broker.DueTransaction)))
}

// Due implements broker.Sweeping.
func (s *Store) Due(ctx context.Context, now time.Time, after string) iter.Seq2[broker.DueRecord, error] {
	until := now.Unix()
	q := Query{Index: dueIndex, Partitions: duePartitions(), UpTo: &until}
	if p, ok := parsePlace(after); ok {
		i := slices.Index(q.Partitions, p.partition)
		q.Partitions = slices.Concat(q.Partitions[i:], q.Partitions[:i+1]) // the first again, for the part before the place
		q.After = Item{dueIndex.Partition: p.partition, dueIndex.Sort: p.at, ColumnKey: p.key}
	}
	return each(s.table.Query(ctx, "Due", q), func(it Item) (broker.DueRecord, error) {
		partition, _ := it[dueIndex.Partition].(string)
		at, _ := it[dueIndex.Sort].(int64)
		key, _ := it[ColumnKey].(string)
		kind := kindOf(partition)
		id, err := idOf(it, kind+"#")
		return broker.DueRecord{Kind: broker.DueKind(kind), Key: id, Place: place{partition, at, key}.String()}, err
	})
}
