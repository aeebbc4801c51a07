package dynamo_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/dynamodbtest"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// These are the attributes that DynamoDB's TTL and operators' tools read.
func TestStore_writes_attributes(t *testing.T) {
	e := dynamodbtest.Endpoint(t)
	clock := fake.NewClock()
	table := newTable(t, e)
	client := newClient(e, transport(send))
	s := dynamo.New(client, table, clock.Now)
	attributes := func(key string) map[string]types.AttributeValue {
		t.Helper()
		out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{
			TableName: &table,
			Key:       map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: key}},
		})
		if err != nil || out.Item == nil {
			t.Fatalf("get %s: got %v and error %v", key, out, err)
		}
		return out.Item
	}
	const never = "253402300799" // not due, but in the index
	number := func(at time.Time) string { return fmt.Sprint(at.Unix()) }
	// expect compares attributes; "" means that the attribute must be absent.
	expect := func(key string, want map[string]string) {
		t.Helper()
		it := attributes(key)
		for name, w := range want {
			got := ""
			switch v := it[name].(type) {
			case *types.AttributeValueMemberS:
				got = v.Value
			case *types.AttributeValueMemberN:
				got = v.Value
			}
			if got != w {
				t.Errorf("%s: attribute %s: got %q, want %q", key, name, got, w)
			}
		}
	}
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	expires := clock.Second().Add(time.Hour)
	r := &broker.Registration{
		ClientID: "c1", Generation: "g1", Mode: broker.ModeDirect, State: broker.RegistrationActive,
		Metadata: dcr.ClientMetadata{RedirectURIs: []string{"https://client.example/cb"}},
		IssuedAt: clock.Second(), ExpiresAt: expires,
	}
	try(s.CreateRegistration(t.Context(), r))
	expect("registration#c1", map[string]string{
		"schema": "1", "expires_at": number(expires), "ttl": number(expires), "generation": "g1", "state": "active", "due": "", "due_at": "",
	})
	r.AppClient = "a1"
	try(s.ReplaceRegistration(t.Context(), r))
	expect("registration#c1", map[string]string{"expires_at": number(expires), "ttl": ""})
	r.AppClient = ""
	try(s.ReplaceRegistration(t.Context(), r))
	expect("registration#c1", map[string]string{"expires_at": number(expires), "ttl": number(expires)})

	a := &broker.AppClient{Key: "a1", State: broker.AppClientCreating, Profile: "open", CreatedAt: clock.Second(), Due: expires}
	try(s.CreateAppClient(t.Context(), a))
	expect("appclient#a1", map[string]string{"schema": "1", "ttl": "", "due_at": number(expires)})
	a.Due = time.Time{}
	try(s.ReplaceAppClient(t.Context(), a))
	expect("appclient#a1", map[string]string{"due_at": never, "version": "2"}) // never due, but in the index

	r.ExpiresAt, r.Due = time.Time{}, expires
	try(s.ReplaceRegistration(t.Context(), r))
	expect("registration#c1", map[string]string{"due_at": number(expires), "ttl": ""})
	r.Due = time.Time{}
	try(s.ReplaceRegistration(t.Context(), r))
	expect("registration#c1", map[string]string{"due_at": never})

	try(s.CreateInitialAccessToken(t.Context(), &credential.InitialAccessToken{ID: "t1", ExpiresAt: expires}))
	expect("iat#t1", map[string]string{"schema": "1", "due_at": never, "ttl": ""})

	try(s.TakeBudget(t.Context(), broker.Budget{Key: "b1", Limit: 1, ExpiresAt: expires}, "m"))
	expect("budget#b1", map[string]string{"schema": "1", "ttl": number(expires)})
	try(s.TakeBudget(t.Context(), broker.Budget{Key: "b2", Limit: 1}, "m"))
	expect("budget#b2", map[string]string{"schema": "1", "expires_at": "", "ttl": ""})

	try(s.Count(t.Context(), broker.Counter{Key: "c1", Limit: 4, ExpiresAt: expires}))
	expect("counter#c1", map[string]string{"schema": "1", "count": "1", "ttl": number(expires)})
}

// An item that another program wrote is an error, and never an incomplete
// record.
func TestStore_refuses_items_of_an_unknown_form(t *testing.T) {
	e := dynamodbtest.Endpoint(t)
	clock := fake.NewClock()
	table := newTable(t, e)
	client := newClient(e, transport(send))
	s := dynamo.New(client, table, clock.Now)
	str := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	num := func(v string) types.AttributeValue { return &types.AttributeValueMemberN{Value: v} }
	for _, tt := range []struct {
		attribute string
		value     types.AttributeValue // nil removes it
		want      string
	}{
		{"schema", num("2"), "column schema: is 2"}, // a newer program wrote it
		{"schema", nil, "column schema: is missing"},
		{"version", str("1"), "column version: is missing or of another type"},
		{"version", num("1.5"), "column version"},
		{"generation", nil, "column generation: is missing"},
		{"last_used_at", str("1"), "column last_used_at: is missing or of another type"},
		{"body", nil, "column body: is missing"},
		{"body", str(`{"metadata":{"redirect_uris":1}}`), "column body"},
		{"body", str(`{`), "column body"},
		{"body", str(`{"access_tokens":{"current":"abc"}}`), "not a SHA-256"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			r := &broker.Registration{ClientID: credential.NewID(), Generation: "g", IssuedAt: clock.Second()}
			if err := s.CreateRegistration(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			in := &dynamodb.UpdateItemInput{
				TableName:                &table,
				Key:                      map[string]types.AttributeValue{"pk": str("registration#" + r.ClientID)},
				UpdateExpression:         aws.String("REMOVE #a"),
				ExpressionAttributeNames: map[string]string{"#a": tt.attribute},
			}
			if tt.value != nil {
				in.UpdateExpression = aws.String("SET #a = :v")
				in.ExpressionAttributeValues = map[string]types.AttributeValue{":v": tt.value}
			}
			if _, err := client.UpdateItem(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			got, err := s.Registration(t.Context(), r.ClientID)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), r.ClientID) {
				t.Errorf("read: got %+v and error %v, want an error with %q about %s", got, err, tt.want, r.ClientID)
			}
		})
	}
}
