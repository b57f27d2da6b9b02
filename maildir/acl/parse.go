package acl

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// SyntaxError says what is wrong with which line of a file.
type SyntaxError struct {
	Line int // from 1
	Msg  string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Msg) }

// maxLines is the number of lines that a file may have. None that a person keeps comes near it.
const maxLines = 1 << 20

// Parse reads a dovecot-acl file. The error is a *SyntaxError about the first bad line.
func Parse(b []byte) (*List, error) {
	l := &List{}
	text := string(b)
	start := 0 // of the comments before the next entry
	for n, at := 1, 0; at < len(text); n++ {
		line, next := cutLine(text, at)
		switch {
		case n > maxLines:
			return nil, &SyntaxError{n, "too many lines"}
		case strings.IndexByte(line, 0) >= 0:
			return nil, &SyntaxError{n, "a NUL: this is no text"}
		case strings.TrimSuffix(line, "\r") != "" && line[0] != '#':
			e, err := parseLine(line)
			if err != nil {
				return nil, &SyntaxError{n, err.Error()}
			}
			e.Line, e.above, e.raw = n, text[start:at], line
			l.Entries = append(l.Entries, e)
			start = next
		}
		at = next
	}
	l.below = text[start:]
	return l, nil
}

// cutLine returns the line that begins at at, and where the next one does.
func cutLine(text string, at int) (line string, next int) {
	if end := strings.IndexByte(text[at:], '\n'); end >= 0 {
		return text[at : at+end], at + end + 1
	}
	return text[at:], len(text)
}

func parseLine(line string) (Entry, error) {
	line = strings.TrimSuffix(line, "\r")
	var word, rest string
	if strings.HasPrefix(line, `"`) {
		var err error
		if word, rest, err = unquote(line); err != nil {
			return Entry{}, err
		}
		if rest != "" && rest[0] != ' ' {
			return Entry{}, errors.New("a space must follow the quoted identifier")
		}
	} else {
		word, rest, _ = strings.Cut(line, " ")
	}
	bare, negative := strings.CutPrefix(word, "-")
	id, ok := spelled(bare)
	if !ok {
		return Entry{}, unknown(bare)
	}
	e := Entry{ID: id, Negative: negative}
	return e, e.parseRights(rest)
}

// unknown says what is wrong with an identifier, and names the two mistakes that are hard to see.
func unknown(word string) error {
	switch {
	case strings.Contains(word, "\t"):
		return fmt.Errorf("unknown identifier %q: it ends at a space, not at a TAB", word)
	case word == "":
		return errors.New("no identifier: a line must not begin with a space")
	}
	return fmt.Errorf("unknown identifier %q", word)
}

const blanks = " \t"

// parseRights reads what stands behind the identifier: letters, then names behind a colon.
func (e *Entry) parseRights(s string) error {
	s = strings.TrimLeft(s, blanks)
	end := strings.IndexAny(s, blanks+":")
	if end < 0 {
		end = len(s)
	}
	for _, c := range s[:end] {
		one := letter(c)
		if one == 0 {
			return fmt.Errorf("unknown right %q", c)
		}
		e.Rights |= one
	}
	s = strings.TrimLeft(s[end:], blanks)
	if s == "" {
		return nil
	}
	more, ok := strings.CutPrefix(s, ":")
	if !ok {
		return fmt.Errorf("%q behind the rights: only names after a colon may follow", s)
	}
	for _, word := range strings.FieldsFunc(more, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
		if one := named(word); one != 0 {
			e.Rights |= one
		} else {
			e.Named = append(e.Named, word)
		}
	}
	return nil
}

// unquote reads a quoted string and returns what follows it. A backslash takes the next character for itself; it is
// no C escape.
func unquote(s string) (text, rest string, err error) {
	var b bytes.Buffer
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], nil
		case '\\':
			if i++; i == len(s) {
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", errors.New("the quote of the identifier does not end")
}
