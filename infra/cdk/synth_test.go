package dcrbroker_test

import (
	"archive/zip"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	dcrbroker "github.com/dcr-broker/dcr-broker/infra/cdk"
)

// dist is a directory with packages. Each bootstrap is a text with the names of
// the function and the architecture.
var dist string

func TestMain(m *testing.M) {
	var err error
	if dist, err = os.MkdirTemp("", "dist"); err != nil {
		panic(err)
	}
	for _, f := range []string{"register", "metadata", "token", "authorize", "provision", "janitor"} {
		for _, arch := range []string{"arm64", "amd64"} {
			if err := pack(filepath.Join(dist, f+"_"+arch+".zip"), "bootstrap", f+" for "+arch); err != nil {
				panic(err)
			}
		}
	}
	flag.Parse()
	status := m.Run()
	jsii.Close()
	os.RemoveAll(dist)
	os.Exit(status)
}

func pack(archive, name, content string) error {
	f, err := os.Create(archive)
	if err != nil {
		return err
	}
	w := zip.NewWriter(f)
	in, err := w.Create(name)
	if err != nil {
		return err
	}
	if _, err := in.Write([]byte(content)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Close()
}

// world is an app with a stack to which a test adds a broker.
type world struct {
	t     *testing.T
	app   awscdk.App
	stack awscdk.Stack
	out   string
}

// newApp returns a world without a stack.
func newApp(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, out: t.TempDir()}
	w.app = awscdk.NewApp(&awscdk.AppProps{Outdir: &w.out, AnalyticsReporting: jsii.Bool(false)})
	return w
}

func newWorld(t *testing.T) *world { return newWorldIn(t, "") }

// newWorldIn returns a world whose stack has a region, unless region is "".
func newWorldIn(t *testing.T, region string) *world {
	t.Helper()
	w := newApp(t)
	var props awscdk.StackProps
	if region != "" {
		props.Env = &awscdk.Environment{Region: &region}
	}
	w.stack = awscdk.NewStack(w.app, jsii.String("Auth"), &props)
	return w
}

// add adds a broker with the props p.
func (w *world) add(p dcrbroker.Props) *dcrbroker.Broker {
	w.t.Helper()
	if p.Dist == "" && p.SourceDir == "" {
		p.Dist = dist
	}
	return dcrbroker.New(w.stack, "Broker", &p)
}

// synth returns the error of the synthesis.
func (w *world) synth() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	w.app.Synth(nil)
	return nil
}

// template returns the synthesised template.
func (w *world) template() []byte {
	w.t.Helper()
	if err := w.synth(); err != nil {
		w.t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(w.out, *w.stack.StackName()+".template.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func decode(t *testing.T, b []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

var update = flag.Bool("update", false, "write the golden template")

// The template of a broker with default props. A change of the deployed resources
// appears in the diff of the golden file.
func TestGoldenTemplate(t *testing.T) {
	w := newWorld(t)
	w.add(dcrbroker.Props{})
	got := w.template()
	var report struct {
		PluginReports []struct {
			PluginName string
			Violations []struct{ RuleName, Description string }
		}
	}
	b, err := os.ReadFile(filepath.Join(w.out, "validation-report.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &report); err != nil {
		t.Fatal(err)
	}
	for _, r := range report.PluginReports {
		t.Errorf("the CDK's own %s reports %v", r.PluginName, r.Violations)
	}
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("the template differs from %s: %s; go test -run GoldenTemplate -update . writes it, git diff shows the change", golden, firstDifference(got, want))
	}
}

var golden = filepath.Join("testdata", "default.template.json")

// firstDifference returns the first line in which two texts differ.
func firstDifference(got, want []byte) string {
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d is %q, want %q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}
