package dynamodbtest

import (
	"fmt"
	"testing"
)

// outcome is what a test came to.
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
		{name: "there is one", endpoint: origin, wants: true},
		{name: "there is one and it is required", endpoint: origin, require: "1", wants: true},
		{name: "there is none", skips: true},
		{name: "there is none and it is required", require: "1", fails: true},
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
