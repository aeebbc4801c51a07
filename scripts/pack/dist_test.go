package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/test/must"
)

const (
	testVersion = "v9.8.7"
	root        = "../.."
)

// The test builds the release for this machine; make dist builds it for all
// platforms.
func TestDist(t *testing.T) {
	if testing.Short() {
		t.Skip("the release was not built twice: run without -short")
	}
	sources := filepath.Join(t.TempDir(), "sources")
	copySources(t, root, sources)
	out := dist(t, sources, filepath.Join(t.TempDir(), "out"))

	t.Run("a build in another directory gives the same bytes", func(t *testing.T) { testReproducible(t, sources, out) })
	unpacked := make(map[string][]file)
	for _, name := range archives(t, out) {
		unpacked[name] = unpack(t, out, name)
	}
	t.Run("archives", func(t *testing.T) { testArchives(t, sources, out, unpacked) })
	t.Run("an archive has the example of a configuration and its schema", func(t *testing.T) { testConfiguration(t, unpacked) })
	t.Run("checksums", func(t *testing.T) { testChecksums(t, out) })
	t.Run("tools print their version", func(t *testing.T) { testVersions(t, unpacked) })
	t.Run("SBOM and licences name every module", func(t *testing.T) { testModules(t, out, unpacked) })
}

// copySources copies the files of a release: no output, and nothing of git,
// whose .git is a file in a worktree.
func copySources(t *testing.T, from, to string) {
	t.Helper()
	skip := []string{"bin", "dist", "node_modules", "cdk.out"}
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && (slices.Contains(skip, d.Name()) || rel != "." && strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		case !d.Type().IsRegular() || rel == ".git":
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, info.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// dist builds the release for this machine.
func dist(t *testing.T, sources, out string, env ...string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(sources, "scripts", "dist.sh"), out)
	cmd.Env = append(os.Environ(), "VERSION="+testVersion, "ARCHS="+runtime.GOARCH, "PLATFORMS="+runtime.GOOS+"/"+runtime.GOARCH)
	cmd.Env = append(cmd.Env, env...)
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return out
}

// testReproducible builds again in another directory, in a checkout with
// changes, at another time and with other variables.
func testReproducible(t *testing.T, sources, out string) {
	there := filepath.Join(t.TempDir(), "quite", "another", "place")
	copySources(t, sources, there)
	for _, args := range [][]string{{"init", "-q"}, {"add", "Makefile"}, {"-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "one file"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = there
		if b, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v: %s", args, err, b)
		}
	}
	again := dist(t, there, filepath.Join(t.TempDir(), "out"), "GOFLAGS=-ldflags=-X=main.who=me", "GOAMD64=v2", "CGO_ENABLED=1", "TZ=Asia/Tokyo")
	a, b := names(t, out), names(t, again)
	if !slices.Equal(a, b) {
		t.Fatalf("files of the second build = %q, want %q", b, a)
	}
	for _, name := range a {
		if x, y := content(t, out, name), content(t, again, name); !bytes.Equal(x, y) {
			t.Errorf("%s differs (%d and %d bytes)", name, len(x), len(y))
		}
	}
}

func testArchives(t *testing.T, sources, out string, unpacked map[string][]file) {
	functions, err := filepath.Glob(filepath.Join(sources, "functions", "*", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"LICENSE", "SHA256SUMS", "THIRD_PARTY_LICENSES.txt", "sbom.cdx.json"}
	for _, f := range functions {
		want = append(want, filepath.Base(filepath.Dir(f))+"_"+runtime.GOARCH+".zip")
	}
	for _, tool := range []string{"dcr-dev", "dcrctl"} {
		want = append(want, fmt.Sprintf("%s_%s_%s.tar.gz", tool, runtime.GOOS, runtime.GOARCH))
	}
	slices.Sort(want)
	if got := names(t, out); !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	for name, files := range unpacked {
		tool, _, _ := strings.Cut(name, "_")
		want := "LICENSE THIRD_PARTY_LICENSES.txt config/broker.json " + tool + " docs/configuration.schema.json"
		if strings.HasSuffix(name, ".zip") {
			want = "bootstrap"
		}
		var got []string
		for _, f := range files {
			got = append(got, f.name)
			if mode := f.mode == 0o755; mode != executable(f.name) || f.mode != 0o755 && f.mode != 0o644 {
				t.Errorf("%s: %s has mode %v", name, f.name, f.mode)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s has %q, want %s", name, got, want)
		}
	}
}

// testConfiguration checks that an editor and dcrctl find what they need in the
// unpacked archive of dcrctl.
func testConfiguration(t *testing.T, unpacked map[string][]file) {
	dir := t.TempDir()
	for _, f := range unpacked[fmt.Sprintf("dcrctl_%s_%s.tar.gz", runtime.GOOS, runtime.GOARCH)] {
		path := filepath.Join(dir, f.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.content, f.mode); err != nil {
			t.Fatal(err)
		}
	}
	var document struct {
		Schema string `json:"$schema"`
	}
	if err := json.Unmarshal(must.ReadFile(t, filepath.Join(dir, "config", "broker.json")), &document); err != nil {
		t.Fatal(err)
	}
	if schema := must.ReadFile(t, filepath.Join(dir, "config", document.Schema)); !json.Valid(schema) {
		t.Errorf("$schema %q leads to a file that is not JSON: %.80q", document.Schema, schema)
	}
	cmd := exec.Command(filepath.Join(dir, "dcrctl"), "config", "lint", filepath.Join("config", "broker.json"))
	cmd.Dir, cmd.Env = dir, []string{}
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("dcrctl config lint config/broker.json: %v: %s", err, b)
	}
}

func executable(name string) bool {
	return slices.Contains([]string{"bootstrap", "dcrctl", "dcr-dev"}, name)
}

// The test uses an executable of this machine under the name of one for Windows.
func TestToolsForWindowsAreZips(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := must.ReadFile(t, self)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "windows_arm64"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "windows_arm64", "dcrctl.exe"), b, 0o755); err != nil {
		t.Fatal(err)
	}
	programs, err := readTools(dir)
	if err != nil || len(programs) != 1 || programs[0].archive != "dcrctl_windows_arm64.zip" || programs[0].files[0].name != "dcrctl.exe" {
		t.Errorf("readTools = %d programs, %v; want dcrctl_windows_arm64.zip with dcrctl.exe", len(programs), err)
	}
}

