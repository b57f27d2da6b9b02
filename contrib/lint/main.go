package main

import (
	"flag"
	"fmt"
	"os"
	"sort"
)

// finding is one place that breaks a rule.
type finding struct {
	file string // relative to the root
	line int    // 0: the file as a whole
	rule string
	text string
}

func (f finding) String() string {
	if f.line == 0 {
		return fmt.Sprintf("%s: [%s] %s", f.file, f.rule, f.text)
	}
	return fmt.Sprintf("%s:%d: [%s] %s", f.file, f.line, f.rule, f.text)
}

// rule looks at a whole tree, so that it may compare files.
type rule func(*tree) []finding

// rules is every rule that needs nothing but the source files. The import rule also needs `go list`.
func rules() []rule {
	return []rule{layout, fileLength, funcLength, packageDocs, exportedDocs, engineNames, bannedCalls, bannedNames, leftovers}
}

func main() {
	root := flag.String("C", ".", "the root of the tree")
	flag.Parse()
	found, err := run(*root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lint:", err)
		os.Exit(2)
	}
	for _, f := range found {
		fmt.Println(f)
	}
	if len(found) > 0 {
		fmt.Fprintf(os.Stderr, "lint: %d findings\n", len(found))
		os.Exit(1)
	}
}

// run applies every rule to the tree at root; the findings come sorted by place.
func run(root string) ([]finding, error) {
	t, err := loadTree(root)
	if err != nil {
		return nil, err
	}
	pkgs, err := goList(root)
	if err != nil {
		return nil, err
	}
	found := append(importDirections(pkgs), programDeps(pkgs)...)
	for _, r := range rules() {
		found = append(found, r(t)...)
	}
	sort.SliceStable(found, func(i, j int) bool {
		if found[i].file != found[j].file {
			return found[i].file < found[j].file
		}
		return found[i].line < found[j].line
	})
	return found, nil
}
