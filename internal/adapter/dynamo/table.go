package dynamo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
)

// CreateTable makes the table for a Store: on demand, with the indexes and TTL.
// It returns when the table can be used, or with an error if a table with this
// name exists. It is for tests and local tools; in a deployment the template
// makes the table.
func CreateTable(ctx context.Context, client *dynamodb.Client, table string) error {
	if _, err := client.CreateTable(ctx, definition(table)); err != nil {
		return fmt.Errorf("dynamodb: create table %s: %w", table, err)
	}
	ready := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = time.Second })
	if err := ready.Wait(ctx, &dynamodb.DescribeTableInput{TableName: &table}, 2*time.Minute); err != nil {
		return fmt.Errorf("dynamodb: wait for table %s: %w", table, err)
	}
	on := &types.TimeToLiveSpecification{AttributeName: aws.String(records.ColumnTTL), Enabled: aws.Bool(true)}
	if _, err := client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{TableName: &table, TimeToLiveSpecification: on}); err != nil {
		return fmt.Errorf("dynamodb: set TTL of table %s: %w", table, err)
	}
	return nil
}

// definition returns the shape of the table, without TTL.
func definition(name string) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest}
	key := func(partition, sort string) []types.KeySchemaElement {
		var all []types.KeySchemaElement
		add := func(column string, role types.KeyType, kind types.ScalarAttributeType) {
			all = append(all, types.KeySchemaElement{AttributeName: &column, KeyType: role})
			in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: &column, AttributeType: kind})
		}
		add(partition, types.KeyTypeHash, types.ScalarAttributeTypeS)
		if sort != "" {
			add(sort, types.KeyTypeRange, types.ScalarAttributeTypeN)
		}
		return all
	}
	in.KeySchema = key(records.ColumnKey, "")
	for _, x := range records.Indexes() {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(x.Name), KeySchema: key(x.Partition, x.Sort), Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		})
	}
	return in
}

// CheckTable returns the differences between the table and one of CreateTable,
// one text for each. It changes nothing. It does not compare the billing mode,
// which the operator chooses.
func CheckTable(ctx context.Context, client *dynamodb.Client, table string) ([]string, error) {
	out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		return nil, fmt.Errorf("dynamodb: describe table %s: %w", table, err)
	}
	ttl, err := client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &table})
	if err != nil {
		return nil, fmt.Errorf("dynamodb: describe TTL of table %s: %w", table, err)
	}
	return append(shapeFaults(definition(table), out.Table), ttlFaults(ttl.TimeToLiveDescription)...), nil
}

func shapeFaults(want *dynamodb.CreateTableInput, got *types.TableDescription) []string {
	if got == nil {
		return []string{"DynamoDB returned no description"}
	}
	var faults []string
	if got.TableStatus != types.TableStatusActive && got.TableStatus != types.TableStatusUpdating {
		faults = append(faults, fmt.Sprintf("it is %s", got.TableStatus))
	}
	compare := func(what string, wantKey, gotKey []types.KeySchemaElement) {
		if w, g := keyText(wantKey, want.AttributeDefinitions), keyText(gotKey, got.AttributeDefinitions); w != g {
			faults = append(faults, fmt.Sprintf("%s is %s, want %s", what, g, w))
		}
	}
	compare("the key", want.KeySchema, got.KeySchema)
	for _, w := range want.GlobalSecondaryIndexes {
		name := aws.ToString(w.IndexName)
		i := slices.IndexFunc(got.GlobalSecondaryIndexes, func(g types.GlobalSecondaryIndexDescription) bool { return aws.ToString(g.IndexName) == name })
		if i < 0 {
			faults = append(faults, fmt.Sprintf("the index %q is missing", name))
			continue
		}
		g := got.GlobalSecondaryIndexes[i]
		if g.IndexStatus != "" && g.IndexStatus != types.IndexStatusActive {
			faults = append(faults, fmt.Sprintf("the index %q is %s", name, g.IndexStatus))
		}
		compare(fmt.Sprintf("the key of the index %q", name), w.KeySchema, g.KeySchema)
	}
	return faults
}

// keyText returns the attributes of a key: roles, names and types.
func keyText(key []types.KeySchemaElement, all []types.AttributeDefinition) string {
	kinds := make(map[string]types.ScalarAttributeType)
	for _, a := range all {
		kinds[aws.ToString(a.AttributeName)] = a.AttributeType
	}
	parts := make([]string, len(key))
	for i, k := range key {
		name := aws.ToString(k.AttributeName)
		parts[i] = fmt.Sprintf("%s %s (%s)", k.KeyType, name, cmp.Or(kinds[name], "?"))
	}
	slices.Sort(parts) // HASH before RANGE
	return strings.Join(parts, ", ")
}

func ttlFaults(d *types.TimeToLiveDescription) []string {
	switch {
	case d == nil || d.TimeToLiveStatus == types.TimeToLiveStatusDisabled || d.TimeToLiveStatus == types.TimeToLiveStatusDisabling:
		return []string{fmt.Sprintf("time to live is off, want it on %q", records.ColumnTTL)}
	case aws.ToString(d.AttributeName) != records.ColumnTTL:
		return []string{fmt.Sprintf("time to live is on %q, want it on %q", aws.ToString(d.AttributeName), records.ColumnTTL)}
	}
	return nil
}
