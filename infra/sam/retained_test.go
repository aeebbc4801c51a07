package sam

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/test/cfn"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// tableOfTests returns the table that internal/adapter/dynamo.CreateTable
// creates, as a resource of a template.
func tableOfTests(t *testing.T) *cfn.Resource {
	t.Helper()
	properties := make(map[string]json.RawMessage)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		switch op := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810."); op {
		case "CreateTable", "UpdateTimeToLive":
			if err := json.Unmarshal(body, &properties); err != nil {
				t.Error(err)
			}
			io.WriteString(w, `{}`)
		case "DescribeTable":
			io.WriteString(w, `{"Table":{"TableStatus":"ACTIVE"}}`)
		default:
			t.Errorf("CreateTable calls %s", op)
		}
	}))
	defer srv.Close()
	client := dynamodb.New(dynamodb.Options{Region: "us-east-1", BaseEndpoint: aws.String(srv.URL), Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")})
	if err := dynamo.CreateTable(t.Context(), client, "table"); err != nil {
		t.Fatal(err)
	}
	delete(properties, "TableName")
	b := must.Marshal(t, map[string]any{"Resources": map[string]any{"Table": map[string]any{"Type": "AWS::DynamoDB::Table", "Properties": properties}}})
	template, err := cfn.Read(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return template.Resources["Table"]
}

func TestTableMatchesTheCode(t *testing.T) {
	want := tableOfTests(t)
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		got := one(t, template, "AWS::DynamoDB::Table")
		protected := "true"
		if s.parameters["RemovalPolicy"] == "Delete" {
			protected = "false"
		}
		if got.Text("PointInTimeRecoverySpecification") != `{"PointInTimeRecoveryEnabled":"true"}` || got.Text("DeletionProtectionEnabled") != protected {
			t.Errorf("the table has %s and deletion protection %s", got.Text("PointInTimeRecoverySpecification"), got.Text("DeletionProtectionEnabled"))
		}
		delete(got.Properties, "PointInTimeRecoverySpecification")
		delete(got.Properties, "DeletionProtectionEnabled")
		only := func(r *cfn.Resource) *cfn.Template {
			return &cfn.Template{Resources: map[string]*cfn.Resource{"Table": {ID: "Table", Type: r.Type, Properties: r.Properties}}}
		}
		for _, d := range cfn.Differences(only(got), only(want)) {
			t.Errorf("template and internal/adapter/dynamo differ: %s", d)
		}
	})
}

func TestWhatIsRetainedWhenTheStackIsDeleted(t *testing.T) {
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		policy := "Retain"
		if s.parameters["RemovalPolicy"] != "" {
			policy = s.parameters["RemovalPolicy"]
		}
		for id, want := range map[string]string{
			"Table": policy, "Keys": policy,
			"UserPool": "Retain", "UserPoolDomain": "Retain", "UserPoolResourceServer": "Retain", // the pool has the accounts of users
		} {
			r := template.Resources[id]
			if made := s.pool == madePool; strings.HasPrefix(id, "UserPool") && !made {
				if r != nil {
					t.Errorf("%s exists beside an existing pool", id)
				}
				continue
			}
			if r == nil || r.DeletionPolicy != want || r.UpdateReplacePolicy != want {
				t.Errorf("%s is %+v, want both its policies to be %s", id, r, want)
			}
		}
	})
}

// The broker can use the secret that Secrets Manager generates.
func TestKeysAreADocumentOfKeys(t *testing.T) {
	keys := one(t, sets[0].template(t), "AWS::SecretsManager::Secret")
	generate := func(name string) string { return keys.Text("GenerateSecretString", name) }
	length, err := strconv.Atoi(generate("PasswordLength"))
	if err != nil || generate("ExcludePunctuation") != "true" {
		t.Fatalf("the secret is %v", keys.Properties)
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(generate("SecretStringTemplate")), &document); err != nil {
		t.Fatal(err)
	}
	document[generate("GenerateStringKey")] = strings.Repeat("aZ09", length)[:length]
	b := must.Marshal(t, document)
	ring, err := seal.Parse(b)
	if err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	if plain, err := ring.Open("test", "owner", ring.Seal("test", "owner", "plain")); plain != "plain" || err != nil {
		t.Errorf("opened %q, %v", plain, err)
	}
}

func TestNewUserPool(t *testing.T) {
	each(t, func(t *testing.T, s set, template *cfn.Template) {
		if s.pool != madePool {
			return
		}
		pool, domain := template.Resources["UserPool"], template.Resources["UserPoolDomain"]
		if pool.Text("AdminCreateUserConfig", "AllowAdminCreateUserOnly") != "true" || pool.Text("UserPoolTier") != "ESSENTIALS" || pool.Text("DeletionProtection") != "ACTIVE" {
			t.Errorf("the pool is %v, want one without self sign-up, on Essentials, with deletion protection", pool.Properties)
		}
		version := "2"
		if s.direct {
			version = "1"
		}
		if got, env := domain.Text("ManagedLoginVersion"), template.Environment("JanitorFunction")["LOGIN_VERSION"]; got != version || env != version {
			t.Errorf("the domain has login version %s, LOGIN_VERSION is %s, want %s", got, env, version)
		}
		server := template.Resources["UserPoolResourceServer"]
		var scopes []string
		list, _ := server.Get("Scopes").([]any)
		for _, sc := range list {
			scopes = append(scopes, server.Text("Identifier")+"/"+sc.(map[string]any)["ScopeName"].(string))
		}
		want := []string{"mcp/read", "mcp/write"}
		if s.parameters["Scope1"] != "" {
			want = []string{"mcp/" + s.parameters["Scope1"]}
		}
		if !slices.Equal(scopes, want) {
			t.Errorf("the resource server has the scopes %q, want %q", scopes, want)
		}
	})
}
