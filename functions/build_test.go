package functions

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/must"
)

// Everyone can build the deployed version and compare: a build in another
// directory, without git and with other variables set, gives the same bytes. (Go
// promises that its compiler and linker are deterministic, so both builds use the
// build cache.)
func TestBuildIsReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("a function was not built a second time: run without -short")
	}
	here, err := bootstraps()
	if err != nil {
		t.Fatal(err)
	}
	clone := filepath.Join(t.TempDir(), "another", "place")
	for _, dir := range []string{"pkg", "internal", "functions", "scripts"} {
		if err := os.CopyFS(filepath.Join(clone, dir), os.DirFS(filepath.Join("..", dir))); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		b := must.ReadFile(t, filepath.Join("..", file))
		if err := os.WriteFile(filepath.Join(clone, file), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GOFLAGS", "-ldflags=-X=main.who=me")
	t.Setenv("GOAMD64", "v2")
	t.Setenv("CGO_ENABLED", "1")
	there := filepath.Join(t.TempDir(), "out")
	if err := build(clone, there, "metadata"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(runtime.GOARCH, "metadata", "bootstrap")
	a := must.ReadFile(t, filepath.Join(here, path))
	b := must.ReadFile(t, filepath.Join(there, path))
	if !bytes.Equal(a, b) {
		t.Errorf("two builds differ (%d and %d bytes)", len(a), len(b))
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(a, []byte(root)) {
		t.Errorf("the binary names the directory it was built in, %s", root)
	}
	if bytes.Contains(a, []byte(".symtab")) {
		t.Error("the binary is not stripped")
	}
}
