package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"strings"
)

// The engine and the core commands ask for no extension by name: an extension is one file ext_*.go and
// one line of the table in extensions.go. So in package imapd no file but an ext_*.go one may use
// something that an ext_*.go file declares, the table apart, nor ask enabled for a name.

const engineDir = "imapd"

// engineNames reports where the engine knows an extension.
func engineNames(t *tree) []finding {
	var files []*ast.File
	var engine []*goFile
	for _, f := range t.gos {
		if f.dir() != engineDir || f.test() {
			continue
		}
		files = append(files, f.ast)
		if !extensionFile(f.name) {
			engine = append(engine, f)
		}
	}
	if len(files) == 0 {
		return nil
	}
	uses := resolve(t.fset, files)
	var found []finding
	for _, f := range engine {
		found = append(found, extensionUses(t, f, uses)...)
	}
	return found
}

func extensionFile(name string) bool { return strings.HasPrefix(path.Base(name), "ext_") }

// resolve tells what each identifier of the package refers to. Imported packages stay empty: only names
// that the package itself declares matter here, so nothing has to be compiled first.
func resolve(fset *token.FileSet, files []*ast.File) map[*ast.Ident]types.Object {
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	conf := types.Config{Importer: emptyImporter{}, Error: func(error) {}}
	// The error says that imported names are unknown, which is so on purpose.
	_, _ = conf.Check(engineDir, fset, files, info)
	return info.Uses
}

// emptyImporter answers each import with a package that declares nothing.
type emptyImporter struct{}

func (emptyImporter) Import(p string) (*types.Package, error) {
	if p == "unsafe" {
		return types.Unsafe, nil
	}
	name := path.Base(p)
	if name == "v2" {
		name = path.Base(strings.TrimPrefix(path.Dir(p), "go-"))
	}
	pkg := types.NewPackage(p, strings.TrimPrefix(name, "go-"))
	pkg.MarkComplete()
	return pkg, nil
}

// extensionUses walks one engine file.
func extensionUses(t *tree, f *goFile, uses map[*ast.Ident]types.Object) []finding {
	var found []finding
	report := func(p token.Pos, format string, a ...any) {
		found = append(found, finding{file: f.name, line: t.line(p), rule: "engine", text: fmt.Sprintf(format, a...)})
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			if f.base() == "extensions.go" && len(n.Names) == 1 && n.Names[0].Name == "extensions" {
				return false // the table
			}
		case *ast.CallExpr, *ast.IndexExpr:
			if asksEnabled(n) {
				report(n.Pos(), "asks whether an extension is enabled; give the extension a hook instead")
			}
		case *ast.Ident:
			obj := uses[n]
			if obj == nil || !obj.Pos().IsValid() {
				return true
			}
			if from := t.fset.Position(obj.Pos()).Filename; extensionFile(from) {
				report(n.Pos(), "uses %s, which %s declares", n.Name, path.Base(from))
			}
		}
		return true
	})
	return found
}

// asksEnabled finds x.enabled(…) and x.enabled["…"].
func asksEnabled(n ast.Node) bool {
	var x ast.Expr
	switch n := n.(type) {
	case *ast.CallExpr:
		x = n.Fun
	case *ast.IndexExpr:
		if _, ok := n.Index.(*ast.BasicLit); !ok {
			return false // ENABLE itself goes through names it was given
		}
		x = n.X
	}
	s, ok := x.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "enabled"
}
