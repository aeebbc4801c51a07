package dcrbroker_test

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	dcrbroker "github.com/dcr-broker/dcr-broker/infra/cdk"
)

// dist has packages whose bootstraps say which they are.
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

// world is an app with a stack, to which a test adds what it is about.
type world struct {
	t     *testing.T
	app   awscdk.App
	stack awscdk.Stack
	out   string
}

func newWorld(t *testing.T) *world { return newWorldIn(t, "") }

// newWorldIn is for a stack that knows its region.
func newWorldIn(t *testing.T, region string) *world {
	t.Helper()
	w := &world{t: t, out: t.TempDir()}
	w.app = awscdk.NewApp(&awscdk.AppProps{Outdir: &w.out, AnalyticsReporting: jsii.Bool(false)})
	var props awscdk.StackProps
	if region != "" {
		props.Env = &awscdk.Environment{Region: &region}
	}
	w.stack = awscdk.NewStack(w.app, jsii.String("Auth"), &props)
	return w
}

// add adds a broker that is complete but for p.
func (w *world) add(p dcrbroker.Props) *dcrbroker.Broker {
	w.t.Helper()
	if p.Dist == "" && p.SourceDir == "" {
		p.Dist = dist
	}
	return dcrbroker.New(w.stack, "Broker", &p)
}

// synth returns what the synthesis says is wrong.
func (w *world) synth() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	w.app.Synth(nil)
	return nil
}

// template is what is deployed.
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

func TestEverythingHasADefault(t *testing.T) {
	w := newWorld(t)
	w.add(dcrbroker.Props{})
	resources := decode(t, w.template())["Resources"].(map[string]any)
	if len(resources) < 40 {
		t.Errorf("%d resources, want the whole broker", len(resources))
	}
}
