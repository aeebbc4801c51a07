// Package golden is a test kit: it compares the output of a test with a file, and
// writes the file if the flag -update is set. It leaves out volatile parts: the
// test replaces them first.
package golden

import (
	"bytes"
	"flag"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/must"
)

// Update is the flag with which tests write their files.
var Update = flag.Bool("update", false, "write the golden files, and the generated parts of pages")

// Compare compares got with the file at path.
func Compare(t testing.TB, path string, got []byte) {
	t.Helper()
	if *Update {
		must.WriteFile(t, path, got)
	}
	if want := must.ReadFile(t, path); !bytes.Equal(got, want) {
		t.Errorf("differs from %s; go test -run '%s' -update writes it. got\n%s\nwant\n%s", path, t.Name(), got, want)
	}
}

// Section compares want with what stands between begin and end on a page.
func Section(t testing.TB, page, begin, end, want string) {
	t.Helper()
	before, rest, ok := strings.Cut(string(must.ReadFile(t, page)), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no part between %q and %q", page, begin, end)
	}
	switch {
	case got == want:
	case *Update:
		must.WriteFile(t, page, []byte(before+begin+want+end+after))
	default:
		t.Errorf("a part of %s is not current; go test -run '%s' -update writes it. got\n%s\nwant\n%s", page, t.Name(), got, want)
	}
}
