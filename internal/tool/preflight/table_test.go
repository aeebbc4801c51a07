package preflight

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/dcr-broker/dcr-broker/internal/environment"
)

// onTable returns a run on a DynamoDB that answers each operation with this
// JSON, or, if the text begins with a name instead, with the error of that name.
func onTable(t *testing.T, answers map[string]string) *run {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ IndexName string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810.")
		if in.IndexName != "" {
			operation += " " + in.IndexName
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		answer, ok := answers[operation]
		switch {
		case !ok:
			answer = "{}"
		case !strings.HasPrefix(answer, "{"):
			w.WriteHeader(http.StatusBadRequest)
			answer = fmt.Sprintf(`{"__type":%q}`, "com.amazonaws.dynamodb.v20120810#"+answer)
		}
		io.WriteString(w, answer)
	}))
	t.Cleanup(srv.Close)
	credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
	})
	return &run{
		Options:     Options{Environment: &environment.Environment{Server: brokered, Storage: environment.Storage{Table: "dcr"}}},
		tableUsable: true,
		dynamo:      dynamodb.New(dynamodb.Options{Region: "us-east-1", BaseEndpoint: &srv.URL, Credentials: credentials, Retryer: aws.NopRetryer{}}),
	}
}

const timeToLive = `{"TimeToLiveDescription":{"AttributeName":"ttl","TimeToLiveStatus":"ENABLED"}}`

// description returns a table with indexes that have these keys.
func description(keys string) string {
	return `{"Table":{"TableStatus":"ACTIVE","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],
		"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"due","AttributeType":"S"},
			{"AttributeName":"due_at","AttributeType":"N"},{"AttributeName":"client","AttributeType":"S"},
			{"AttributeName":"user","AttributeType":"S"},{"AttributeName":"standing","AttributeType":"S"}],
		"GlobalSecondaryIndexes":[` + keys + `]}}`
}

func index(name, status string, keys ...string) string {
	roles := []string{"HASH", "RANGE"}
	for i := range keys {
		keys[i] = fmt.Sprintf(`{"AttributeName":%q,"KeyType":%q}`, keys[i], roles[i])
	}
	return fmt.Sprintf(`{"IndexName":%q,"IndexStatus":%q,"KeySchema":[%s]}`, name, status, strings.Join(keys, ","))
}

func TestTable(t *testing.T) {
	due, client := index("due", "ACTIVE", "due", "due_at"), index("client", "ACTIVE", "client")
	for _, tt := range []struct {
		name, table, timeToLive, want string
	}{
		{"as the template makes it", description(due + "," + client + "," + index("user", "ACTIVE", "user")), timeToLive,
			"ok table: dcr with its indexes and time to live"},
		{"of an earlier build", description(due + "," + index("client", "ACTIVE", "standing")), timeToLive,
			`fail table: dcr: the key of the index "client" is HASH standing (S), want HASH client (S); the index "user" is missing -> use another table: deploy this version as a new stack`},
		{"without an index", description(due + "," + client), timeToLive,
			`fail table: dcr: the index "user" is missing -> use another table`},
		{"an index that is being made", description(due + "," + client + "," + index("user", "CREATING", "user")), timeToLive,
			`fail table: dcr: the index "user" is CREATING -> wait if`},
		{"without time to live", description(due + "," + client + "," + index("user", "ACTIVE", "user")), `{}`,
			`fail table: dcr: time to live is off, want it on "ttl" -> wait if the table was made or changed just now; otherwise set it up as described in docs/storage.md`},
		{"none", "ResourceNotFoundException", timeToLive, "fail table: there is no table dcr"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := onTable(t, map[string]string{"DescribeTable": tt.table, "DescribeTimeToLive": tt.timeToLive})
			r.table(t.Context())
			if got := r.text(); !strings.HasPrefix(got, tt.want) {
				t.Errorf("got\n%swant %q", got, tt.want)
			}
		})
	}
}

// Each call that dcrctl makes is tried, and named if it is not allowed.
func TestTableCalls(t *testing.T) {
	for operation, want := range map[string]string{
		"GetItem": "dynamodb:GetItem", "BatchGetItem": "dynamodb:BatchGetItem", "PutItem": "dynamodb:PutItem", "UpdateItem": "dynamodb:UpdateItem",
		"DeleteItem": "dynamodb:DeleteItem", "Scan": "dynamodb:Scan", "Query due": "dynamodb:Query on the index due",
		"Query client": "dynamodb:Query on the index client", "Query user": "dynamodb:Query on the index user",
	} {
		r := onTable(t, map[string]string{operation: "AccessDeniedException"})
		r.tableCalls(t.Context())
		if got := r.text(); !strings.HasPrefix(got, "fail iam.dynamodb: your credentials do not allow "+want+" ->") {
			t.Errorf("%s is denied: got %s, want only that %s is not allowed", operation, got, want)
		}
	}
}
