package dynamo

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
)

// each calls visit for the key of each item that Stores have written. It reads
// the whole table.
func (s *Store) each(ctx context.Context, visit func(key string) error) error {
	for it, err := range s.table.scan(ctx, records.Kinds(), true) {
		if err != nil {
			return failure("read table", err)
		}
		if key, ok := it[records.ColumnKey].(*types.AttributeValueMemberS); ok {
			if err := visit(key.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

// CountRecords returns the number of items of each kind, including expired
// items that DynamoDB has not removed yet. It reads the whole table.
func (s *Store) CountRecords(ctx context.Context) (map[string]int, error) {
	counts := make(map[string]int)
	err := s.each(ctx, func(key string) error {
		counts[records.KindOf(key)]++
		return nil
	})
	return counts, err
}

// DeleteRecords removes all items that Stores have written, and no others. It
// removes the record of the table's owner last: after an interruption the table
// still has its owner. It calls done, if not nil, after each item with the
// number so far, and returns the number of removed items, also with an error.
// It is for a table whose deployment has been deleted.
func (s *Store) DeleteRecords(ctx context.Context, done func(int)) (int, error) {
	n := 0
	remove := func(key string) error {
		if _, err := s.table.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.table.name, Key: keyOf(key)}); err != nil {
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
	err := s.each(ctx, func(key string) error {
		if records.KindOf(key) == kinds[len(kinds)-1] {
			last = key
			return nil
		}
		return remove(key)
	})
	if err == nil && last != "" {
		err = remove(last)
	}
	return n, err
}
