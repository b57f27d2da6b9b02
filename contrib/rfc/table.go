package main

import (
	"bytes"
	"fmt"
	"strings"
)

const (
	tableBegin = "<!-- begin: go run ./contrib/rfc -write -->\n"
	tableEnd   = "<!-- end -->\n"
)

// table renders the list as README.md shows it: what is served as rows, what is not as one sentence.
func table(list []rfc) string {
	var b strings.Builder
	b.WriteString("| RFC | what | |\n| --- | --- | --- |\n")
	var not []string
	for _, r := range list {
		if r.status == no {
			not = append(not, fmt.Sprintf("%s (%s)", r.title, link(r.number)))
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", link(r.number), r.title, remark(r))
	}
	if len(not) > 0 {
		fmt.Fprintf(&b, "\nNot served: %s.\n", strings.Join(not, "; "))
	}
	return b.String()
}

func link(n int) string {
	if n == noRFC {
		return "none"
	}
	return fmt.Sprintf("[%d](https://www.rfc-editor.org/rfc/rfc%d)", n, n)
}

// remark is the last column: nothing where all is there and nothing needs saying.
func remark(r rfc) string {
	if r.status == partial {
		return "partly: " + r.note
	}
	return r.note
}

// replaceTable puts the table between the two marks of a README.
func replaceTable(readme []byte, table string) ([]byte, error) {
	before, rest, ok := bytes.Cut(readme, []byte(tableBegin))
	if !ok {
		return nil, fmt.Errorf("no line %q", strings.TrimSpace(tableBegin))
	}
	_, after, ok := bytes.Cut(rest, []byte(tableEnd))
	if !ok {
		return nil, fmt.Errorf("no line %q after the first mark", strings.TrimSpace(tableEnd))
	}
	return bytes.Join([][]byte{before, []byte(tableBegin), []byte(table), []byte(tableEnd), after}, nil), nil
}
