package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"sort"
)

// packageDocs reports libraries without a doc.go that has the package comment, and programs without a package comment.
func packageDocs(t *tree) []finding {
	type state struct{ program, docFile, comment bool }
	byDir := make(map[string]*state)
	for _, f := range t.gos {
		if f.test() {
			continue
		}
		s := byDir[f.dir()]
		if s == nil {
			s = new(state)
			byDir[f.dir()] = s
		}
		s.program = f.ast.Name.Name == "main"
		if f.ast.Doc != nil {
			s.comment = true
			s.docFile = s.docFile || f.base() == "doc.go"
		}
	}
	var found []finding
	for dir, s := range byDir {
		switch {
		case s.program && !s.comment:
			found = append(found, finding{file: dir, rule: "package-doc", text: "a program without a package comment"})
		case !s.program && !s.docFile:
			found = append(found, finding{file: dir, rule: "package-doc", text: "no doc.go with the package comment"})
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].file < found[j].file })
	return found
}

// exportedDocs reports exported functions, methods, types, constants and variables without a comment.
func exportedDocs(t *tree) []finding {
	var found []finding
	for _, f := range t.code() {
		for _, d := range f.ast.Decls {
			for _, id := range undocumented(d) {
				found = append(found, finding{file: f.name, line: t.line(id.Pos()), rule: "exported-doc",
					text: fmt.Sprintf("exported %s has no comment", id.Name)})
			}
		}
	}
	return found
}

// undocumented lists the exported names that a declaration introduces without a comment. One comment
// over a group of constants or variables serves all of them.
func undocumented(d ast.Decl) []*ast.Ident {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) && !wellKnown(d) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		var out []*ast.Ident
		for _, s := range d.Specs {
			out = append(out, undocumentedSpec(d, s)...)
		}
		return out
	}
	return nil
}

func undocumentedSpec(d *ast.GenDecl, s ast.Spec) []*ast.Ident {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil && s.Comment == nil && (d.Doc == nil || d.Lparen.IsValid()) {
			return []*ast.Ident{s.Name}
		}
	case *ast.ValueSpec:
		if d.Doc != nil || s.Doc != nil || s.Comment != nil || d.Tok == token.IMPORT {
			return nil
		}
		var out []*ast.Ident
		for _, n := range s.Names {
			if n.IsExported() {
				out = append(out, n)
			}
		}
		return out
	}
	return nil
}

// wellKnown is the methods that say what they do by being part of everybody's interfaces.
func wellKnown(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return false
	}
	switch d.Name.Name {
	case "Error", "String", "Unwrap", "Is", "Read", "Write", "ServeHTTP":
		return true
	}
	return false
}

// exportedReceiver is true for plain functions, and for methods that a reader of the documentation sees.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}
