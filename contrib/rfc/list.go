package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// rfc is one line of rfcs.txt.
type rfc struct {
	line   int
	number int
	status status
	caps   []string
	title  string
	where  []string
	note   string
}

// noRFC is the number of what is in use and was never published as one; such lines come last.
const noRFC = 1 << 30

// status is how much of a document is there.
type status string

const (
	full    status = "full"
	partial status = "partial"
	no      status = "no"
)

// readList reads rfcs.txt, and names every bad line at once.
func readList(path string) ([]rfc, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseList(path, string(b))
}

func parseList(path, text string) ([]rfc, error) {
	var list []rfc
	var bad []error
	last := 0
	for i, l := range strings.Split(text, "\n") {
		if l = strings.TrimSpace(l); l == "" || l[0] == '#' {
			continue
		}
		r, err := parseLine(l)
		if err == nil && r.number <= last && r.number != noRFC {
			err = fmt.Errorf("RFC %d comes after %d; the list is sorted, each number once", r.number, last)
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("%s:%d: %w", path, i+1, err))
			continue
		}
		r.line, last = i+1, r.number
		list = append(list, r)
	}
	return list, errors.Join(bad...)
}

func parseLine(l string) (rfc, error) {
	f := strings.Split(l, "|")
	if len(f) != 6 {
		return rfc{}, fmt.Errorf("%d fields; want number | status | capabilities | title | where | note", len(f))
	}
	for i := range f {
		f[i] = strings.TrimSpace(f[i])
	}
	n, err := strconv.Atoi(f[0])
	if f[0] == "-" {
		n, err = noRFC, nil
	}
	if err != nil || n < 1 {
		return rfc{}, fmt.Errorf("number %q is none", f[0])
	}
	r := rfc{number: n, status: status(f[1]), caps: strings.Fields(f[2]), title: f[3], where: strings.Fields(f[4]), note: f[5]}
	switch {
	case r.status != full && r.status != partial && r.status != no:
		return r, fmt.Errorf("status %q; want full, partial or no", f[1])
	case r.title == "":
		return r, errors.New("no title")
	case r.status != full && r.note == "":
		return r, fmt.Errorf("status %s needs a note", r.status)
	case r.status != no && len(r.where) == 0:
		return r, fmt.Errorf("status %s needs a place in the tree", r.status)
	case r.status == no && len(r.caps) > 0:
		return r, errors.New("what is not served has no capabilities")
	}
	return r, nil
}
