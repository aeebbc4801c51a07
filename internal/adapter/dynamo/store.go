// Package dynamo is a broker.Store and a grant.Store in one DynamoDB table.
//
// Every operation touches a single item, and there are no transactions: what
// must not be lost or done twice is a condition of the write. docs/storage.md
// lists the operations with their keys, conditions and costs.
//
// The SDK sends a request again when it lost the reply. So every write is
// either the same when done twice, or leaves a random write id on the item by
// which the second finds that it was the first.
//
// The package is long because each kind of item has a file of its own, with its
// attributes and operations; what they share is in store.go, item.go, text.go
// and version.go.
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

// Client is what the Store calls of DynamoDB. *dynamodb.Client implements it.
// Its standard retries are welcome: all calls of the Store can be repeated.
type Client interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
}

// Store is a broker.Store and a grant.Store in a DynamoDB table. Make one with
// New.
//
// When DynamoDB throttles, errors wrap a *dcr.Error with the code Unavailable.
type Store struct {
	client Client
	table  string
	now    func() time.Time
	// page is the most items that one request of a list reads, matching or
	// not, so that a list neither waits long nor takes much capacity at once.
	page int32
}

var _ broker.Store = (*Store)(nil)

// New returns a Store in the table, which CreateTable or a template has made.
// It takes the time from now, or from the system if now is nil.
func New(client Client, table string, now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{client: client, table: table, now: now, page: 200}
}

// maxKey is how many bytes a partition key can have.
const maxKey = 2048

// key returns the partition key of a thing, and false if it cannot be one:
// nothing is stored under such a key. The SDK would turn bytes that are not
// UTF-8 into others, and so find what was not asked for.
func key(kind, id string) (string, bool) {
	k := kind + "#" + id
	return k, len(k) <= maxKey && utf8.ValidString(k)
}

// errKey is for what can not be stored because of its key.
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

// update changes an item on a condition. Unless the condition says that there
// is an item, it makes one.
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

// scan yields all items of a kind that the filter, which may be empty, lets
// through.
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

// An outcome is what came of a conditional write.
type outcome struct {
	// refused is whether the condition did not hold.
	refused bool
	// old is then the item as it is, nil if there is none.
	old item
}

// conclude makes an outcome of the error of a conditional write.
func conclude(op string, err error) (outcome, error) {
	if err == nil {
		return outcome{}, nil
	}
	if e, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return outcome{refused: true, old: e.Item}, nil
	}
	return outcome{}, failure(op, err)
}

// failure wraps an error of the SDK. Throttling is something that the client
// may be told. It says nothing about attempts before the throttled one, whose
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
