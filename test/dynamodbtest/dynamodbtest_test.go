package dynamodbtest

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// outcome is the result of a test.
type outcome struct{ skipped, failed string }

func (*outcome) Helper() {}

func (o *outcome) Skipf(format string, args ...any) { o.skipped = fmt.Sprintf(format, args...) }

func (o *outcome) Fatalf(format string, args ...any) { o.failed = fmt.Sprintf(format, args...) }

func TestEndpoint(t *testing.T) {
	const origin = "http://127.0.0.1:8000"
	for _, tt := range []struct {
		name                string
		endpoint, require   string
		skips, fails, wants bool
	}{
		{name: "configured", endpoint: origin, wants: true},
		{name: "configured and required", endpoint: origin, require: "1", wants: true},
		{name: "not configured", skips: true},
		{name: "required but not configured", require: "1", fails: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := map[string]string{"DYNAMODB_ENDPOINT": tt.endpoint, "REQUIRE_DYNAMODB": tt.require}
			var o outcome
			got := endpoint(&o, func(name string) string { return env[name] })
			if (o.skipped != "") != tt.skips || (o.failed != "") != tt.fails {
				t.Errorf("skipped %q, failed %q; want skipped: %t, failed: %t", o.skipped, o.failed, tt.skips, tt.fails)
			}
			if (got == origin) != tt.wants {
				t.Errorf("endpoint = %q, want the origin: %t", got, tt.wants)
			}
		})
	}
}

// A test that reads the variable itself could be skipped where DynamoDB is
// required.
func TestOtherTestsCallEndpoint(t *testing.T) {
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == "test/dynamodbtest" || d.Name() == "node_modules" || path != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := fs.ReadFile(root, path)
		if bytes.Contains(source, []byte(`nv("`+endpointVariable+`")`)) {
			t.Errorf("%s reads %s, want a call of Endpoint", path, endpointVariable)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
