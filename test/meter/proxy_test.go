package meter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/dynamodbtest"
)

// metered is a table behind a meter.
type metered struct {
	*dynamodb.Client
	t     *testing.T
	proxy *Proxy
	table *string
}

func newMetered(t *testing.T) *metered {
	t.Helper()
	m := &metered{t: t, proxy: New(dynamodbtest.Endpoint(t)), table: aws.String("meter-" + credential.NewID())}
	srv := httptest.NewServer(m.proxy)
	t.Cleanup(srv.Close)
	m.Client = dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(srv.URL), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
	hash := func(name string) []types.KeySchemaElement {
		return []types.KeySchemaElement{{AttributeName: aws.String(name), KeyType: types.KeyTypeHash}}
	}
	attribute := func(name string) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS}
	}
	_, err := m.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: m.table, BillingMode: types.BillingModePayPerRequest, KeySchema: hash("pk"),
		AttributeDefinitions: []types.AttributeDefinition{attribute("pk"), attribute("client_id"), attribute("user_id")},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{
			{IndexName: aws.String("client_id"), KeySchema: hash("client_id"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}},
			{IndexName: aws.String("user_id"), KeySchema: hash("user_id"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.proxy.Take()
	return m
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func named(pk string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": text(pk)}
}

// put puts an item with size bytes, and the attributes of more.
func (m *metered) put(pk string, size int, more ...string) {
	m.t.Helper()
	item := named(pk)
	size -= len("pk") + len(pk) + len("p")
	for i := 0; i < len(more); i += 2 {
		item[more[i]] = text(more[i+1])
		size -= len(more[i]) + len(more[i+1])
	}
	item["p"] = text(strings.Repeat("x", size))
	if _, err := m.PutItem(m.t.Context(), &dynamodb.PutItemInput{TableName: m.table, Item: item}); err != nil {
		m.t.Fatal(err)
	}
}

// wants checks the calls since the last check.
func (m *metered) wants(want ...Call) {
	m.t.Helper()
	got := m.proxy.Take()
	if len(got) != len(want) {
		m.t.Fatalf("%d calls %v, want %d", len(got), got, len(want))
	}
	for i, w := range want {
		g := got[i]
		if !maps.Equal(g.IndexWrite, w.IndexWrite) || g.String() != w.String() {
			m.t.Errorf("call %d: %v, want %v", i+1, g, w)
		}
	}
}

func wantAPIError(t *testing.T, err error, code, message string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), message) {
		t.Errorf("error %v, want %s with %q", err, code, message)
	}
}

func TestReads(t *testing.T) {
	m := newMetered(t)
	m.put("grant#1", 5000, "client_id", "x")
	m.put("grant#2", 3000, "client_id", "x")
	m.put("consent#1", 100)
	m.proxy.Take()

	get := func(pk string, consistent bool) {
		t.Helper()
		if _, err := m.GetItem(t.Context(), &dynamodb.GetItemInput{
			TableName: m.table, Key: named(pk), ConsistentRead: &consistent, ProjectionExpression: aws.String("pk"),
		}); err != nil {
			t.Fatal(err)
		}
	}
	get("grant#1", true)
	get("grant#1", false)
	get("grant#3", true)
	get("grant#3", false)
	m.wants(Call{Operation: "GetItem", Kind: "grant", Read: 2}, Call{Operation: "GetItem", Kind: "grant", Read: 1},
		Call{Operation: "GetItem", Kind: "grant", Read: 1}, Call{Operation: "GetItem", Kind: "grant", Read: 0.5})

	if _, err := m.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
		*m.table: {ConsistentRead: aws.Bool(true), Keys: []map[string]types.AttributeValue{named("grant#1"), named("grant#2"), named("consent#1"), named("consent#2")}},
	}}); err != nil {
		t.Fatal(err)
	}
	m.wants(Call{Operation: "BatchGetItem", Kind: "consent,grant", Read: 5}) // 2 + 1 + 1 + 1

	query := func(index, value string, limit int32) *dynamodb.QueryOutput {
		t.Helper()
		out, err := m.Query(t.Context(), &dynamodb.QueryInput{
			TableName: m.table, IndexName: aws.String(index), Limit: &limit,
			KeyConditionExpression: aws.String("#key = :value"), FilterExpression: aws.String("#p = :p"),
			ExpressionAttributeNames:  map[string]string{"#key": index, "#p": "p"},
			ExpressionAttributeValues: map[string]types.AttributeValue{":value": text(value), ":p": text("nothing")},
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := query("client_id", "x", 10); out.Count != 0 || out.ScannedCount != 2 {
		t.Errorf("Query = %d of %d items, want none of 2", out.Count, out.ScannedCount)
	}
	query("client_id", "y", 10)
	m.wants(Call{Operation: "Query", Kind: "grant", Index: "client_id", Read: 0.5}, Call{Operation: "Query", Index: "client_id", Read: 0.5})

	scan := &dynamodb.ScanInput{TableName: m.table, ConsistentRead: aws.Bool(true), FilterExpression: aws.String("pk = :pk"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": text("consent#1")}}
	out, err := m.Scan(t.Context(), scan)
	if err != nil || out.Count != 1 {
		t.Errorf("Scan = %+v, %v, want one item", out, err)
	}
	scan.ConsistentRead = nil
	if _, err := m.Scan(t.Context(), scan); err != nil {
		t.Fatal(err)
	}
	m.wants(Call{Operation: "Scan", Read: 2}, Call{Operation: "Scan", Read: 1}) // 8,100 bytes
}

// An index whose entries are whole items costs as much as the items.
func TestReadsOfAnIndexWithAllAttributes(t *testing.T) {
	m := newMetered(t)
	for i := range 3 {
		m.put(fmt.Sprintf("grant#%d", i), 3000, "user_id", "x")
	}
	m.proxy.Take()
	in := &dynamodb.QueryInput{
		TableName: m.table, IndexName: aws.String("user_id"), KeyConditionExpression: aws.String("user_id = :x"), ProjectionExpression: aws.String("pk"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":x": text("x")},
	}
	if _, err := m.Query(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	in.Limit = aws.Int32(1)
	out, err := m.Query(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	in.ExclusiveStartKey = out.LastEvaluatedKey
	if _, err := m.Query(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	m.wants(Call{Operation: "Query", Kind: "grant", Index: "user_id", Read: 1.5}, // 9,000 bytes
		Call{Operation: "Query", Kind: "grant", Index: "user_id", Read: 0.5}, Call{Operation: "Query", Kind: "grant", Index: "user_id", Read: 0.5})
}

func TestWrites(t *testing.T) {
	m := newMetered(t)
	update := func(expression string, condition *string, values ...string) error {
		t.Helper()
		in := &dynamodb.UpdateItemInput{TableName: m.table, Key: named("grant#1"), UpdateExpression: &expression, ConditionExpression: condition}
		for i, v := range values {
			if in.ExpressionAttributeValues == nil {
				in.ExpressionAttributeValues = make(map[string]types.AttributeValue)
			}
			in.ExpressionAttributeValues[fmt.Sprintf(":%d", i)] = text(v)
		}
		_, err := m.UpdateItem(t.Context(), in)
		return err
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	m.put("grant#1", 3000, "client_id", "a")
	must(update("SET p = :0", nil, "short"))
	must(update("SET client_id = :0", nil, "b"))
	must(update("SET client_id = :0, user_id = :0", nil, "b"))
	must(update("SET p = :0", nil, "longer"))
	must(update("REMOVE client_id", nil))
	if _, err := m.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: m.table, Key: named("grant#1")}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: m.table, Key: named("grant#1")}); err != nil {
		t.Fatal(err)
	}
	m.wants(
		Call{Operation: "PutItem", Kind: "grant", Write: 3, IndexWrite: map[string]int{"client_id": 1}},
		Call{Operation: "UpdateItem", Kind: "grant", Write: 3}, // shrinks the item
		Call{Operation: "UpdateItem", Kind: "grant", Write: 1, IndexWrite: map[string]int{"client_id": 2}},
		Call{Operation: "UpdateItem", Kind: "grant", Write: 1, IndexWrite: map[string]int{"user_id": 1}},
		Call{Operation: "UpdateItem", Kind: "grant", Write: 1, IndexWrite: map[string]int{"user_id": 1}},
		Call{Operation: "UpdateItem", Kind: "grant", Write: 1, IndexWrite: map[string]int{"client_id": 1, "user_id": 1}},
		Call{Operation: "DeleteItem", Kind: "grant", Write: 1, IndexWrite: map[string]int{"user_id": 1}},
		Call{Operation: "DeleteItem", Kind: "grant", Write: 1},
	)
}

func TestRefusedWritesCost(t *testing.T) {
	m := newMetered(t)
	m.put("grant#1", 3000)
	m.proxy.Take()
	absent := aws.String("attribute_not_exists(pk)")
	item := named("grant#1")
	item["p"] = text(strings.Repeat("x", 5000))
	_, err := m.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: m.table, Item: item, ConditionExpression: absent})
	wantAPIError(t, err, "ConditionalCheckFailedException", "")
	_, err = m.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: m.table, Key: named("grant#1"), ConditionExpression: absent})
	wantAPIError(t, err, "ConditionalCheckFailedException", "")
	_, err = m.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: m.table, Key: named("grant#2"), ConditionExpression: aws.String("attribute_exists(pk)")})
	wantAPIError(t, err, "ConditionalCheckFailedException", "")
	_, err = m.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: m.table, Key: named("grant#2"), ConditionExpression: aws.String("no condition")})
	wantAPIError(t, err, "ValidationException", "")
	const failed = "ConditionalCheckFailedException"
	m.wants(
		Call{Operation: "PutItem", Kind: "grant", Failed: failed, Write: 5}, // the new item
		Call{Operation: "DeleteItem", Kind: "grant", Failed: failed, Write: 3},
		Call{Operation: "DeleteItem", Kind: "grant", Failed: failed, Write: 1},
		Call{Operation: "DeleteItem", Kind: "grant", Failed: "ValidationException"},
	)
}

