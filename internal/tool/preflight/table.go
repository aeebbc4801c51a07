package preflight

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/clock"
)

// table checks the schema of the table, and which deployment owns it.
func (r *run) table(ctx context.Context) {
	c := r.Environment
	faults, err := dynamo.CheckTable(ctx, r.dynamo, c.Table)
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		r.failed("table", fmt.Sprintf("there is no table %s in %s, in this account", c.Table, c.Region), "correct TABLE_NAME and AWS_REGION; the deployment's template creates the table")
		return
	}
	if err != nil {
		r.callFailed("table", "dynamodb:DescribeTable and dynamodb:DescribeTimeToLive", err)
		return
	}
	if len(faults) > 0 {
		r.failed("table", c.Table+": "+strings.Join(faults, "; "), tableAdvice(faults))
		return
	}
	r.tableUsable = true
	r.ok("table", c.Table+" with its indexes and time to live")
	d, err := dynamo.New(r.dynamo, c.Table, clock.Now).TableOwner(ctx)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		r.ok("table.deployment", "not used yet")
	case err != nil:
		r.callFailed("table.deployment", "dynamodb:GetItem", err)
	case d.ID != c.DeploymentID:
		r.failed("table.deployment", fmt.Sprintf("the table belongs to the deployment %q, but DEPLOYMENT_ID is %q", d.ID, c.DeploymentID), "correct TABLE_NAME or DEPLOYMENT_ID; two deployments cannot share a table")
	default:
		r.ok("table.deployment", d.ID)
	}
}

// tableAdvice returns what to do about the faults of a table. The key of a table
// or an index cannot be changed, and earlier builds stored their records in
// another form, so such a table is not repaired.
func tableAdvice(faults []string) string {
	for _, fault := range faults {
		if strings.HasPrefix(fault, "the key ") || strings.HasSuffix(fault, " is missing") {
			return "use another table: deploy this version as a new stack, or make a table as described in docs/storage.md; a table of an earlier build cannot be used"
		}
	}
	return "wait if the table was made or changed just now; otherwise set it up as described in docs/storage.md"
}

// tableCalls makes the calls of DynamoDB that the functions and dcrctl make.
// Writes have a condition that is false.
func (r *run) tableCalls(ctx context.Context) {
	if !r.tableUsable {
		return
	}
	table := aws.String(r.Environment.Table)
	key := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "check#dcrctl"}}
	never := aws.String("attribute_exists(pk)")
	refused := []string{"ConditionalCheckFailedException"}
	query := func(index, attribute string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := r.dynamo.Query(ctx, &dynamodb.QueryInput{
				TableName: table, IndexName: aws.String(index), Limit: aws.Int32(1),
				KeyConditionExpression:    aws.String("#k = :v"),
				ExpressionAttributeNames:  map[string]string{"#k": attribute},
				ExpressionAttributeValues: map[string]types.AttributeValue{":v": &types.AttributeValueMemberS{Value: "check"}},
			})
			return err
		}
	}
	calls := []call{
		{"dynamodb:GetItem", func(ctx context.Context) error {
			_, err := r.dynamo.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: key})
			return err
		}, nil},
		{"dynamodb:BatchGetItem", func(ctx context.Context) error {
			_, err := r.dynamo.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
				RequestItems: map[string]types.KeysAndAttributes{*table: {Keys: []map[string]types.AttributeValue{key}}},
			})
			return err
		}, nil},
		{"dynamodb:PutItem", func(ctx context.Context) error {
			_, err := r.dynamo.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: key, ConditionExpression: never})
			return err
		}, refused},
		{"dynamodb:UpdateItem", func(ctx context.Context) error {
			_, err := r.dynamo.UpdateItem(ctx, &dynamodb.UpdateItemInput{
				TableName: table, Key: key, ConditionExpression: never, UpdateExpression: aws.String("REMOVE nothing"),
			})
			return err
		}, refused},
		{"dynamodb:DeleteItem", func(ctx context.Context) error {
			_, err := r.dynamo.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: key, ConditionExpression: never})
			return err
		}, refused},
		{"dynamodb:Scan", func(ctx context.Context) error {
			_, err := r.dynamo.Scan(ctx, &dynamodb.ScanInput{TableName: table, Limit: aws.Int32(1)})
			return err
		}, nil},
	}
	for _, x := range records.Indexes() {
		calls = append(calls, call{"dynamodb:Query on the index " + x.Name, query(x.Name, x.Partition), nil})
	}
	r.try(ctx, "iam.dynamodb", calls)
}

// keys checks the sealing keys. It never reports a key.
func (r *run) keys(ctx context.Context) {
	c := r.Environment
	if c.Mode != broker.ModeBrokered {
		return
	}
	body, err := keysDocument(ctx, r.Options)
	if err != nil {
		r.failed("keys", err.Error(), "check that KEYS names them, that they exist, and that you may read them")
		return
	}
	if _, err := seal.Parse(body); err != nil {
		r.failed("keys", err.Error(), "correct the document, see \"Keys\" in docs/operations.md")
		return
	}
	r.ok("keys", c.Keys)
}

func keysDocument(ctx context.Context, o Options) ([]byte, error) {
	fetch, err := wire.KeysDocument(o.Environment, o.SDK)
	if err != nil {
		return nil, err
	}
	return fetch(ctx)
}
