// Package dynamo is an adapter: a broker.Store and a broker.GrantStore in one
// DynamoDB table. Package records says how records are stored, and
// docs/storage.md lists the operations with their keys, conditions and costs;
// this package sends them to DynamoDB. It also makes and checks the table.
package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Client has the operations of DynamoDB that the Store calls. *dynamodb.Client
// implements it, with its standard retries: all calls of the Store can be
// repeated.
type Client interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
}

// New returns a store in the table, which CreateTable or a template has made.
// The time comes from now. When DynamoDB throttles, errors wrap a *dcr.Error
// with the code Unavailable.
func New(client Client, name string, now func() time.Time) *records.Store {
	return records.New(&table{client: client, name: name, now: now, page: 100}, now)
}

// table is a records.Table in DynamoDB.
type table struct {
	client Client
	name   string
	now    func() time.Time
	// page is the maximum number of items that one request of a list reads. It
	// limits the time and the capacity of a request. BatchGetItem takes at most
	// 100.
	page int32
}

// Get implements records.Table. The read is consistent.
func (t *table) Get(ctx context.Context, op, key string) (records.Item, error) {
	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, Key: keyOf(key), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, failure(op, err)
	}
	return toItem(out.Item)
}

// Write implements records.Table.
func (t *table) Write(ctx context.Context, op string, w records.Write) (records.Outcome, error) {
	e := expression{now: t.now().Unix()}
	var condition *string
	if w.If.Operator != records.Always {
		condition = aws.String(e.text(w.If))
	}
	const returnOld = types.ReturnValuesOnConditionCheckFailureAllOld
	var attributes map[string]types.AttributeValue
	var err error
	switch {
	case w.Change != nil:
		update, returned := e.update(w.Change), types.ReturnValueNone
		if w.Return {
			returned = types.ReturnValueAllNew
		}
		var out *dynamodb.UpdateItemOutput
		out, err = t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &t.name, Key: keyOf(w.Key), UpdateExpression: &update, ConditionExpression: condition,
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
			ReturnValues: returned, ReturnValuesOnConditionCheckFailure: returnOld,
		})
		if err == nil {
			attributes = out.Attributes
		}
	case w.Put != nil:
		_, err = t.client.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: &t.name, Item: fromItem(w.Put), ConditionExpression: condition,
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ReturnValuesOnConditionCheckFailure: returnOld,
		})
	default:
		_, err = t.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName: &t.name, Key: keyOf(w.Key), ConditionExpression: condition,
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ReturnValuesOnConditionCheckFailure: returnOld,
		})
	}
	refused, isRefused := errors.AsType[*types.ConditionalCheckFailedException](err)
	switch {
	case isRefused:
		attributes = refused.Item
	case err != nil:
		return records.Outcome{}, failure(op, err)
	}
	it, err := toItem(attributes)
	return records.Outcome{Refused: isRefused, Item: it}, err
}

// Identity implements records.Table. It returns the id that DynamoDB gives a
// table, or, without an id, its creation time: a table that was made again or
// restored has another identity.
func (t *table) Identity(ctx context.Context, op string) (string, error) {
	out, err := t.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &t.name})
	if err != nil {
		return "", failure(op, err)
	}
	switch {
	case out.Table == nil:
		return "", nil
	case aws.ToString(out.Table.TableId) != "":
		return aws.ToString(out.Table.TableId), nil
	case out.Table.CreationDateTime != nil:
		return out.Table.CreationDateTime.UTC().Format(time.RFC3339Nano), nil
	}
	return "", nil
}

// failure wraps an error of the SDK. Throttling becomes an error for the
// client. Attempts before the throttled one may have been applied: their
// replies may have been lost.
func failure(op string, err error) error {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		switch code := e.ErrorCode(); {
		case code == "ProvisionedThroughputExceededException", code == "RequestLimitExceeded", code == "ThrottlingException":
			busy := dcr.Errorf(dcr.Unavailable, "the registry is busy; try again")
			busy.RetryAfter = time.Second
			return fmt.Errorf("dynamodb: %s: %w: %w", op, busy, err)
		case code == "ValidationException" && strings.HasPrefix(e.ErrorMessage(), "Item size"):
			// "Item size has exceeded the maximum allowed size", for an update "Item
			// size to update has exceeded ...".
			return fmt.Errorf("dynamodb: %s: %w: %w", op, records.ErrTooLarge, err)
		}
	}
	return fmt.Errorf("dynamodb: %s: %w", op, err)
}
