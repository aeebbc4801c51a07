package dcrbroker_test

import (
	"archive/zip"
	"debug/elf"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"

	dcrbroker "github.com/dcr-broker/dcr-broker/infra/cdk"
)

// assets returns the path of the asset of each function of the synthesised stack:
// a directory or an archive.
func (w *world) assets() map[string]string {
	w.t.Helper()
	template := decode(w.t, w.template())
	var manifest struct {
		Files map[string]struct{ Source struct{ Path string } }
	}
	b, err := os.ReadFile(filepath.Join(w.out, *w.stack.StackName()+".assets.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(b, &manifest); err != nil {
		w.t.Fatal(err)
	}
	paths := make(map[string]string)
	for id, r := range template["Resources"].(map[string]any) {
		m := hashed.FindStringSubmatch(id)
		if m == nil || !strings.HasSuffix(m[1], "Function") {
			continue
		}
		key := r.(map[string]any)["Properties"].(map[string]any)["Code"].(map[string]any)["S3Key"].(string)
		name := strings.ToLower(strings.TrimSuffix(m[1], "Function"))
		paths[name] = filepath.Join(w.out, manifest.Files[strings.TrimSuffix(key, ".zip")].Source.Path)
	}
	return paths
}

func TestPackagesOfMakeDist(t *testing.T) {
	w := newWorld(t)
	w.add(dcrbroker.Props{Architecture: awslambda.Architecture_X86_64()})
	for name, path := range w.assets() {
		r, err := zip.OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		in, err := r.Open("bootstrap")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in)
		if want := name + " for amd64"; err != nil || string(b) != want {
			t.Errorf("%s: bootstrap is %q, %v, want %q", name, b, err, want)
		}
		r.Close()
	}
}

// SourceDir builds programs for the architecture, with the same bytes each time
// and without Docker.
func TestSourceDirBuilds(t *testing.T) {
	t.Setenv("CDK_DOCKER", "false") // a command that fails
	var first map[string]string
	for range 2 {
		w := newWorld(t)
		w.add(dcrbroker.Props{Mode: dcrbroker.Direct, SourceDir: filepath.Join("..", "..")})
		assets := w.assets()
		names := make(map[string]string)
		for name, path := range assets {
			names[name] = filepath.Base(path)
			f, err := elf.Open(filepath.Join(path, "bootstrap"))
			if err != nil {
				t.Fatal(err)
			}
			if f.Machine != elf.EM_AARCH64 {
				t.Errorf("%s is for %v, want arm64", name, f.Machine)
			}
			f.Close()
			if info, err := os.Stat(filepath.Join(path, "bootstrap")); err != nil || info.Mode().Perm()&0o111 != 0o111 {
				t.Errorf("%s: bootstrap is %v, %v, want it executable by all", name, info.Mode(), err)
			}
		}
		if len(slices.Compact(slices.Sorted(maps.Values(names)))) != 4 {
			t.Errorf("assets are %v, want one for each of four functions", names)
		}
		if first == nil {
			first = names
			continue
		}
		for name := range names {
			if names[name] != first[name] {
				t.Errorf("%s is %s, then %s: want the same asset from the same source", name, first[name], names[name])
			}
		}
	}
}
