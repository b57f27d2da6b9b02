package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

const vocabulary = "github.com/emersion/go-imap/v2"

// vocabularyCaps reads the names and values of go-imap's capability constants from its source.
func vocabularyCaps(root string) (map[string]string, error) {
	cmd := exec.Command("go", "list", "-f", "{{.Dir}}", vocabulary)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", vocabulary, err)
	}
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(out)), "capability.go"), nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	caps := make(map[string]string)
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Names) == 1 && len(v.Values) == 1 {
			if s, ok := stringLit(v.Values[0]); ok {
				caps[v.Names[0].Name] = s
			}
		}
		return true
	})
	return caps, nil
}

// codeCaps is every capability that the package in dir names: constants of the vocabulary, and strings in
// conversions to or lists of imap.Cap. A value ("APPENDLIMIT=35") is cut off; the place is where it was seen.
func codeCaps(dir string, names map[string]string) (map[string]string, error) {
	found := make(map[string]string)
	err := eachFile(dir, func(fset *token.FileSet, f *ast.File) {
		note := func(n ast.Node, capability string) {
			if _, ok := found[capability]; !ok {
				found[capability] = fset.Position(n.Pos()).String()
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if v, ok := names[n.Sel.Name]; ok && ident(n.X) == "imap" {
					note(n, v)
				}
			case *ast.CallExpr:
				if isCap(n.Fun) && len(n.Args) == 1 {
					if s, ok := leadingString(n.Args[0]); ok {
						note(n, s)
					}
				}
			case *ast.CompositeLit:
				if a, ok := n.Type.(*ast.ArrayType); ok && isCap(a.Elt) {
					for _, e := range n.Elts {
						if s, ok := leadingString(e); ok {
							note(e, s)
						}
					}
				}
			}
			return true
		})
	})
	return found, err
}

// mechanism matches the SASL names that could be announced, among the names in tables of package auth.
var mechanism = regexp.MustCompile(`^(PLAIN|LOGIN|EXTERNAL|ANONYMOUS|GSSAPI|OAUTHBEARER|XOAUTH2|(CRAM|DIGEST)-[A-Z0-9]+|SCRAM-[A-Z]+-[0-9]+(-PLUS)?)$`)

// authCaps is the capabilities of the mechanisms in the tables of the package in dir, as AUTH=NAME. A row
// has a field name: "NAME".
func authCaps(dir string) (map[string]string, error) {
	found := make(map[string]string)
	err := eachFile(dir, func(fset *token.FileSet, f *ast.File) {
		ast.Inspect(f, func(n ast.Node) bool {
			if e, ok := n.(*ast.KeyValueExpr); ok && ident(e.Key) == "name" {
				if s, ok := stringLit(e.Value); ok && mechanism.MatchString(s) && found["AUTH="+s] == "" {
					found["AUTH="+s] = fset.Position(n.Pos()).String()
				}
			}
			return true
		})
	})
	return found, err
}

// eachFile parses the Go files of one directory, tests apart.
func eachFile(dir string, visit func(*token.FileSet, *ast.File)) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	fset := token.NewFileSet()
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		visit(fset, f)
	}
	return nil
}

// isCap tells whether e is the type imap.Cap.
func isCap(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "Cap" && ident(s.X) == "imap"
}

func ident(e ast.Expr) string {
	if id, ok := e.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// leadingString is the literal that an expression begins with: "A", "A=" + x and fmt.Sprintf("A=%d", n) all
// give A. Of names that hold a value on purpose, such as STATUS=SIZE, nothing is cut.
func leadingString(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		s, ok := leadingString(e.X)
		return strings.TrimSuffix(s, "="), ok
	case *ast.CallExpr:
		if len(e.Args) > 0 {
			s, ok := leadingString(e.Args[0])
			s, _, _ = strings.Cut(s, "=%")
			return s, ok
		}
		return "", false
	default:
		return stringLit(e)
	}
}

func stringLit(e ast.Expr) (string, bool) {
	b, ok := e.(*ast.BasicLit)
	if !ok || b.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(b.Value)
	return s, err == nil
}
