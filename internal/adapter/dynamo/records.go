package dynamo

import (
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// CountRecords returns the number of items of each kind, including expired
// items that DynamoDB has not removed yet. It reads the whole table.
func (s *Store) CountRecords(ctx context.Context) (map[string]int, error) {
	counts := make(map[string]int)
	for it, err := range s.keys(ctx) {
		if err != nil {
			return nil, err
		}
		counts[kindOf(it)]++
	}
	return counts, nil
}

// DeleteRecords removes all items that Stores have written, and no others. It
// removes the record of the deployment last: after an interruption the table
// still has its owner. It calls done, if not nil, after each item with the
// number so far, and returns the number of removed items, also with an error.
// It is for a table whose deployment has been deleted.
func (s *Store) DeleteRecords(ctx context.Context, done func(int)) (int, error) {
	n := 0
	remove := func(pk types.AttributeValue) error {
		_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.table, Key: item{attrKey: pk}})
		if err != nil {
			return failure("delete record", err)
		}
		n++
		if done != nil {
			done(n)
		}
		return nil
	}
	var last types.AttributeValue
	for it, err := range s.keys(ctx) {
		if err != nil {
			return n, err
		}
		if kindOf(it) == kindDeployment {
			last = it[attrKey]
			continue
		}
		if err := remove(it[attrKey]); err != nil {
			return n, err
		}
	}
	if last == nil {
		return n, nil
	}
	return n, remove(last)
}

// keys yields key and kind of all items of the Store's kinds.
func (s *Store) keys(ctx context.Context) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		var from map[string]types.AttributeValue
		projection := "#pk, #kind"
		for {
			out, err := s.client.Scan(ctx, &dynamodb.ScanInput{
				TableName:                &s.table,
				ProjectionExpression:     &projection,
				ExpressionAttributeNames: names(projection),
				ExclusiveStartKey:        from,
				Limit:                    &s.page,
			})
			if err != nil {
				yield(nil, failure("read table", err))
				return
			}
			for _, it := range out.Items {
				if slices.Contains(kinds, kindOf(it)) && !yield(it, nil) {
					return
				}
			}
			if from = maps.Clone(out.LastEvaluatedKey); len(from) == 0 {
				return
			}
		}
	}
}

func kindOf(it item) string {
	v, _ := it[attrKind].(*types.AttributeValueMemberS)
	if v == nil {
		return ""
	}
	return v.Value
}

// kinds are all kinds that a Store writes.
var kinds = []string{
	kindAppClient, kindBudget, kindConsent, kindDeployment, kindGrant, kindRegistration, kindSlot, kindSweep, kindToken, kindTransaction,
}
