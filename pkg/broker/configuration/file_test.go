package configuration_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// A file is read like stored versions: its last good content stays in force.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "broker.json")
	w := newWorld(t, fake.NewClock())
	w.reader.Reader = configuration.File(path)
	write := func(b []byte) func() { return func() { must.WriteFile(t, path, b) } }
	for _, step := range []struct {
		name  string
		do    func()
		want  string
		lines int
	}{
		{"no file", func() {}, "no such file", 1},
		{"a document", write(named(t, "a")), "0/a", 0},
		{"another one", write(named(t, "b")), "0/b", 0},
		{"a fault", write(faulty(t, "c")), "0/b", 1},
		{"the fault is still there", func() {}, "0/b", 0},
		{"another fault", write([]byte("{")), "0/b", 1},
		{"the first document", write(named(t, "a")), "0/a", 0},
		{"the file is gone", func() {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, "0/a", 1},
		{"the file is back", write(named(t, "d")), "0/d", 0},
	} {
		step.do()
		w.pass(time.Minute)
		if got := w.get(); !strings.Contains(got, step.want) {
			t.Errorf("%s: got %q, want %q", step.name, got, step.want)
		}
		if lines := w.lines(); len(lines) != step.lines {
			t.Errorf("%s: logged %q, want %d lines", step.name, lines, step.lines)
		}
	}
}

// A file that changes between the two reads of a version is one version or the
// other.
func TestFileThatChangesBetweenReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "broker.json")
	f := configuration.File(path)
	must.WriteFile(t, path, named(t, "a"))
	first, err := f.Versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	must.WriteFile(t, path, named(t, "b"))
	if body, err := f.Body(t.Context(), first[0]); err != nil || configuration.Digest(body) != first[0].Digest {
		t.Errorf("Body = %.40q, %v, want the document of the version", body, err)
	}
	if _, err := f.Versions(t.Context()); err != nil {
		t.Fatal(err)
	}
	if body, err := f.Body(t.Context(), first[0]); err == nil {
		t.Errorf("Body of the former content = %.40q, want an error", body)
	}
}
