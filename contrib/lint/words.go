package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// library tells the packages that return errors and leave ending the process to main.
func library(f *goFile) bool { return f.ast.Name.Name != "main" && !under(f.dir(), "contrib") }

// disk is the calls that only maildir/fsx makes for the store, so that every one of them can be made to fail.
var disk = []string{"Open", "OpenFile", "OpenRoot", "Create", "CreateTemp", "Rename", "Remove", "RemoveAll", "Mkdir", "MkdirAll", "MkdirTemp",
	"ReadFile", "WriteFile", "ReadDir", "Link", "Symlink", "Readlink", "Stat", "Lstat", "Chtimes", "Chmod", "Chown", "Truncate", "DirFS"}

// bannedCalls reports calls that a library does not make.
func bannedCalls(t *tree) []finding {
	var found []finding
	for _, f := range t.code() {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if ofKernel(n) {
				return false
			}
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := s.X.(*ast.Ident)
			if !ok {
				return true
			}
			if why := bannedCall(f, x.Name, s.Sel.Name); why != "" {
				found = append(found, finding{file: f.name, line: t.line(s.Pos()), rule: "calls",
					text: fmt.Sprintf("%s.%s: %s", x.Name, s.Sel.Name, why)})
			}
			return true
		})
	}
	return found
}

// ofKernel finds calls about a file of /proc named on the spot: that is a question to the kernel, not disk.
func ofKernel(n ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return false
	}
	name := call.Args[0]
	for {
		sum, ok := name.(*ast.BinaryExpr) // "/proc/" + pid
		if !ok {
			break
		}
		name = sum.X
	}
	lit, ok := name.(*ast.BasicLit)
	return ok && strings.HasPrefix(lit.Value, `"/proc/`)
}

func bannedCall(f *goFile, pkg, name string) string {
	full := pkg + "." + name
	switch {
	case full == "context.TODO":
		return "pass the context that the caller has"
	case !library(f):
		return ""
	case full == "os.Exit" || pkg == "log" && (strings.HasPrefix(name, "Fatal") || strings.HasPrefix(name, "Panic")):
		return "a library returns, only main exits"
	case pkg == "os" && f.dir() == engineDir && !strings.HasPrefix(name, "Err"):
		return "the engine knows no file and no process"
	case f.name == "maildir/check.go":
		return "" // the checker looks at what is really there, past every injected fault
	case pkg == "os" && slices.Contains(disk, name) && (f.dir() == "maildir" || under(f.dir(), "pubroot")):
		return "the store reaches the disk through maildir/fsx only"
	}
	return ""
}

var (
	vagueName = regexp.MustCompile(`(Manager|Helper|Helpers|Util|Utils)$`)
	getName   = regexp.MustCompile(`^[gG]et[A-Z]`)
)

// bannedNames reports names that say nothing, getters named Get, init functions and blank imports.
func bannedNames(t *tree) []finding {
	var found []finding
	for _, f := range t.code() {
		report := func(p token.Pos, format string, a ...any) {
			found = append(found, finding{file: f.name, line: t.line(p), rule: "names", text: fmt.Sprintf(format, a...)})
		}
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				switch {
				case d.Recv == nil && d.Name.Name == "init":
					report(d.Pos(), "func init: what runs is called by somebody")
				case getName.MatchString(d.Name.Name):
					report(d.Pos(), "func %s: no Get in front", d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if ts, ok := s.(*ast.TypeSpec); ok && vagueName.MatchString(ts.Name.Name) {
						report(ts.Pos(), "type %s: name what it owns", ts.Name.Name)
					}
				}
			}
		}
		for _, imp := range f.ast.Imports {
			p, _ := strconv.Unquote(imp.Path.Value)
			if imp.Name != nil && imp.Name.Name == "_" && p != "embed" {
				report(imp.Pos(), "blank import of %s", p)
			}
		}
		if vagueFile(f.name) {
			found = append(found, finding{file: f.name, rule: "names", text: "name the file after what it owns"})
		}
	}
	return found
}

func vagueFile(name string) bool {
	switch path.Base(name) {
	case "util.go", "utils.go", "helper.go", "helpers.go", "misc.go", "common.go":
		return true
	}
	return false
}

var leftover = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX|HA` + `CK)\b`)

// leftovers reports comments that put work off. What is left to do is an issue.
func leftovers(t *tree) []finding {
	var found []finding
	for _, f := range t.gos {
		for _, g := range f.ast.Comments {
			for _, c := range g.List {
				if w := leftover.FindString(c.Text); w != "" {
					found = append(found, finding{file: f.name, line: t.line(c.Pos()), rule: "leftover", text: w + " in a comment"})
				}
			}
		}
	}
	return found
}