func TestItemsThatAreTooLarge(t *testing.T) {
	m := newMetered(t)
	ctx := t.Context()
	item := named("grant#2")
	item["p"] = text(strings.Repeat("x", maxItem-len("pkgrant#2p")+1))
	_, err := m.PutItem(ctx, &dynamodb.PutItemInput{TableName: m.table, Item: item})
	wantAPIError(t, err, "ValidationException", "Item size has exceeded the maximum allowed size")

	m.put("grant#1", 100)
	add := func(pk string, length int) error {
		_, err := m.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: m.table, Key: named(pk), UpdateExpression: aws.String("ADD q :v"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":v": &types.AttributeValueMemberSS{Value: []string{strings.Repeat("x", length)}}}})
		return err
	}
	// The largest item, one that is a byte larger, and a new one. Moto refuses the
	// last one itself, and leaves an item with only the key.
	for _, length := range []int{200_000, maxItem - 200_101} {
		if err := add("grant#1", length); err != nil {
			t.Fatal(err)
		}
	}
	wantAPIError(t, add("grant#1", 1), "ValidationException", "Item size to update has exceeded the maximum allowed size")
	wantAPIError(t, add("grant#3", maxItem), "ValidationException", "Item size to update has exceeded the maximum allowed size")
	const failed = "ValidationException"
	m.wants(Call{Operation: "PutItem", Failed: failed}, Call{Operation: "PutItem", Kind: "grant", Write: 1},
		Call{Operation: "UpdateItem", Kind: "grant", Write: 196}, Call{Operation: "UpdateItem", Kind: "grant", Write: 400},
		Call{Operation: "UpdateItem", Kind: "grant", Failed: failed}, Call{Operation: "UpdateItem", Kind: "grant", Failed: failed})

	out, err := m.Scan(ctx, &dynamodb.ScanInput{TableName: m.table})
	if err != nil || len(out.Items) != 1 || len(out.Items[0]["q"].(*types.AttributeValueMemberSS).Value) != 2 {
		t.Errorf("the table has %d items, %v; want the first one with two members", len(out.Items), err)
	}
}

