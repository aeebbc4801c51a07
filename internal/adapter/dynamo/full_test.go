package dynamo_test

import (
	"encoding/binary"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/dynamodbtest"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/meter"
)

// DynamoDB refuses a write that would make an item larger than 400 KB. moto does
// so for PutItem only, so the proxy refuses updates as DynamoDB does.
func TestStore_takes_a_full_item_for_an_exhausted_budget(t *testing.T) {
	e := dynamodbtest.Endpoint(t)
	table := newTable(t, e)
	proxy := httptest.NewServer(meter.New(e))
	t.Cleanup(proxy.Close)
	clock := fake.NewClock()
	s := dynamo.New(newClient(proxy.URL, http.DefaultTransport), table, clock.Now)

	// moto refuses an item of that size in PutItem, so the set grows to it.
	members := make([][]byte, (records.MaxItem-100)/16)
	for i := range members {
		members[i] = binary.BigEndian.AppendUint64(make([]byte, 8), uint64(i))
	}
	const first = 25_000
	for key, column := range map[string]string{"budget#b": "members", "iat#t": "uses"} {
		it := map[string]types.AttributeValue{
			"pk":       &types.AttributeValueMemberS{Value: key},
			"schema":   &types.AttributeValueMemberN{Value: "1"},
			"version":  &types.AttributeValueMemberN{Value: "1"},
			"max_uses": &types.AttributeValueMemberN{Value: "1000000"},
			"body":     &types.AttributeValueMemberS{Value: "{}"},
			column:     &types.AttributeValueMemberBS{Value: members[:first]},
		}
		direct := newClient(e, http.DefaultTransport)
		if _, err := direct.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: it}); err != nil {
			t.Fatal(err)
		}
		_, err := direct.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: &table, Key: map[string]types.AttributeValue{"pk": it["pk"]}, UpdateExpression: aws.String("ADD #set :rest"),
			ExpressionAttributeNames:  map[string]string{"#set": column},
			ExpressionAttributeValues: map[string]types.AttributeValue{":rest": &types.AttributeValueMemberBS{Value: members[first:]}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	take := func(member string) error {
		return s.TakeBudget(t.Context(), broker.Budget{Key: "b", Limit: 1_000_000}, member)
	}
	use := func(member string) error { return s.UseInitialAccessToken(t.Context(), "t", member) }
	for name, call := range map[string]func(string) error{"take": take, "use": use} {
		var err error
		for i := 0; i < 10 && err == nil; i++ {
			err = call(strings.Repeat("m", i+1))
		}
		if !errors.Is(err, broker.ErrExhausted) {
			t.Errorf("%s: got error %v, want %v", name, err, broker.ErrExhausted)
		}
	}
}
