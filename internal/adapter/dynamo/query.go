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

// Query implements records.Table.
func (t *table) Query(ctx context.Context, op string, q records.Query) iter.Seq2[records.Item, error] {
	return func(yield func(records.Item, error) bool) {
		if q.Kind != "" {
			for found, err := range t.scan(ctx, []string{q.Kind}, false) {
				if !t.yield(op, found, err, yield) {
					return
				}
			}
			return
		}
		after := fromItem(q.After)
		for _, partition := range q.Partitions {
			for page, err := range t.pages(ctx, q, partition, after) {
				if err == nil && q.Whole {
					page, err = t.whole(ctx, page)
				}
				if err != nil {
					page = []attributes{nil}
				}
				for _, found := range page {
					if !t.yield(op, found, err, yield) {
						return
					}
				}
			}
			after = nil
		}
	}
}

// yield passes on an item or an error, and reports whether to continue.
func (t *table) yield(op string, found attributes, err error, yield func(records.Item, error) bool) bool {
	if err != nil {
		yield(nil, failure(op, err))
		return false
	}
	it, err := toItem(found)
	return yield(it, err) && err == nil
}

// pages yields the entries of one partition of an index after an entry, page by
// page.
func (t *table) pages(ctx context.Context, q records.Query, partition string, after attributes) iter.Seq2[[]attributes, error] {
	return func(yield func([]attributes, error) bool) {
		var e expression
		condition := e.name(q.Index.Partition) + " = " + e.value(partition)
		if q.UpTo != nil {
			condition += " AND " + e.name(q.Index.Sort) + " <= " + e.value(*q.UpTo)
		}
		if len(after) == 0 {
			after = nil
		}
		for {
			out, err := t.client.Query(ctx, &dynamodb.QueryInput{
				TableName: &t.name, IndexName: &q.Index.Name, KeyConditionExpression: &condition,
				ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
				ExclusiveStartKey: after, Limit: &t.page,
			})
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(out.Items, nil) {
				return
			}
			if after = out.LastEvaluatedKey; len(after) == 0 {
				return
			}
		}
	}
}

// retryPause is the first pause before the rest of a batch that DynamoDB did
// not process is read again. Each further pause is twice as long.
const retryPause = 50 * time.Millisecond

// whole returns the items of entries of an index, in any order, without those
// that have been removed.
func (t *table) whole(ctx context.Context, entries []attributes) ([]attributes, error) {
	var keys []map[string]types.AttributeValue
	for _, it := range entries {
		keys = append(keys, attributes{records.ColumnKey: it[records.ColumnKey]})
	}
	var all []attributes
	for pause := retryPause; len(keys) > 0; pause *= 2 {
		out, err := t.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{t.name: {Keys: keys}},
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

// scan yields the items of the kinds, or only their keys. It reads the whole
// table, page by page.
func (t *table) scan(ctx context.Context, kinds []string, keysOnly bool) iter.Seq2[attributes, error] {
	return func(yield func(attributes, error) bool) {
		var after attributes
		var e expression
		starts := make([]string, len(kinds))
		for i, kind := range kinds {
			starts[i] = "begins_with(" + e.name(records.ColumnKey) + ", " + e.value(kind+"#") + ")"
		}
		filter := strings.Join(starts, " OR ")
		var projection *string
		if keysOnly {
			projection = aws.String(e.name(records.ColumnKey))
		}
		for {
			out, err := t.client.Scan(ctx, &dynamodb.ScanInput{
				TableName: &t.name, FilterExpression: &filter, ProjectionExpression: projection, ConsistentRead: aws.Bool(true),
				ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ExclusiveStartKey: after, Limit: &t.page,
			})
			if err != nil {
				yield(nil, err)
				return
			}
			for _, it := range out.Items {
				if !yield(it, nil) {
					return
				}
			}
			if after = out.LastEvaluatedKey; len(after) == 0 {
				return
			}
		}
	}
}