func TestUnmeteredRequests(t *testing.T) {
	m := newMetered(t)
	_, err := m.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: m.table, Item: named("grant#1")}},
	}})
	wantAPIError(t, err, "ValidationException", "TransactWriteItems is not metered")
	if out, err := m.Scan(t.Context(), &dynamodb.ScanInput{TableName: m.table}); err != nil || out.Count != 0 {
		t.Errorf("the table has %+v, %v; want no item", out, err)
	}
	if _, err := m.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: m.table}); err != nil {
		t.Error(err)
	}
	_, err = m.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("none"), Key: named("x")})
	wantAPIError(t, err, "ResourceNotFoundException", "")
	m.wants(Call{Operation: "TransactWriteItems", Failed: "ValidationException"}, Call{Operation: "Scan", Read: 0.5},
		Call{Operation: "DescribeTable"}, Call{Operation: "GetItem", Failed: "ResourceNotFoundException"})
}

func TestSum(t *testing.T) {
	got := Sum([]Call{{Read: 1.5}, {Write: 2, IndexWrite: map[string]int{"a": 1, "b": 2}}, {Read: 0.5, Failed: "X"}})
	if want := (Cost{Calls: 3, Read: 2, Write: 5}); got != want {
		t.Errorf("Sum = %+v, want %+v", got, want)
	}
}
