package dcrbroker_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	dcrbroker "github.com/dcr-broker/dcr-broker/infra/cdk"
	"github.com/dcr-broker/dcr-broker/test/cfn"
)

// call is a call of DynamoDB. resource is the table, or an index of it.
type call struct{ action, resource, key string }

// stored returns the items of config/broker.json as the first version of the
// configuration, by their keys (docs/storage.md).
func stored(t *testing.T) map[string]string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "..", "config", "broker.json"))
	if err != nil {
		t.Fatal(err)
	}
	digest := fmt.Sprintf("%x", sha256.Sum256(body))
	item := func(key, column, value string) string {
		b, err := json.Marshal(map[string]any{
			"pk": map[string]string{"S": key}, "schema": map[string]string{"N": "1"}, "version": map[string]string{"N": "1"},
			column: map[string]string{"S": value},
		})
		if err != nil {
			t.Fatal(err)
		}
		return `{"Item":` + string(b) + `}`
	}
	const head = "config#head"
	document := "config#1#" + digest
	return map[string]string{
		head:     item(head, "body", `{"versions":[{"number":1,"schema":1,"digest":"`+digest+`","by":"test","at":"2026-01-01T00:00:00Z"}]}`),
		document: item(document, "document", string(body)),
	}
}

// dcrctl runs dcrctl and returns its calls of DynamoDB. The table has only a
// configuration, but each partition of its indexes has an entry.
func dcrctl(t *testing.T, args ...string) []call {
	t.Helper()
	items := stored(t)
	var mu sync.Mutex
	var calls []call
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			IndexName string
			Item, Key struct {
				PK struct{ S string } `json:"pk"`
			}
			ExpressionAttributeValues map[string]struct{ S string }
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		resource := "${Table.Arn}"
		if in.IndexName != "" {
			resource += "/index/" + in.IndexName
		}
		mu.Lock()
		calls = append(calls, call{"dynamodb:" + operation, resource, in.Item.PK.S + in.Key.PK.S})
		mu.Unlock()
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		kind := "grant"
		if in.IndexName == "due" {
			kind, _, _ = strings.Cut(in.ExpressionAttributeValues[":v0"].S, "#")
		}
		if operation == "Query" {
			fmt.Fprintf(w, `{"Items":[{"pk":{"S":"%s#0123456789abcdef"}}]}`, kind)
			return
		}
		if item := items[in.Key.PK.S]; operation == "GetItem" && item != "" {
			io.WriteString(w, item)
			return
		}
		io.WriteString(w, "{}")
	}))
	defer srv.Close()
	binary, err := dcrctlBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, args...)
	cmd.Env = []string{
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_EC2_METADATA_DISABLED=true",
		"TABLE_NAME=dcr", "DYNAMODB_ENDPOINT=" + srv.URL, "HOME=" + t.TempDir(),
	}
	const notFound = 3 // the table has nothing else
	if out, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() != notFound {
		t.Fatalf("dcrctl %v: %v: %s", args, err, out)
	}
	mu.Lock()
	defer mu.Unlock()
	return calls
}

var dcrctlBinary = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(dist, "dcrctl")
	cmd := exec.Command("go", "build", "-o", binary, "./cmd/dcrctl")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Stderr = os.Stderr
	return binary, cmd.Run()
})

// GrantMintInitialAccessTokens and GrantOperate allow the calls of the commands.
func TestOperatorsNeedWhatTheGrantsAllow(t *testing.T) {
	mint := dcrctl(t, "iat", "create", "--profile", "trusted")
	for _, c := range mint {
		if !(c.action == "dynamodb:PutItem" && strings.HasPrefix(c.key, "iat#")) && !(c.action == "dynamodb:GetItem" && strings.HasPrefix(c.key, "config#")) {
			t.Errorf("dcrctl iat create calls %v, want only PutItem with a key that begins with iat#, and GetItem of the configuration", c)
		}
	}
	if len(mint) != 3 {
		t.Errorf("dcrctl iat create makes %d calls, %v, want two reads of the configuration and a write", len(mint), mint)
	}
	w := newWorld(t)
	w.add(dcrbroker.Props{}).GrantOperate(awsiam.NewRole(w.stack, jsii.String("Operator"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()}))
	template := read(t, w.template())
	renameIDs(t, template)
	allowed := grantsOf(t, template, "Operator")
	called := make(map[cfn.Grant]bool)
	for _, args := range [][]string{
		{"iat", "list"}, {"iat", "show", "0123456789abcdef"}, {"iat", "revoke", "0123456789abcdef"}, {"client", "list"}, {"client", "list", "--unused"},
		{"grant", "list"}, {"grant", "list", "--client", "c"}, {"grant", "list", "--user", "u"}, {"stats"},
	} {
		calls := dcrctl(t, args...)
		if len(calls) == 0 {
			t.Errorf("dcrctl %v calls nothing", args)
		}
		for _, c := range calls {
			g := cfn.Grant{Action: c.action, Resource: c.resource}
			if called[g] = true; !slices.Contains(allowed, g) {
				t.Errorf("dcrctl %v calls %s, which GrantOperate does not allow", args, g)
			}
		}
	}
	for _, g := range allowed {
		if (g.Action == "dynamodb:Query" || g.Action == "dynamodb:BatchGetItem" || g.Action == "dynamodb:Scan") && !called[g] {
			t.Errorf("GrantOperate allows %s, which no command calls", g)
		}
	}
}
