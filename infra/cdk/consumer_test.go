package dcrbroker_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

const (
	brokerModule    = "github.com/dcr-broker/dcr-broker"
	constructModule = brokerModule + "/infra/cdk"
)

// consumer is a program in another module that uses the construct.
const consumer = `package main

import (
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	dcrbroker "github.com/dcr-broker/dcr-broker/infra/cdk"
)

func main() {
	defer jsii.Close()
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: &os.Args[1], AnalyticsReporting: jsii.Bool(false)})
	stack := awscdk.NewStack(app, jsii.String("Auth"), nil)
	dcrbroker.New(stack, "Broker", &dcrbroker.Props{Dist: os.Args[2]})
	app.Synth(nil)
}
`

// A program that gets both modules from a module proxy, and not from this
// directory, produces the same template.
func TestConsumerInAnotherModule(t *testing.T) {
	proxy, version := publish(t)
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":  fmt.Sprintf("module example.com/consumer\n\ngo 1.26.0\n\nrequire %s %s\n", constructModule, version),
		"main.go": consumer,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := t.TempDir()
	cmd := exec.Command("go", "run", ".", out, dist)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"GOPROXY=file://"+proxy+","+goEnv(t, "GOPROXY"),
		"GONOSUMDB="+brokerModule+","+goEnv(t, "GONOSUMDB"),
		"GOFLAGS=-mod=mod -modcacherw", "GOWORK=off",
		"CDK_VALIDATION=false", // TestGoldenTemplate validates the same template
	)
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	got, err := os.ReadFile(filepath.Join(out, "Auth.template.json"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("the consumer's template differs from %s: %s", golden, firstDifference(got, want))
	}
}

// publish creates the directory of a module proxy with both modules in their
// present state. It returns the directory and their version, which is unique to
// this run.
func publish(t *testing.T) (proxy, version string) {
	t.Helper()
	proxy, version = t.TempDir(), fmt.Sprintf("v0.0.0-test.%d", time.Now().UnixNano())
	files := tracked(t)
	inner := nested(files)
	var root, construct []zip.File
	for _, path := range files {
		if rest, inside := strings.CutPrefix(path, "infra/cdk/"); inside {
			construct = append(construct, file{rest, filepath.Join("..", "..", path)})
		} else if !slices.ContainsFunc(inner, func(dir string) bool { return strings.HasPrefix(path, dir) }) {
			root = append(root, file{path, filepath.Join("..", "..", path)})
		}
	}
	put(t, proxy, module.Version{Path: brokerModule, Version: version}, root)

	// As in a release, the construct requires the broker of the same commit.
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := modfile.Parse("go.mod", mod, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := parsed.AddRequire(brokerModule, version); err != nil {
		t.Fatal(err)
	}
	required, err := parsed.Format()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "go.mod")
	if err := os.WriteFile(path, required, 0o644); err != nil {
		t.Fatal(err)
	}
	for i, f := range construct {
		if f.Path() == "go.mod" {
			construct[i] = file{"go.mod", path}
		}
	}
	put(t, proxy, module.Version{Path: constructModule, Version: version}, construct)
	return proxy, version
}

// put writes a module for a module proxy
// (https://go.dev/ref/mod#goproxy-protocol). After the test it removes the
// module from the module cache.
func put(t *testing.T, proxy string, m module.Version, files []zip.File) {
	t.Helper()
	dir := filepath.Join(proxy, filepath.FromSlash(m.Path), "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	archive, err := os.Create(filepath.Join(dir, m.Version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	if err := zip.Create(archive, m, files); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Path() != "go.mod" {
			continue
		}
		b, err := os.ReadFile(f.(file).local)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, m.Version+".mod"), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	info := fmt.Sprintf(`{"Version":%q,"Time":"2026-01-01T00:00:00Z"}`, m.Version)
	if err := os.WriteFile(filepath.Join(dir, m.Version+".info"), []byte(info), 0o644); err != nil {
		t.Fatal(err)
	}
	cache := goEnv(t, "GOMODCACHE")
	t.Cleanup(func() {
		os.RemoveAll(filepath.Join(cache, filepath.FromSlash(m.Path)+"@"+m.Version))
		left, _ := filepath.Glob(filepath.Join(cache, "cache", "download", filepath.FromSlash(m.Path), "@v", m.Version+".*"))
		for _, path := range left {
			os.Remove(path)
		}
	})
}

// tracked returns the files of the repository that git does not ignore.
func tracked(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for path := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		if info, err := os.Lstat(filepath.Join("..", "..", path)); err == nil && info.Mode().IsRegular() {
			files = append(files, path)
		}
	}
	return files
}

// nested returns the directories that are modules of their own and so do not
// belong to the root module.
func nested(files []string) []string {
	var dirs []string
	for _, path := range files {
		if dir, ok := strings.CutSuffix(path, "/go.mod"); ok {
			dirs = append(dirs, dir+"/")
		}
	}
	return dirs
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// file is a file of a module: its path in the module and on this machine.
type file struct{ path, local string }

func (f file) Path() string                 { return f.path }
func (f file) Lstat() (os.FileInfo, error)  { return os.Lstat(f.local) }
func (f file) Open() (io.ReadCloser, error) { return os.Open(f.local) }
