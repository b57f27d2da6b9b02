package main

import (
	"bytes"
	"fmt"
	"go/ast"
)

const (
	maxFileLines = 400
	maxFuncLines = 60
)

// fileLength reports files that hold more than one concept, going by their length.
func fileLength(t *tree) []finding {
	var found []finding
	for _, f := range t.code() {
		if n := bytes.Count(f.src, []byte("\n")); n > maxFileLines {
			found = append(found, finding{file: f.name, rule: "file-length",
				text: fmt.Sprintf("%d lines; a file has at most %d", n, maxFileLines)})
		}
	}
	return found
}

// funcLength reports long functions, from the line of func to that of the closing brace.
func funcLength(t *tree) []finding {
	var found []finding
	for _, f := range t.code() {
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			n := t.line(fn.End()) - t.line(fn.Pos()) + 1
			if n > maxFuncLines {
				found = append(found, finding{file: f.name, line: t.line(fn.Pos()), rule: "func-length",
					text: fmt.Sprintf("func %s has %d lines; a function has at most %d", fn.Name.Name, n, maxFuncLines)})
			}
		}
	}
	return found
}
