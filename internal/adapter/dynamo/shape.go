package dynamo

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
)

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
	faults = append(faults, keyFaults("the key", want, want.KeySchema, got, got.KeySchema)...)
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
		faults = append(faults, keyFaults(fmt.Sprintf("the key of the index %q", name), want, w.KeySchema, got, g.KeySchema)...)
	}
	return faults
}

// keyFaults compares attributes of a key: names, roles and types.
func keyFaults(what string, want *dynamodb.CreateTableInput, wantKey []types.KeySchemaElement, got *types.TableDescription, gotKey []types.KeySchemaElement) []string {
	w, g := keyText(wantKey, want.AttributeDefinitions), keyText(gotKey, got.AttributeDefinitions)
	if w == g {
		return nil
	}
	return []string{fmt.Sprintf("%s is %s, want %s", what, g, w)}
}

func keyText(key []types.KeySchemaElement, attributes []types.AttributeDefinition) string {
	text := ""
	for _, role := range []types.KeyType{types.KeyTypeHash, types.KeyTypeRange} {
		for _, k := range key {
			if k.KeyType != role {
				continue
			}
			kind := types.ScalarAttributeType("?")
			for _, a := range attributes {
				if aws.ToString(a.AttributeName) == aws.ToString(k.AttributeName) {
					kind = a.AttributeType
				}
			}
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("%s %s (%s)", role, aws.ToString(k.AttributeName), kind)
		}
	}
	return text
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
