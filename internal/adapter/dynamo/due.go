package dynamo

import (
	"context"
	"fmt"
	"hash/fnv"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// duePartitions is the number of partitions in the index for each kind of
// record: several partitions allow more writes a second than one.
const duePartitions = 16

// dueKinds are the kinds in the order in which Due reads them.
var dueKinds = []broker.DueKind{broker.DueAppClient, broker.DueRegistration}

// never is the due time of records that are in the index but not due: the end
// of the year 9999.
var never = time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)

// A partition is a partition of the due index.
type partition struct {
	kind broker.DueKind
	n    int
}

func (p partition) String() string { return fmt.Sprintf("%s#%d", p.kind, p.n) }

// id returns the key of the record of an item in the index.
func (p partition) id(it item) (string, error) {
	r := reader{it: it}
	k := r.string(attrKey)
	id, ok := strings.CutPrefix(k, string(p.kind)+"#")
	if r.err == nil && !ok {
		r.fail(attrKey, fmt.Errorf("is in the partition %s", p))
	}
	return id, r.err
}

// putDue adds the attributes of the due index to an item, unless at is zero.
func putDue(it item, kind broker.DueKind, k string, at time.Time) {
	if at.IsZero() {
		return
	}
	h := fnv.New32a()
	h.Write([]byte(k))
	it[attrDue] = str(partition{kind, int(h.Sum32() % duePartitions)}.String())
	it[attrDueAt] = num(at.Unix())
}

// A place is the position of an item in the due index.
type place struct {
	partition
	at int64 // Unix seconds
	pk string
}

func (p place) String() string { return fmt.Sprintf("%s %d %s", p.partition, p.at, p.pk) }

// parsePlace reads what String wrote.
func parsePlace(s string) (place, bool) {
	name, rest, _ := strings.Cut(s, " ")
	at, pk, ok := strings.Cut(rest, " ")
	kind, number, _ := strings.Cut(name, "#")
	n, err := strconv.Atoi(number)
	seconds, atErr := strconv.ParseInt(at, 10, 64)
	p := place{partition{broker.DueKind(kind), n}, seconds, pk}
	return p, ok && err == nil && atErr == nil && p.String() == s
}

// key returns the start key of a query for the items after p.
func (p place) key() item {
	return item{attrDue: str(p.partition.String()), attrDueAt: num(p.at), attrKey: str(p.pk)}
}

// Due implements broker.Sweeping.
func (s *Store) Due(ctx context.Context, now time.Time, after string) iter.Seq2[broker.DueRecord, error] {
	var all []partition
	for _, kind := range dueKinds {
		for n := range duePartitions {
			all = append(all, partition{kind, n})
		}
	}
	first := 0
	var from item
	if p, ok := parsePlace(after); ok {
		for i := range all {
			if all[i] == p.partition {
				first, from = i, p.key()
			}
		}
	}
	return func(yield func(broker.DueRecord, error) bool) {
		for i := range all {
			if !s.due(ctx, all[(first+i)%len(all)], now, from, yield) {
				return
			}
			from = nil
		}
		if after != "" { // the part before the place
			s.due(ctx, all[first], now, nil, yield)
		}
	}
}

// due yields the due records of one partition. It reports whether to continue.
func (s *Store) due(ctx context.Context, p partition, now time.Time, from item, yield func(broker.DueRecord, error) bool) bool {
	values := item{":due": str(p.String()), ":now": num(now.Unix())}
	for it, err := range s.query(ctx, "list due records", dueIndex, "#due = :due AND #due_at <= :now", values, from) {
		var d broker.DueRecord
		if err == nil {
			d, err = dueRecord(p, it)
		}
		if !yield(d, err) || err != nil {
			return false
		}
	}
	return true
}

func dueRecord(p partition, it item) (broker.DueRecord, error) {
	id, err := p.id(it)
	if err != nil {
		return broker.DueRecord{}, err
	}
	r := reader{it: it}
	at := place{p, r.int(attrDueAt), r.string(attrKey)}
	return broker.DueRecord{Kind: p.kind, Key: id, Place: at.String()}, r.err
}

// query yields the items of an index that match the condition, in the order of
// its sort key, after the item from.
func (s *Store) query(ctx context.Context, op, index, condition string, values, from item) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		from := map[string]types.AttributeValue(from)
		for {
			out, err := s.client.Query(ctx, &dynamodb.QueryInput{
				TableName:                 &s.table,
				IndexName:                 &index,
				KeyConditionExpression:    &condition,
				ExpressionAttributeNames:  names(condition),
				ExpressionAttributeValues: values,
				ExclusiveStartKey:         from,
				Limit:                     &s.page,
			})
			if err != nil {
				yield(nil, failure(op, err))
				return
			}
			for _, it := range out.Items {
				if !yield(it, nil) {
					return
				}
			}
			if from = out.LastEvaluatedKey; len(from) == 0 {
				return
			}
		}
	}
}
