package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// tree is what the rules look at: the names of all files, and the Go files parsed.
type tree struct {
	files []string // relative to the root, with slashes
	fset  *token.FileSet
	gos   []*goFile
}

// goFile is one parsed Go file.
type goFile struct {
	name string // relative to the root, with slashes
	src  []byte
	ast  *ast.File
}

func (f *goFile) dir() string  { return path.Dir(f.name) }
func (f *goFile) test() bool   { return strings.HasSuffix(f.name, "_test.go") }
func (f *goFile) base() string { return path.Base(f.name) }

// generated tells the files that no one edits; length and comments are their generator's matter.
func (f *goFile) generated() bool { return ast.IsGenerated(f.ast) }

// code is the Go files that the size and documentation rules are about: no tests, nothing generated.
func (t *tree) code() []*goFile {
	var out []*goFile
	for _, f := range t.gos {
		if !f.test() && !f.generated() {
			out = append(out, f)
		}
	}
	return out
}

func (t *tree) line(p token.Pos) int { return t.fset.Position(p).Line }

// loadTree parses the project at root.
func loadTree(root string) (*tree, error) {
	names, err := listFiles(root)
	if err != nil {
		return nil, err
	}
	sources := make(map[string][]byte)
	for _, n := range names {
		if !strings.HasSuffix(n, ".go") || strings.Contains(n, "testdata/") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(n)))
		if err != nil {
			return nil, err
		}
		sources[n] = b
	}
	return parseTree(names, sources)
}

// parseTree makes a tree of file names and the Go sources among them.
func parseTree(names []string, sources map[string][]byte) (*tree, error) {
	t := &tree{files: names, fset: token.NewFileSet()}
	for _, n := range names {
		src, ok := sources[n]
		if !ok {
			continue
		}
		f, err := parser.ParseFile(t.fset, n, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("parse: %w", err)
		}
		t.gos = append(t.gos, &goFile{name: n, src: src, ast: f})
	}
	return t, nil
}

// listFiles names the project's files: what git tracks or would track, or in an unpacked archive all there is.
func listFiles(root string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
		if _, err := exec.LookPath("git"); err == nil {
			return gitFiles(root)
		}
	}
	var names []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case d.IsDir() && (rel == ".git" || rel == "bin" || rel == "demo"):
			return fs.SkipDir
		case !d.IsDir():
			names = append(names, rel)
		}
		return nil
	})
	return names, err
}

// gitFiles lists tracked files and new ones that are not ignored, as far as they exist.
func gitFiles(root string) ([]string, error) {
	cmd := exec.Command("git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w", err)
	}
	var names []string
	for n := range bytes.SplitSeq(out, []byte{0}) {
		if len(n) == 0 {
			continue
		}
		if _, err := os.Lstat(filepath.Join(root, string(n))); err == nil {
			names = append(names, string(n))
		}
	}
	return names, nil
}
