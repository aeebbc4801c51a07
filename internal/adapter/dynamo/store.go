// Package dynamo is an adapter: a broker.Store and a broker.GrantStore in one
// DynamoDB table.
//
// Every operation writes a single item, and there are no transactions:
// conditions of the writes prevent lost and repeated effects. docs/storage.md
// lists the operations with their keys, conditions and costs.
//
// The SDK sends a request again if it lost the reply. So every write either has
// the same effect when it is repeated, or stores a random write id on the item,
// by which the repeated request recognizes the first one.
//
// The package leaves out when and why records change. It is long because each
// kind of item has its own file with attributes and operations; store.go,
// item.go, text.go and version.go have the shared code.
package dynamo

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Client has the operations of DynamoDB that the Store calls. *dynamodb.Client
// implements it, with its standard retries: all calls of the Store can be
// repeated.
type Client interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
}

// Store is a broker.Store and a broker.GrantStore in a DynamoDB table. Make one
// with New.
//
// When DynamoDB throttles, errors wrap a *dcr.Error with the code Unavailable.
type Store struct {
	client Client
	table  string
	now    func() time.Time
	// page is the maximum number of items that one request of a list reads,
	// matching or not. It limits the time and the capacity of a request.
	page int32
}

var _ broker.Store = (*Store)(nil)

// New returns a Store in the table, which CreateTable or a template has made.
// The time comes from now, or from the system if now is nil.
func New(client Client, table string, now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{client: client, table: table, now: now, page: 200}
}

// maxKey is the maximum length of a partition key, in bytes.
const maxKey = 2048

// key returns the partition key of a record, and false if it is not a valid
// key; then no such record exists. The SDK would replace bytes that are not
// UTF-8, and so find another record.
func key(kind, id string) (string, bool) {
	k := kind + "#" + id
	return k, len(k) <= maxKey && utf8.ValidString(k)
}

// errKey returns the error for a record with an invalid key.
func errKey(op string) error {
	return fmt.Errorf("dynamodb: %s: the key is not UTF-8 or longer than %d bytes", op, maxKey)
}

// get reads an item consistently; it returns nil if there is none.
func (s *Store) get(ctx context.Context, op, k string) (item, error) {
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName:      &s.table,
		Key:            item{attrKey: str(k)},
		ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, failure(op, err)
	}
	return out.Item, nil
}

// put stores a whole item on a condition.
func (s *Store) put(ctx context.Context, op string, it item, condition string, values item) (outcome, error) {
	_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                           &s.table,
		Item:                                it,
		ConditionExpression:                 &condition,
		ExpressionAttributeNames:            names(condition),
		ExpressionAttributeValues:           values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	return conclude(op, err)
}

// update changes an item on a condition. If the item does not exist and the
// condition allows that, update makes it.
func (s *Store) update(ctx context.Context, op, k, update, condition string, values item) (outcome, error) {
	_, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                           &s.table,
		Key:                                 item{attrKey: str(k)},
		UpdateExpression:                    &update,
		ConditionExpression:                 &condition,
		ExpressionAttributeNames:            names(update, condition),
		ExpressionAttributeValues:           values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	return conclude(op, err)
}

// remove deletes an item on a condition.
func (s *Store) remove(ctx context.Context, op, k, condition string, values item) (outcome, error) {
	_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName:                           &s.table,
		Key:                                 item{attrKey: str(k)},
		ConditionExpression:                 &condition,
		ExpressionAttributeNames:            names(condition),
		ExpressionAttributeValues:           values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	return conclude(op, err)
}

// scan yields all items of a kind that match the filter, which may be empty.
func (s *Store) scan(ctx context.Context, op, kind, filter string, values item) iter.Seq2[item, error] {
	filter = "#kind = :kind" + filter
	values[":kind"] = str(kind)
	return func(yield func(item, error) bool) {
		var from map[string]types.AttributeValue
		for {
			out, err := s.client.Scan(ctx, &dynamodb.ScanInput{
				TableName:                 &s.table,
				ConsistentRead:            aws.Bool(true),
				FilterExpression:          &filter,
				ExpressionAttributeNames:  names(filter),
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

// An outcome is the result of a conditional write.
type outcome struct {
	// refused is true if the condition was not met.
	refused bool
	// old is then the stored item, nil if there is none.
	old item
}

// conclude returns the outcome of a conditional write from its error.
func conclude(op string, err error) (outcome, error) {
	if err == nil {
		return outcome{}, nil
	}
	if e, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return outcome{refused: true, old: e.Item}, nil
	}
	return outcome{}, failure(op, err)
}

// failure wraps an error of the SDK. Throttling becomes an error for the
// client. Attempts before the throttled one may have been applied: their
// replies may have been lost.
func failure(op string, err error) error {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		switch e.ErrorCode() {
		case "ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException":
			busy := dcr.Errorf(dcr.Unavailable, "the registry is busy; try again")
			busy.RetryAfter = time.Second
			return fmt.Errorf("dynamodb: %s: %w: %w", op, busy, err)
		}
	}
	return fmt.Errorf("dynamodb: %s: %w", op, err)
}
