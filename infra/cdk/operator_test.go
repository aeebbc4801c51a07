package dcrbroker_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// call is a call of DynamoDB.
type call struct{ action, key string }

// dcrctl runs dcrctl and returns its calls of DynamoDB.
func dcrctl(t *testing.T, args ...string) []call {
	t.Helper()
	var mu sync.Mutex
	var calls []call
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			TableName string
			Item, Key struct {
				PK struct{ S string } `json:"pk"`
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		mu.Lock()
		calls = append(calls, call{"dynamodb:" + operation, in.Item.PK.S + in.Key.PK.S})
		mu.Unlock()
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.Write([]byte("{}"))
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
	const notFound = 3 // the table is empty
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
	if len(mint) != 1 || mint[0].action != "dynamodb:PutItem" || !strings.HasPrefix(mint[0].key, "iat#") {
		t.Errorf("dcrctl iat create calls %v, want one PutItem with a key that begins with iat#", mint)
	}
	for _, args := range [][]string{{"iat", "list"}, {"iat", "revoke", "0123456789abcdef"}, {"client", "list"}, {"grant", "list"}} {
		calls := dcrctl(t, args...)
		if len(calls) == 0 {
			t.Errorf("dcrctl %v calls nothing", args)
		}
		for _, c := range calls {
			if !slices.Contains(operate(t), c.action) {
				t.Errorf("dcrctl %v calls %s, which GrantOperate does not allow", args, c.action)
			}
		}
	}
}
