package dynamo

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
)

// pages yields the items of all pages after a key. read reads one page, and
// returns the key after which the next one begins.
func pages(after attributes, read func(after attributes) (page []attributes, last attributes, err error)) iter.Seq2[attributes, error] {
	return func(yield func(attributes, error) bool) {
		for from := after; ; {
			page, last, err := read(from)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, it := range page {
				if !yield(it, nil) {
					return
				}
			}
			if from = last; len(from) == 0 {
				return
			}
		}
	}
}

// Query implements records.Table.
func (t *table) Query(ctx context.Context, op string, q records.Query) iter.Seq2[records.Item, error] {
	return func(yield func(records.Item, error) bool) {
		var sequences []iter.Seq2[attributes, error]
		if len(q.Prefixes) > 0 {
			sequences = append(sequences, t.scan(ctx, q))
		}
		for i, partition := range q.Partitions {
			var after attributes
			if i == 0 && q.After != nil {
				after = fromItem(q.After)
			}
			sequences = append(sequences, t.partition(ctx, q, partition, after))
		}
		for _, s := range sequences {
			for found, err := range s {
				var it records.Item
				if err != nil {
					err = failure(op, err)
				} else {
					it, err = toItem(found)
				}
				if !yield(it, err) || err != nil {
					return
				}
			}
		}
	}
}

// partition yields the entries of one partition of an index after an entry, or
// their items.
func (t *table) partition(ctx context.Context, q records.Query, partition string, after attributes) iter.Seq2[attributes, error] {
	var e expression
	condition := e.name(q.Index.Partition) + " = " + e.value(partition)
	if q.UpTo != nil {
		condition += " AND " + e.name(q.Index.Sort) + " <= " + e.value(*q.UpTo)
	}
	return pages(after, func(after attributes) ([]attributes, attributes, error) {
		out, err := t.client.Query(ctx, &dynamodb.QueryInput{
			TableName: &t.name, IndexName: &q.Index.Name, KeyConditionExpression: &condition,
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ExclusiveStartKey: after, Limit: &t.page,
		})
		if err != nil {
			return nil, nil, err
		}
		page := out.Items
		if q.Whole {
			page, err = t.whole(ctx, page)
		}
		return page, out.LastEvaluatedKey, err
	})
}

// retryPause is the first pause before the rest of a batch that DynamoDB did
// not process is read again. Each further pause is twice as long, up to
// maxPause.
const (
	retryPause = 50 * time.Millisecond
	maxPause   = 2 * time.Second
)

// whole returns the items of entries of an index, in any order, without those
// that have been removed.
func (t *table) whole(ctx context.Context, entries []attributes) ([]attributes, error) {
	var keys []map[string]types.AttributeValue
	for _, it := range entries {
		keys = append(keys, attributes{records.ColumnKey: it[records.ColumnKey]})
	}
	var all []attributes
	for pause := retryPause; len(keys) > 0; pause = min(2*pause, maxPause) {
		out, err := t.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{t.name: {Keys: keys, ConsistentRead: aws.Bool(true)}},
		})
		if err != nil {
			return nil, err
		}
		all = append(all, out.Responses[t.name]...)
		if keys = out.UnprocessedKeys[t.name].Keys; len(keys) > 0 {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(pause):
			}
		}
	}
	return all, nil
}

// scan yields the items whose keys have one of the prefixes, or only their keys.
// It reads the whole table.
func (t *table) scan(ctx context.Context, q records.Query) iter.Seq2[attributes, error] {
	var e expression
	starts := make([]string, len(q.Prefixes))
	for i, prefix := range q.Prefixes {
		starts[i] = "begins_with(" + e.name(records.ColumnKey) + ", " + e.value(prefix) + ")"
	}
	filter := strings.Join(starts, " OR ")
	var projection *string
	if !q.Whole {
		projection = aws.String(e.name(records.ColumnKey))
	}
	return pages(nil, func(after attributes) ([]attributes, attributes, error) {
		out, err := t.client.Scan(ctx, &dynamodb.ScanInput{
			TableName: &t.name, FilterExpression: &filter, ProjectionExpression: projection, ConsistentRead: aws.Bool(true),
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ExclusiveStartKey: after, Limit: &t.page,
		})
		if err != nil {
			return nil, nil, err
		}
		return out.Items, out.LastEvaluatedKey, nil
	})
}