// testChecksums checks SHA256SUMS, which has the format of sha256sum -c.
func testChecksums(t *testing.T, out string) {
	var want strings.Builder
	for _, name := range names(t, out) {
		if name != "SHA256SUMS" {
			fmt.Fprintf(&want, "%x  %s\n", sha256.Sum256(content(t, out, name)), name)
		}
	}
	if got := string(content(t, out, "SHA256SUMS")); got != want.String() {
		t.Errorf("SHA256SUMS =\n%s\nwant\n%s", got, want.String())
	}
}

func testVersions(t *testing.T, unpacked map[string][]file) {
	for _, tool := range []string{"dcrctl", "dcr-dev"} {
		for _, f := range unpacked[fmt.Sprintf("%s_%s_%s.tar.gz", tool, runtime.GOOS, runtime.GOARCH)] {
			if f.name != tool {
				continue
			}
			path := filepath.Join(t.TempDir(), f.name)
			if err := os.WriteFile(path, f.content, f.mode); err != nil {
				t.Fatal(err)
			}
			got, err := exec.Command(path, "--version").Output()
			if want := tool + " " + testVersion + "\n"; err != nil || string(got) != want {
				t.Errorf("%s --version = %q, %v, want %q", tool, got, err, want)
			}
		}
	}
}

// sbom has the fields of a CycloneDX document that the tests read.
type sbom struct {
	BOMFormat  string
	Components []struct {
		Ref           string `json:"bom-ref"`
		Name, Version string
		PURL          string
		Hashes        []struct{ Alg, Content string }
	}
	Dependencies []struct {
		Ref       string
		DependsOn []string
	}
}

