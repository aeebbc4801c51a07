package dynamo

import (
	"context"
	"iter"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
)

// CountRecords returns the number of items of each kind, including expired
// items that DynamoDB has not removed yet. It reads the whole table.
func (s *Store) CountRecords(ctx context.Context) (map[string]int, error) {
	counts := make(map[string]int)
	for key, err := range s.table.keys(ctx) {
		if err != nil {
			return nil, err
		}
		counts[records.KindOf(key)]++
	}
	return counts, nil
}

// DeleteRecords removes all items that Stores have written, and no others. It
// removes the record of the table's owner last: after an interruption the table
// still has its owner. It calls done, if not nil, after each item with the
// number so far, and returns the number of removed items, also with an error.
// It is for a table whose deployment has been deleted.
func (s *Store) DeleteRecords(ctx context.Context, done func(int)) (int, error) {
	n := 0
	remove := func(key string) error {
		_, err := s.table.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.table.name, Key: keyOf(key)})
		if err != nil {
			return failure("delete record", err)
		}
		n++
		if done != nil {
			done(n)
		}
		return nil
	}
	kinds := records.Kinds()
	last := ""
	for key, err := range s.table.keys(ctx) {
		if err != nil {
			return n, err
		}
		if records.KindOf(key) == kinds[len(kinds)-1] {
			last = key
			continue
		}
		if err := remove(key); err != nil {
			return n, err
		}
	}
	if last == "" {
		return n, nil
	}
	return n, remove(last)
}

// keys yields the keys of all items that Stores have written.
func (t *table) keys(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for it, err := range t.scan(ctx, records.Kinds(), true) {
			if err != nil {
				yield("", failure("read table", err))
				return
			}
			if key, ok := it[records.ColumnKey].(*types.AttributeValueMemberS); ok && !yield(key.Value, nil) {
				return
			}
		}
	}
}
