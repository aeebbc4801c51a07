package dcrbroker

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// aName matches the begin of a comment that can only be a name of Go: a word
// with a capital letter after a small one, or a small letter before a verb.
var aName = regexp.MustCompile(`^(?:(\w*[a-z]\w*[A-Z]\w*)\b|([a-z]\w*) [a-z]+s )`)

// A doc comment that begins with a name begins with that of what it documents.
// Otherwise the name has changed, and the comment has not. The comments of
// tests are sentences.
func TestDocCommentsBeginWithTheName(t *testing.T) {
	out, err := exec.Command("git", "ls-files", "*.go").Output()
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	check := func(doc *ast.CommentGroup, names ...*ast.Ident) {
		m := aName.FindStringSubmatch(doc.Text())
		if m == nil || slices.ContainsFunc(names, func(n *ast.Ident) bool { return n.Name == m[1]+m[2] }) {
			return
		}
		t.Errorf("%s: the comment of %v begins with %q", fset.Position(doc.Pos()), names, m[1]+m[2])
	}
	for name := range strings.FieldsSeq(string(out)) {
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if !strings.HasSuffix(name, "_test.go") || !strings.HasPrefix(n.Name.Name, "Test") {
					check(n.Doc, n.Name)
				}
				return false
			case *ast.GenDecl:
				if n.Lparen == token.NoPos && len(n.Specs) == 1 {
					switch s := n.Specs[0].(type) {
					case *ast.TypeSpec:
						check(n.Doc, s.Name)
					case *ast.ValueSpec:
						check(n.Doc, s.Names...)
					}
				}
			case *ast.TypeSpec:
				check(n.Doc, n.Name)
			case *ast.ValueSpec:
				check(n.Doc, n.Names...)
			case *ast.Field:
				if len(n.Names) > 0 {
					check(n.Doc, n.Names...)
				}
			}
			return true
		})
	}
}
