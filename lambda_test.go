package dcrbroker

import (
	"maps"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/golden"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// lambdaColumns are the columns of the table: each package of ours is in the
// first column whose prefix it has, without that prefix.
var lambdaColumns = []struct{ name, prefix string }{
	{"wiring", "internal/wire/"},
	{"endpoint", "internal/endpoint/"},
	{"adapters", "internal/adapter/"},
	{"domain", "pkg/"},
	{"shared", "internal/"},
}

// What runs on Lambda is in docs/architecture.md: the packages of ours that each
// function links. A function initialises all of them at every start, so the
// table shows a package that a function links and does not use.
//
//	go test . -run TestWhatRunsOnLambda -update    rewrites the table
func TestWhatRunsOnLambda(t *testing.T) {
	const page = "docs/architecture.md"
	body := must.ReadFile(t, page)
	before, rest, ok := strings.Cut(string(body), lambdaHeader())
	if !ok {
		t.Fatalf("%s has no table with the header\n%s", page, lambdaHeader())
	}
	var table strings.Builder // as it is on the page
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		table.WriteString(line)
	}
	want := lambdaRows(linkedByFunctions(t))
	if table.String() == want {
		return
	}
	if *golden.Update {
		body := before + lambdaHeader() + want + strings.TrimPrefix(rest, table.String())
		must.WriteFile(t, page, []byte(body))
		return
	}
	got := slices.Collect(strings.Lines(table.String()))
	for line := range strings.Lines(want) {
		if !slices.Contains(got, line) {
			t.Errorf("%s does not have the row\n%s(go test . -run TestWhatRunsOnLambda -update writes it)", page, line)
		}
	}
	if !t.Failed() {
		t.Errorf("%s has additional rows, or rows in another order; want\n%s", page, want)
	}
}

// linkedByFunctions returns the packages of ours that each function links.
func linkedByFunctions(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-tags", "lambda.norpc",
		"-f", `{{if eq .Name "main"}}{{.ImportPath}} {{join .Deps " "}}{{end}}`, "./functions/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		var ours []string
		for _, dep := range fields[1:] {
			if own, ok := strings.CutPrefix(dep, module); ok {
				ours = append(ours, own)
			}
		}
		linked[path.Base(fields[0])] = ours
	}
	if len(linked) == 0 {
		t.Fatal("go list found no function")
	}
	return linked
}

// lambdaRows returns a row for the packages that all functions link, and a row
// for the other packages of each function.
func lambdaRows(linked map[string][]string) string {
	functions := slices.Sorted(maps.Keys(linked))
	all := slices.DeleteFunc(slices.Clone(linked[functions[0]]), func(pkg string) bool {
		return slices.ContainsFunc(functions, func(f string) bool { return !slices.Contains(linked[f], pkg) })
	})
	rows := lambdaRow("every function", all)
	for _, f := range functions {
		rows += lambdaRow("`"+f+"`", slices.DeleteFunc(slices.Clone(linked[f]), func(pkg string) bool { return slices.Contains(all, pkg) }))
	}
	return rows
}

func lambdaRow(name string, pkgs []string) string {
	cells := make([][]string, len(lambdaColumns))
	for _, pkg := range slices.Sorted(slices.Values(pkgs)) {
		for i, c := range lambdaColumns {
			if rest, ok := strings.CutPrefix(pkg+"/", c.prefix); ok {
				// A group's root package has the group's own name.
				rest = strings.TrimSuffix(rest, "/")
				if rest == "" {
					rest = path.Base(pkg)
				}
				cells[i] = append(cells[i], rest)
				break
			}
		}
	}
	row := "| " + name + " |"
	for _, c := range cells {
		row += strings.TrimRight(" "+strings.Join(c, ", "), " ") + " |"
	}
	return row + "\n"
}

func lambdaHeader() string {
	header, line := "| function |", "|---|"
	for _, c := range lambdaColumns {
		header, line = header+" "+c.name+" |", line+"---|"
	}
	return header + "\n" + line + "\n"
}
