package sam

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/must"
)

// clone returns a directory with the files of the repository and no others.
func clone(t *testing.T) string {
	t.Helper()
	if os.Getenv("TEST_TEMPLATE") == "" {
		t.Skip("sam build was not run: set TEST_TEMPLATE, as make test-template does, which also installs sam")
	}
	out, err := exec.CommandContext(t.Context(), "git", "-C", "../..", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for file := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		from := filepath.Join("../..", file)
		info, err := os.Lstat(from)
		if err != nil || !info.Mode().IsRegular() {
			continue // removed, but still in the index
		}
		b := must.ReadFile(t, from)
		to := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, info.Mode()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// samBuild runs `sam build` in dir and returns its output.
func samBuild(t *testing.T, dir string, env []string, args ...string) (string, error) {
	t.Helper()
	tools, err := filepath.Abs("../../scripts/sam-tools.sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tools, append([]string{"sam", "build"}, args...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func machine(t *testing.T, path string) elf.Machine {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return f.Machine
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestSAMBuildFromACleanClone(t *testing.T) {
	dir := clone(t)
	if out, err := samBuild(t, dir, nil); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, id := range (set{}).functions() {
		built := filepath.Join(dir, ".aws-sam", "build", id)
		if got := files(t, built); !slices.Equal(got, []string{"bootstrap", "config"}) {
			t.Errorf("%s has %q, want its bootstrap and config", id, got)
		}
		if got := files(t, filepath.Join(built, "config")); !slices.Equal(got, []string{"broker.json"}) {
			t.Errorf("%s has %q in config", id, got)
		}
		if got, want := must.ReadFile(t, filepath.Join(built, "config", "broker.json")), must.ReadFile(t, "../../config/broker.json"); !bytes.Equal(got, want) {
			t.Errorf("%s has another config/broker.json: %s", id, got)
		}
		if m := machine(t, filepath.Join(built, "bootstrap")); m != elf.EM_AARCH64 {
			t.Errorf("%s is for %s, want arm64 as in the template", id, m)
		}
	}

	if out, err := samBuild(t, dir, []string{"ARCHITECTURE=x86_64"}, "MetadataFunction", "--parameter-overrides", "Architecture=x86_64"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if m := machine(t, filepath.Join(dir, ".aws-sam", "build", "MetadataFunction", "bootstrap")); m != elf.EM_X86_64 {
		t.Errorf("with ARCHITECTURE=x86_64 the function is for %s", m)
	}
	if out, err := samBuild(t, dir, []string{"ARCHITECTURE=sparc"}, "MetadataFunction"); err == nil || !strings.Contains(out, "it may be arm64 or x86_64") {
		t.Errorf("with ARCHITECTURE=sparc: %v: %s", err, out)
	}
}
