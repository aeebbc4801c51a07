package units

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/dynamodbtest"
	"github.com/dcr-broker/dcr-broker/test/meter"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// The flows of direct mode run on the present build, and a second deployment
// costs the same. The flows of brokered mode take a minute; make bench runs them.
func TestFlows(t *testing.T) {
	if testing.Short() {
		t.Skip("the programs were not built and measured: run without -short")
	}
	endpoint := dynamodbtest.Endpoint(t)
	t.Chdir("../..")
	b := &build{module: ".", out: t.TempDir()}
	if err := b.compile(t.Context()); err != nil {
		t.Fatal(err)
	}
	var calls strings.Builder
	run := func() []row {
		d, err := deploy(t.Context(), b, "direct", directProfiles, endpoint)
		if err != nil {
			t.Fatal(err)
		}
		defer d.close()
		d.calls = &calls
		if direct(d); d.err != nil {
			t.Fatal(d.err)
		}
		return d.rows
	}
	first, second := run(), run()
	if !slices.Equal(first, second) {
		t.Errorf("%+v the second time, %+v the first time", second, first)
	}
	refresh := slices.IndexFunc(first, func(r row) bool { return r.flow == "direct mode: refresh" })
	if refresh < 0 || first[refresh].cost != (meter.Cost{Calls: 1, Read: 1}) {
		t.Errorf("the flows cost %+v, want one read of a small item for a refresh", first)
	}
	minute := slices.IndexFunc(first, func(r row) bool { return r.flow == "direct mode: configuration, first request of a process, and each minute later" })
	if minute < 0 || first[minute].cost != (meter.Cost{Calls: 1, Read: 1}) {
		t.Errorf("the flows cost %+v, want one read of a small item for the configuration, each minute", first)
	}
	if !strings.Contains(calls.String(), "direct mode: refresh\n    GetItem of registration, 1 read, 0 write\n") {
		t.Errorf("the calls are %s, want those of each flow", calls.String())
	}
}

func TestTableOfATemplate(t *testing.T) {
	template := must.ReadFile(t, "../../template.yaml")
	got, err := tableOf(template)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"AttributeName": "pk", "KeyType": "HASH"}
	if key, _ := got["KeySchema"].([]any); len(key) != 1 || !reflect.DeepEqual(key[0], want) {
		t.Errorf("the key of the table is %v, want %v", got["KeySchema"], want)
	}
	if _, err := encodeTable(got, "t"); err != nil || got["TableName"] != "t" || got["TimeToLiveSpecification"] != nil {
		t.Errorf("encodeTable: %v of %v, want what CreateTable takes", err, got)
	}
	for _, bad := range []string{
		"Resources: {A: {Type: 'AWS::SQS::Queue'}}",
		"Resources: {A: {Type: 'AWS::DynamoDB::Table'}, B: {Type: 'AWS::DynamoDB::Table'}}",
		"Resources: [",
	} {
		if got, err := tableOf([]byte(bad)); err == nil {
			t.Errorf("tableOf(%q) = %v, want an error", bad, got)
		}
	}
}

func TestClockOfAnUnknownGo(t *testing.T) {
	goroot, dir := t.TempDir(), t.TempDir()
	source := filepath.Join(goroot, "src", "time", "time.go")
	if err := os.MkdirAll(filepath.Dir(source), 0o755); err != nil {
		t.Fatal(err)
	}
	must.WriteFile(t, source, []byte("package time\n"))
	if _, err := setClock(goroot, dir); err == nil {
		t.Error("setClock in a Go with another time.Now: no error")
	}
	must.WriteFile(t, source, []byte("package time\n\nfunc Now() Time {\n"+string(reading)+"}\n"))
	overlay, err := setClock(goroot, dir)
	if err != nil {
		t.Fatal(err)
	}
	var document struct{ Replace map[string]string }
	if err := json.Unmarshal(must.ReadFile(t, overlay), &document); err != nil {
		t.Fatal(err)
	}
	if got := string(must.ReadFile(t, document.Replace[source])); !strings.Contains(got, "runtimeNow()\n\tsec += ahead\n}") {
		t.Errorf("time.go is replaced by %q, want one that adds ahead", got)
	}
}

func TestReport(t *testing.T) {
	r := &report{now: []row{{"a", meter.Cost{Calls: 2, Read: 1.5, Write: 2}}, {"b", meter.Cost{Calls: 1, Read: 0.5}}, {"c", meter.Cost{Calls: 3, Write: 1}}}}
	if got := r.markdown(); !strings.Contains(got, "\n| a | 2 | 2 | 1.5 | 1.4375 |\n") || strings.Contains(got, "before") {
		t.Errorf("without a build before: %s", got)
	}
	r.commit = "abcdef of 2026-01-01"
	r.before = []row{{"c", meter.Cost{Calls: 2, Write: 2}}, {"b", meter.Cost{Calls: 1, Read: 0.5}}, {"a", meter.Cost{Calls: 2, Read: 1, Write: 2}}}
	got := r.markdown()
	for _, want := range []string{
		"commit abcdef of 2026-01-01",
		"\n| a | 2 | 2 | 2 | 2 | 1 | **1.5** | 1.375 → 1.4375 | **costs more** |\n",
		"\n| b | 1 | 1 | 0 | 0 | 0.5 | 0.5 | 0.0625 → 0.0625 |  |\n",
		"\n| c | 2 | **3** | 2 | 1 | 0 | 0 | 1.25 → 0.625 |  |\n",
		"\nOf 3 flows, 1 cost more than before, and 1 make more calls.\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the report lacks %q: %s", want, got)
		}
	}
}

func TestOnlyTheTableIsReplaced(t *testing.T) {
	doc := "before\n" + begin + "old\n" + end + "after\n"
	got, err := replaceTable([]byte(doc), "new\n")
	if want := "before\n" + begin + "\nnew\n\n" + end + "after\n"; string(got) != want || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if got, err := replaceTable([]byte(strings.Replace(doc, begin, "", 1)), "new\n"); err == nil {
		t.Errorf("without its first line: got %q, want an error", got)
	}
	if _, err := replaceTable(must.ReadFile(t, "../../"+Document), "new\n"); err != nil {
		t.Errorf("%s: %v", Document, err)
	}
}

func TestFunctionOf(t *testing.T) {
	want := map[string]string{
		"/register": "register", "/register/abc": "register", "/token": "token", "/revoke": "token", "/introspect": "token",
		"/authorize": "authorize", "/callback": "authorize", "/consent": "authorize",
	}
	for path := range maps.Keys(want) {
		if got := functionOf(path); got != want[path] {
			t.Errorf("functionOf(%s) = %s, want %s", path, got, want[path])
		}
	}
}
