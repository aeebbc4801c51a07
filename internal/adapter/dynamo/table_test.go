package dynamo

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// described returns the table as DynamoDB describes it.
func described(in *dynamodb.CreateTableInput) *types.TableDescription {
	d := &types.TableDescription{TableStatus: types.TableStatusActive, KeySchema: in.KeySchema, AttributeDefinitions: in.AttributeDefinitions}
	for _, x := range in.GlobalSecondaryIndexes {
		d.GlobalSecondaryIndexes = append(d.GlobalSecondaryIndexes, types.GlobalSecondaryIndexDescription{
			IndexName: x.IndexName, KeySchema: x.KeySchema, Projection: x.Projection, IndexStatus: types.IndexStatusActive,
		})
	}
	return d
}

func TestShapeFaults(t *testing.T) {
	want := definition("t")
	for _, tt := range []struct {
		name   string
		change func(*types.TableDescription)
		text   string // "" for no fault
	}{
		{"as CreateTable makes it", func(*types.TableDescription) {}, ""},
		{"an additional index", func(d *types.TableDescription) {
			d.GlobalSecondaryIndexes = append(d.GlobalSecondaryIndexes, types.GlobalSecondaryIndexDescription{IndexName: aws.String("mine")})
		}, ""},
		{"without the index of grants", func(d *types.TableDescription) {
			d.GlobalSecondaryIndexes = slices.Delete(d.GlobalSecondaryIndexes, 1, 2)
		}, `the index "client" is missing`},
		{"an index that is being created", func(d *types.TableDescription) {
			d.GlobalSecondaryIndexes[0].IndexStatus = types.IndexStatusCreating
		}, `the index "due" is CREATING`},
		{"an index without its sort key", func(d *types.TableDescription) {
			d.GlobalSecondaryIndexes[0].KeySchema = d.GlobalSecondaryIndexes[0].KeySchema[:1]
		}, `the key of the index "due" is HASH due (S), want HASH due (S), RANGE due_at (N)`},
		{"another key", func(d *types.TableDescription) {
			d.KeySchema = []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}}
		}, "the key is HASH id (?), want HASH pk (S)"},
		{"being deleted", func(d *types.TableDescription) { d.TableStatus = types.TableStatusDeleting }, "it is DELETING"},
	} {
		d := described(definition("t"))
		tt.change(d)
		if got := strings.Join(shapeFaults(want, d), "; "); got != tt.text {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.text)
		}
	}
}

func TestTTLFaults(t *testing.T) {
	for _, tt := range []struct {
		d    *types.TimeToLiveDescription
		want string
	}{
		{&types.TimeToLiveDescription{TimeToLiveStatus: types.TimeToLiveStatusEnabled, AttributeName: aws.String("ttl")}, ""},
		{&types.TimeToLiveDescription{TimeToLiveStatus: types.TimeToLiveStatusEnabled, AttributeName: aws.String("expires_at")}, `time to live is on "expires_at"`},
		{&types.TimeToLiveDescription{TimeToLiveStatus: types.TimeToLiveStatusDisabled}, "time to live is off"},
		{nil, "time to live is off"},
	} {
		if got := strings.Join(ttlFaults(tt.d), "; "); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.d, got, tt.want)
		}
	}
}
