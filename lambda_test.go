package dcrbroker

import (
	"maps"
	"os/exec"
	"path"
	"regexp"
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
	want := lambdaRows(linkedBy(t, "./functions/..."))
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

// rolesHeader begins the first table of docs/architecture.md.
const rolesHeader = "| function | entry | wiring | endpoint: decodes, writes | use case: decides, does | adapters |\n|---|---|---|---|---|---|\n"

// A program links each package that its row in the first table of
// docs/architecture.md names. A name is the end of the package's path, and in
// the last column the part below internal/adapter.
func TestRolesOfFunctions(t *testing.T) {
	const page = "docs/architecture.md"
	_, table, ok := strings.Cut(string(must.ReadFile(t, page)), rolesHeader)
	if !ok {
		t.Fatalf("%s has no table with the header\n%s", page, rolesHeader)
	}
	linked := linkedBy(t, "./functions/...", "./cmd/dcrctl")
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		program := path.Base(strings.Trim(cells[1], " `"))
		pkgs, ok := linked[program]
		if !ok {
			t.Errorf("%s: this row does not name the folder of a program:\n%s", page, line)
			continue
		}
		delete(linked, program)
		for i, cell := range cells[2:] {
			end := "/"
			if i == len(cells)-3 {
				end = "internal/adapter/"
			}
			for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
				if !slices.ContainsFunc(pkgs, func(pkg string) bool { return strings.HasSuffix("/"+pkg, end+m[1]) }) {
					t.Errorf("%s: %s does not link %s", page, program, end+m[1])
				}
			}
		}
	}
	for program := range linked {
		t.Errorf("%s: the first table has no row, or more than one, for %s", page, program)
	}
}

// linkedBy returns the packages of ours that each program links, by the name of
// its folder.
func linkedBy(t *testing.T, patterns ...string) map[string][]string {
	t.Helper()
	args := append([]string{"list", "-tags", "lambda.norpc", "-f", `{{if eq .Name "main"}}{{.ImportPath}} {{join .Deps " "}}{{end}}`}, patterns...)
	out, err := exec.Command("go", args...).Output()
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
		t.Fatalf("go list found no program in %q", patterns)
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