func testModules(t *testing.T, out string, unpacked map[string][]file) {
	var b sbom
	if err := json.Unmarshal(content(t, out, "sbom.cdx.json"), &b); err != nil || b.BOMFormat != "CycloneDX" {
		t.Fatalf("format %q, %v", b.BOMFormat, err)
	}
	versions, hashes, dependsOn := make(map[string]string), make(map[string]string), make(map[string][]string)
	for _, c := range b.Components {
		versions[c.Ref] = c.Name + " " + c.Version
		for _, h := range c.Hashes {
			hashes[c.Ref] = h.Alg + " " + h.Content
		}
	}
	for _, d := range b.Dependencies {
		dependsOn[d.Ref] = d.DependsOn
	}
	notices := string(content(t, out, "THIRD_PARTY_LICENSES.txt"))
	used := make(map[string]bool)
	for name, files := range unpacked {
		if want := fmt.Sprintf("SHA-256 %x", sha256.Sum256(content(t, out, name))); hashes[name] != want {
			t.Errorf("SBOM: hash of %s = %q, want %q", name, hashes[name], want)
		}
		if !slices.Contains(dependsOn["dcr-broker"], name) {
			t.Errorf("SBOM: dcr-broker does not depend on %s", name)
		}
		for _, f := range files {
			if !executable(f.name) {
				continue
			}
			info, err := buildinfo.Read(bytes.NewReader(f.content))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			want := map[string]string{"std": strings.TrimPrefix(info.GoVersion, "go")}
			for _, m := range info.Deps {
				want[m.Path] = m.Version
			}
			if n := len(dependsOn[name]); n != len(want) {
				t.Errorf("SBOM: %s depends on %d modules, want %d", name, n, len(want))
			}
			for path, version := range want {
				ref := "pkg:golang/" + strings.ToLower(path) + "@" + strings.ReplaceAll(version, "+", "%2B")
				used[ref] = true
				if versions[ref] != path+" "+version || !slices.Contains(dependsOn[name], ref) {
					t.Errorf("SBOM: %s is missing, or %s does not depend on it", ref, name)
				}
				if !strings.Contains(notices, "\n"+path+"@"+version+" (") {
					t.Errorf("THIRD_PARTY_LICENSES.txt does not name %s %s", path, version)
				}
			}
		}
	}
	for ref := range versions {
		if strings.HasPrefix(ref, "pkg:") && !used[ref] {
			t.Errorf("SBOM: no program uses %s", ref)
		}
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		found = append(found, e.Name())
	}
	return found
}

func archives(t *testing.T, dir string) []string {
	t.Helper()
	return slices.DeleteFunc(names(t, dir), func(name string) bool {
		return !strings.HasSuffix(name, ".zip") && !strings.HasSuffix(name, ".tar.gz")
	})
}

func content(t *testing.T, dir, name string) []byte {
	t.Helper()
	b := must.ReadFile(t, filepath.Join(dir, name))
	return b
}

// unpack reads an archive and checks that all times in it are constant.
func unpack(t *testing.T, dir, name string) []file {
	t.Helper()
	packed := content(t, dir, name)
	var files []file
	add := func(name string, mode fs.FileMode, modified time.Time, r io.Reader) {
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if !modified.Equal(written) {
			t.Errorf("%s was written at %v, want %v", name, modified, written)
		}
		files = append(files, file{name, mode.Perm(), b})
	}
	if strings.HasSuffix(name, ".zip") {
		z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			add(f.Name, f.Mode(), f.Modified, r)
		}
		return files
	}
	g, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if !g.ModTime.IsZero() {
		t.Errorf("%s: compressed at %v, want no time", name, g.ModTime)
	}
	for r := tar.NewReader(g); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		add(h.Name, h.FileInfo().Mode(), h.ModTime, r)
	}
}
