package signed_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/internal/adapter/signed"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/contract"
	"github.com/dcr-broker/dcr-broker/test/dynamodbtest"
)

func configAt(endpoint string) aws.Config {
	return aws.Config{
		Region: "eu-central-1", BaseEndpoint: &endpoint, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	}
}

// newTable makes an empty table and returns its name.
func newTable(t *testing.T, client *dynamodb.Client) string {
	t.Helper()
	table := "dcr-" + credential.NewID()
	if err := dynamo.CreateTable(t.Context(), client, table); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &table}); err != nil {
			t.Errorf("delete table: %v", err)
		}
	})
	return table
}

// readSigned is a store whose reads are signed requests.
type readSigned struct {
	configuration.Reader
	store configuration.Store
}

func (s readSigned) Append(ctx context.Context, v configuration.Version, body []byte) error {
	return s.store.Append(ctx, v, body)
}

// Signed requests read what a client of DynamoDB has written.
func TestConfigurationStore(t *testing.T) {
	sdk := configAt(dynamodbtest.Endpoint(t))
	client := dynamodb.NewFromConfig(sdk)
	contract.TestConfigurationStore(t, func(t *testing.T) configuration.Store {
		table := newTable(t, client)
		return readSigned{records.NewConfigurationReader(signed.NewItems(sdk, table)), oneAtATime(dynamo.New(client, table, time.Now).Configuration())}
	})
}

// oneAtATime is a store whose Appends do not overlap: moto does not keep
// DynamoDB's promise that no other request writes an item between the condition
// and the write.
func oneAtATime(s configuration.Store) configuration.Store {
	return serialized{s, make(chan struct{}, 1)}
}

type serialized struct {
	configuration.Store
	turn chan struct{}
}

func (s serialized) Append(ctx context.Context, v configuration.Version, body []byte) error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	return s.Store.Append(ctx, v, body)
}

func TestItems(t *testing.T) {
	sdk := configAt(dynamodbtest.Endpoint(t))
	client := dynamodb.NewFromConfig(sdk)
	table := newTable(t, client)
	members := records.Set{{1, 2}, {3}}
	item := map[string]types.AttributeValue{
		"pk":     &types.AttributeValueMemberS{Value: "k\u00e9\"<&>"},
		"text":   &types.AttributeValueMemberS{Value: "\u0000\n\U0001f512"},
		"none":   &types.AttributeValueMemberS{Value: ""},
		"number": &types.AttributeValueMemberN{Value: "-9007199254740993"}, // no float64 has it
		"bytes":  &types.AttributeValueMemberB{Value: []byte("\x00\xff")},
		"nobyte": &types.AttributeValueMemberB{Value: []byte{}},
		"set":    &types.AttributeValueMemberBS{Value: [][]byte{members[0][:], members[1][:]}},
		// No column has these types.
		"bool": &types.AttributeValueMemberBOOL{Value: true},
		"list": &types.AttributeValueMemberL{Value: []types.AttributeValue{&types.AttributeValueMemberS{Value: "x"}}},
		"ss":   &types.AttributeValueMemberSS{Value: []string{"x"}},
		"null": &types.AttributeValueMemberNULL{Value: true},
	}
	if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item}); err != nil {
		t.Fatal(err)
	}
	items := signed.NewItems(sdk, table)
	got, err := items.Get(t.Context(), "Test", "k\u00e9\"<&>")
	want := records.Item{
		"pk": "k\u00e9\"<&>", "text": "\u0000\n\U0001f512", "none": "", "number": int64(-9007199254740993), "bytes": []byte("\x00\xff"), "nobyte": []byte{}, "set": members,
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Get:\n got %#v, %v\nwant %#v", got, err, want)
	}
	if got, err := items.Get(t.Context(), "Test", "other"); got != nil || err != nil {
		t.Errorf("Get of no item = %v, %v, want none", got, err)
	}
	_, err = signed.NewItems(sdk, "none").Get(t.Context(), "Test", "k")
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != "ResourceNotFoundException" {
		t.Errorf("Get of no table: got error %v, want ResourceNotFoundException", err)
	}
}

func TestItemsRefusesWhatNoColumnHas(t *testing.T) {
	for name, reply := range map[string]string{
		"a fraction":            `{"Item":{"n":{"N":"1.5"}}}`,
		"a member of 2 bytes":   `{"Item":{"s":{"BS":["AAA="]}}}`,
		"a member of 0 bytes":   `{"Item":{"s":{"BS":[""]}}}`,
		"a member of 17 bytes":  `{"Item":{"s":{"BS":["AAAAAAAAAAAAAAAAAAAAAAA="]}}}`,
		"bytes without base64":  `{"Item":{"b":{"B":"?"}}}`,
		"half a response":       `{"Item":{"b":`,
		"a response of a proxy": `<html>`,
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, reply) }))
		if got, err := signed.NewItems(configAt(srv.URL), "t").Get(t.Context(), "Test", "k"); err == nil {
			t.Errorf("%s: Get = %v, want an error", name, got)
		}
		srv.Close()
	}
}

// This is the request that DynamoDB documents for GetItem.
func TestItemsRequest(t *testing.T) {
	var got *http.Request
	var body string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		io.WriteString(w, `{}`)
	}))
	defer srv.Close()
	if _, err := signed.NewItems(configAt(srv.URL), "t").Get(t.Context(), "Test", "k"); err != nil {
		t.Fatal(err)
	}
	if want := `{"TableName":"t","Key":{"pk":{"S":"k"}},"ConsistentRead":true}`; body != want {
		t.Errorf("sent %s, want %s", body, want)
	}
	for name, want := range map[string]string{"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.GetItem"} {
		if v := got.Header.Get(name); v != want {
			t.Errorf("%s: %s, want %s", name, v, want)
		}
	}
	if scope := "/eu-central-1/dynamodb/aws4_request"; !strings.Contains(got.Header.Get("Authorization"), scope) {
		t.Errorf("Authorization %q, want the scope %s", got.Header.Get("Authorization"), scope)
	}
}
