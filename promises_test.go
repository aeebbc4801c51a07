package dcrbroker

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/must"
)

// promises are the documents that name tests for their promises.
var promises = []string{"docs/conformance.md", "docs/divergences.md", "docs/threat-model.md", "docs/tokens.md"}

// named matches the name of a test in those documents: package, function and,
// for a subtest, the rest of the argument of go test -run.
var named = regexp.MustCompile("`([a-z0-9/.]+): ((?:Test|Fuzz)\\w+)((?:/[^`]+)?)`")

// A test that a document names exists. Without it, nothing would check the
// promise.
func TestNamedTestsExist(t *testing.T) {
	packages := make(map[string]*tests)
	for _, doc := range promises {
		text := must.ReadFile(t, doc)
		count, line := 0, 0
		for row := range strings.Lines(string(text)) {
			line++
			found := named.FindAllStringSubmatch(row, -1)
			count += len(found)
			// Text that looks like the name of a test but does not match is mistyped.
			if n := strings.Count(row, ": Test") + strings.Count(row, ": Fuzz"); n != len(found) {
				t.Errorf("%s:%d: %d names of tests match, want %d:\n%s", doc, line, len(found), n, row)
			}
			for _, m := range found {
				if packages[m[1]] == nil {
					packages[m[1]] = parseTests(t, m[1])
				}
				if err := packages[m[1]].has(m[2], strings.TrimPrefix(m[3], "/")); err != nil {
					t.Errorf("%s:%d: %s: %v; the row is\n%s", doc, line, m[0], err, row)
				}
			}
		}
		if count == 0 {
			t.Errorf("%s names no test", doc)
		}
	}
}

// A row of conformance.md with the answer yes names a test, and a row with the
// answer no has a reason.
func TestConformanceRowsAreBacked(t *testing.T) {
	text := must.ReadFile(t, "docs/conformance.md")
	rows, line := 0, 0
	for row := range strings.Lines(string(text)) {
		line++
		cells := strings.Split(strings.Trim(strings.TrimSpace(row), "|"), "|")
		if !strings.HasPrefix(row, "|") || strings.HasPrefix(row, "|---") || strings.Contains(row, "| What we do |") || !inRequirements(cells) {
			continue
		}
		rows++
		does, tested := strings.TrimSpace(cells[2]), named.MatchString(cells[3])
		answer, why, _ := strings.Cut(does, ":")
		switch {
		case !slices.Contains([]string{"yes", "no", "in part", "not ours"}, answer):
			t.Errorf("docs/conformance.md:%d: %q, want yes, no, in part or not ours, then a colon", line, does)
		case strings.TrimSpace(why) == "":
			t.Errorf("docs/conformance.md:%d: %q has no explanation", line, does)
		case (answer == "yes" || answer == "in part") && !tested:
			t.Errorf("docs/conformance.md:%d: the answer is %q, but the row names no test:\n%s", line, answer, row)
		}
	}
	if rows < 100 {
		t.Errorf("docs/conformance.md has %d requirements, want at least 100", rows)
	}
}

// inRequirements reports whether a row is in a table of requirements, which has
// four columns.
func inRequirements(cells []string) bool { return len(cells) == 4 }

// The use cases cannot fetch URLs that clients name, because they link no network
// packages.
func TestUseCasesLinkNoNetwork(t *testing.T) {
	for _, pkg := range []string{"./pkg/dcr", "./pkg/broker", "./pkg/discovery"} {
		out, err := exec.Command("go", "list", "-deps", pkg).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, dep := range strings.Fields(string(out)) {
			if dep == "net" || dep == "net/http" {
				t.Errorf("%s links %s", pkg, dep)
			}
		}
	}
}

// tests has the functions of a package by name.
type tests struct {
	functions map[string]*ast.FuncDecl
}

func parseTests(t *testing.T, pkg string) *tests {
	t.Helper()
	found := &tests{functions: make(map[string]*ast.FuncDecl)}
	files, err := filepath.Glob(path.Join(pkg, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			// Files without _test count, too: suites that other packages run, such as
			// those of test/contract, are in such files.
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				found.functions[f.Name.Name] = f
			}
		}
	}
	return found
}

// has returns an error if the test does not exist, or if neither the test nor a
// function that it calls has a string with the name of the subtest.
func (p *tests) has(function, subtest string) error {
	f := p.functions[function]
	if f == nil || !takesTesting(f) {
		return errors.New("the test does not exist")
	}
	if subtest == "" {
		return nil
	}
	names := make(map[string]bool)
	p.strings(f, names, make(map[*ast.FuncDecl]bool))
	if !isPath(subtest, names) {
		return fmt.Errorf("%s has no subtest of that name", function)
	}
	return nil
}

func takesTesting(f *ast.FuncDecl) bool {
	if len(f.Type.Params.List) == 0 {
		return false
	}
	star, ok := f.Type.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	sel, ok := star.X.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	return ok && pkg.Name == "testing" && (sel.Sel.Name == "T" || sel.Sel.Name == "F")
}

// strings adds every string literal in f and in the functions of its package to
// which it refers, in the form in which go test writes names of subtests.
func (p *tests) strings(f *ast.FuncDecl, names map[string]bool, seen map[*ast.FuncDecl]bool) {
	if seen[f] || f.Body == nil {
		return
	}
	seen[f] = true
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				names[strings.ReplaceAll(s, " ", "_")] = true
			}
		case *ast.Ident:
			if called := p.functions[n.Name]; called != nil {
				p.strings(called, names, seen)
			}
		}
		return true
	})
}

// isPath reports whether s is one of the names, or several of them separated by
// slashes. A name itself can have slashes.
func isPath(s string, names map[string]bool) bool {
	if names[s] {
		return true
	}
	for i, r := range s {
		if r == '/' && names[s[:i]] && isPath(s[i+1:], names) {
			return true
		}
	}
	return false
}
