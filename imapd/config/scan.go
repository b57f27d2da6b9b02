package config

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// lineOf finds the line of a value: the n-th of a key in a section. n = 0 with an empty key is the section.
type lineOf struct {
	header, key string
	n           int
}

// scanned is a file as ini.v1 may see it.
type scanned struct {
	clean    bytes.Buffer // as many lines as the file, without comments
	lines    map[lineOf]int
	headers  []string             // in the order of the file, each once
	kinds    map[string][2]string // header -> kind and name
	aliases  []Alias
	problems []Problem
}

var (
	headerPattern = regexp.MustCompile(`^\[\s*([A-Za-z_]+)(?:\s+"([^"\\]*)")?\s*\]$`)
	keyPattern    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
)

// scan reads the file line by line. What it refuses it reports with its line and leaves out.
func scan(data []byte) *scanned {
	s := &scanned{lines: map[lineOf]int{}, kinds: map[string][2]string{}}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	current, skipping := "", false
	number := 0
	for raw := range bytes.Lines(data) {
		number++
		line := strings.TrimSpace(string(raw))
		if err := printable(line); err != nil {
			s.report(number, "", "", err)
			s.clean.WriteByte('\n')
			continue
		}
		line = withoutComment(line)
		switch {
		case line == "":
		case line[0] == '[':
			var err error
			if current, err = s.section(line, number); err != nil {
				s.report(number, "", "", err)
			}
			skipping = err != nil
		case skipping: // of a section that has no name: one error is enough
		case current == aliasHeader:
			s.alias(line, number)
		default:
			s.key(current, line, number)
		}
		s.clean.WriteByte('\n')
	}
	return s
}

func (s *scanned) section(line string, number int) (string, error) {
	m := headerPattern.FindStringSubmatch(line)
	if m == nil {
		return "", bad(`write [section] or [section "name"]`, "%s is not a section", line)
	}
	kind, name := strings.ToLower(m[1]), m[2]
	if kind == "tls" {
		name = strings.ToLower(name)
	}
	h := header(kind, name)
	if _, seen := s.kinds[h]; !seen {
		s.headers = append(s.headers, h)
		s.kinds[h] = [2]string{kind, name}
		s.lines[lineOf{header: h}] = number
	}
	s.clean.WriteString(h)
	return h, nil
}

func (s *scanned) key(current, line string, number int) {
	name, value, ok := strings.Cut(line, "=")
	name = strings.ToLower(strings.TrimSpace(name))
	value = strings.TrimSpace(value)
	var err error
	switch {
	case !ok:
		err = bad("write key = value", "%q is neither a section nor a key", line)
	case !keyPattern.MatchString(name):
		err = bad("use letters, digits and _ only", "%q is not the name of a key", name)
		name = ""
	case current == "":
		err = bad("put a line such as [server] above it", "it stands before the first section")
	case strings.HasPrefix(value, "`") || strings.HasPrefix(value, `"""`):
		err = bad("use plain double quotes", "%s does not quote", value)
	}
	if err != nil {
		if !ok {
			name = ""
		}
		s.report(number, current, name, err)
		return
	}
	s.note(current, name, number)
	s.clean.WriteString(name + " = " + value)
}

// note remembers where a key stands; n tells how often it stood in its section before.
func (s *scanned) note(header, key string, number int) (n int) {
	for ; ; n++ {
		at := lineOf{header, key, n}
		if _, taken := s.lines[at]; !taken {
			s.lines[at] = number
			return n
		}
	}
}

func (s *scanned) report(line int, header, key string, err error) {
	s.problems = append(s.problems, Problem{Line: line, Section: header, Key: key, Err: err})
}

// printable refuses the bytes that no value here can want, and that would forge log lines.
func printable(line string) error {
	if !utf8.ValidString(line) {
		return bad("save the file as UTF-8", "the line is not UTF-8")
	}
	for _, r := range line {
		if r < ' ' && r != '\t' || r == 0x7f {
			return bad("remove it", "the line has a control character (%s)", fmt.Sprintf("%U", r))
		}
	}
	return nil
}

// withoutComment removes a comment: '#' or ';' at the start or after white space, outside double quotes. A
// double quote quotes only where a key, a value or an item of a list starts.
func withoutComment(line string) string {
	for i := 0; i < len(line); i++ {
		switch {
		case (line[i] == '#' || line[i] == ';') && (i == 0 || isSpace(line[i-1])):
			return strings.TrimSpace(line[:i])
		case line[i] == '"' && (i == 0 || strings.IndexByte(" \t,=", line[i-1]) >= 0):
			if n, err := quoteEnd(line[i:]); err == nil {
				i += n - 1
			}
		}
	}
	return line
}
