// Package golden is test kit: it compares what a test got with a file, and writes
// the file with the flag -update. It leaves out what is volatile: the test
// replaces that first.
package golden

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Update is the flag with which tests write their files.
var Update = flag.Bool("update", false, "write the golden files, and the generated parts of pages")

// File returns the content of a file.
func File(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Write writes a file, and makes its folder.
func Write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Compare compares got with the file at path.
func Compare(t testing.TB, path string, got []byte) {
	t.Helper()
	if *Update {
		Write(t, path, got)
	}
	if want := File(t, path); !bytes.Equal(got, want) {
		t.Errorf("differs from %s; go test -run '%s' -update writes it. got\n%s\nwant\n%s", path, t.Name(), got, want)
	}
}

// Section compares want with what stands between begin and end on a page.
func Section(t testing.TB, page, begin, end, want string) {
	t.Helper()
	before, rest, ok := strings.Cut(string(File(t, page)), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no part between %q and %q", page, begin, end)
	}
	switch {
	case got == want:
	case *Update:
		Write(t, page, []byte(before+begin+want+end+after))
	default:
		t.Errorf("a part of %s is not current; go test -run '%s' -update writes it. got\n%s\nwant\n%s", page, t.Name(), got, want)
	}
}
