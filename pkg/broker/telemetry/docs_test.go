package telemetry

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/must"
)

// table returns the cells of the rows of the page's table with that header.
func table(t *testing.T, header string) [][]string {
	t.Helper()
	page := must.ReadFile(t, "../../../docs/operations.md")
	_, rest, ok := strings.Cut(string(page), "\n"+header+"\n")
	if !ok {
		t.Fatalf("docs/operations.md has no table %s", header)
	}
	var rows [][]string
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		if strings.HasPrefix(line, "|--") {
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(strings.TrimSpace(line), "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		rows = append(rows, cells)
	}
	return rows
}

// The page has a row for every metric, with a column for the operator.
func TestEveryMetricIsDocumented(t *testing.T) {
	var want, got []string
	for _, m := range All {
		var dimensions []string
		for _, d := range m.Dimensions {
			dimensions = append(dimensions, "`"+d+"`")
		}
		want = append(want, strings.Join([]string{"`" + m.Name + "`", m.Unit, strings.Join(dimensions, ", "), m.Means}, " | "))
	}
	for _, cells := range table(t, "| metric | unit | dimensions | what it is | what to do |") {
		if len(cells) != 5 || cells[4] == "" {
			t.Errorf("row %q, want five cells, and what to do", cells)
			continue
		}
		got = append(got, strings.Join(cells[:4], " | "))
	}
	if !slices.Equal(got, want) {
		t.Errorf("docs/operations.md has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The page has every event, in the order of the source.
func TestEveryEventIsDocumented(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "audit.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Event" {
			event, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, event)
		}
		return true
	})
	for _, cells := range table(t, "| event | by | `before` and `after` |") {
		got = append(got, strings.Trim(cells[0], "`"))
		if len(cells) != 3 || cells[1] == "" {
			t.Errorf("row %q does not say by whom", cells)
		}
	}
	if len(want) < 20 || !slices.Equal(got, want) {
		t.Errorf("docs/operations.md has %q, want %q", got, want)
	}
}

// Every series costs money, so dimensions have only values that policy or
// protocols limit.
func TestDimensionsAreBounded(t *testing.T) {
	for _, m := range All {
		for _, d := range m.Dimensions {
			if !slices.Contains([]string{Profile, Outcome, GrantType, Decision}, d) {
				t.Errorf("%s has the dimension %s", m.Name, d)
			}
		}
	}
}
