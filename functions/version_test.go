package functions

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/must"
)

// The first line in the log of a function has its version.
func TestFunctionsLogTheirVersionAtTheStart(t *testing.T) {
	t.Parallel()
	w := newBrokeredWorld(t, "")
	w.env["LAMBDA_ENDPOINT"] = w.pool
	mains, err := filepath.Glob("*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("%d functions, %v", len(mains), err)
	}
	for _, path := range mains {
		name := filepath.Dir(path)
		f := w.function(name)
		if _, err := f.Start(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		f.Close()
		first, _, _ := strings.Cut(f.Logs(), "\n")
		if want := `"msg":"started","issuer":"auth.example.com","version":"` + cmp.Or(os.Getenv("VERSION"), "dev") + `"}`; !strings.HasSuffix(first, want) {
			t.Errorf("%s logged %q first, want %s", name, first, want)
		}
	}
}

func TestBuildStampsTheVersion(t *testing.T) {
	const version = "v1.2.3-rc.1+local"
	t.Setenv("VERSION", version)
	dir := t.TempDir()
	if err := build("..", dir, "metadata"); err != nil {
		t.Fatal(err)
	}
	b := must.ReadFile(t, filepath.Join(dir, runtime.GOARCH, "metadata", "bootstrap"))
	if !strings.Contains(string(b), version) {
		t.Errorf("the bootstrap does not have VERSION=%s", version)
	}
	t.Setenv("VERSION", "v1 -X main.who=me") // VERSION becomes part of the linker's flags
	if err := build("..", dir, "metadata"); err == nil || !strings.Contains(err.Error(), "VERSION") {
		t.Errorf("build = %v, want a refusal", err)
	}
}
