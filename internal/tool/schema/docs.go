package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
)

// read reads the comments of the types in a folder.
func (g *generator) read(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			decl, ok := n.(*ast.GenDecl)
			if !ok {
				return true
			}
			for _, spec := range decl.Specs {
				if t, ok := spec.(*ast.TypeSpec); ok {
					g.typeDocs(file.Name.Name+"."+t.Name.Name, decl.Doc, t)
				}
			}
			return true
		})
	}
	return nil
}

func (g *generator) typeDocs(path string, doc *ast.CommentGroup, t *ast.TypeSpec) {
	g.docs[path] = sentence(t.Name.Name, doc.Text())
	s, ok := t.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, field := range s.Fields.List {
		for _, name := range field.Names {
			if field.Doc != nil {
				g.docs[path+"."+name.Name] = sentence(name.Name, field.Doc.Text())
			}
		}
	}
}

// sentence returns a doc comment in one line without the name of Go with which
// it begins.
func sentence(name, doc string) string {
	text := strings.Join(strings.Fields(doc), " ")
	rest, ok := strings.CutPrefix(text, name+" ")
	if !ok || rest == "" {
		return text
	}
	for _, verb := range []string{"is ", "are "} {
		rest = strings.TrimPrefix(rest, verb)
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}
