package localserver

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

func TestOrigin(t *testing.T) {
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
			for _, s := range []Server{DynamoDB, MotoCognito} {
				env := map[string]string{s.Variable: tt.endpoint, s.Require: tt.require}
				var o outcome
				got := s.origin(&o, func(name string) string { return env[name] })
				if (o.skipped != "") != tt.skips || (o.failed != "") != tt.fails {
					t.Errorf("%s: skipped %q, failed %q; want skipped: %t, failed: %t", s.Name, o.skipped, o.failed, tt.skips, tt.fails)
				}
				if (got == origin) != tt.wants {
					t.Errorf("%s: origin = %q, want the one configured: %t", s.Name, got, tt.wants)
				}
			}
		})
	}
}

// A test that reads the variable itself could be skipped where the server is
// required.
func TestOtherTestsCallOrigin(t *testing.T) {
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == "test/localserver" || d.Name() == "node_modules" || path != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := fs.ReadFile(root, path)
		for _, s := range []Server{DynamoDB, MotoCognito} {
			if bytes.Contains(source, []byte(`nv("`+s.Variable+`")`)) {
				t.Errorf("%s reads %s, want a call of Origin", path, s.Variable)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
