package main

import "strings"

// rooms is everything that may lie at the top of the tree.
var rooms = map[string]bool{
	"cmd": true, "imapd": true, "maildir": true, "pubroot": true, "auth": true, "contrib": true, "man": true, "testdata": true,
	"go.mod": true, "go.sum": true, "Makefile": true, "README.md": true, "LICENSE": true, "CHANGELOG.md": true,
	".ci": true, ".gitignore": true, ".gitattributes": true,
}

// layout reports each thing at the top of the tree that is not one of its rooms, once.
func layout(t *tree) []finding {
	var found []finding
	seen := make(map[string]bool)
	for _, name := range t.files {
		top, _, _ := strings.Cut(name, "/")
		if rooms[top] || seen[top] {
			continue
		}
		seen[top] = true
		found = append(found, finding{file: top, rule: "layout", text: "no such room at the top of the tree"})
	}
	return found
}
