package policy_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/test/must"
)

var (
	preset = regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| (.*(?:loopback|`https://).*) \\|$")
	uri    = regexp.MustCompile("`([^`]+://[^`]+)`")
)

// TestDocumentedPresets registers the redirect URIs of the table and compares
// its loopback column.
func TestDocumentedPresets(t *testing.T) {
	var names []string
	for _, row := range preset.FindAllStringSubmatch(string(must.ReadFile(t, "../../../docs/configuration.md")), -1) {
		name := row[1]
		if !slices.Contains(policy.Presets(), name) {
			continue // a row of another table
		}
		names = append(names, name)
		p := redirectProfile(t, `{"presets": ["`+name+`"]}`)
		for _, m := range uri.FindAllStringSubmatch(row[2], -1) {
			if u := strings.ReplaceAll(m[1], "/*", "/x1"); !allows(t, p, u) {
				t.Errorf("preset %s refuses %s", name, u)
			}
		}
		if got, want := allows(t, p, "http://localhost:4711/x"), strings.Contains(row[2], "loopback"); got != want {
			t.Errorf("preset %s allows loopback: %t, documented: %t", name, got, want)
		}
		if allows(t, p, "https://evil.example/x1") {
			t.Errorf("preset %s allows https://evil.example/x1", name)
		}
	}
	if want := policy.Presets(); !slices.Equal(names, want) {
		t.Errorf("documented presets %q, want %q", names, want)
	}
}
