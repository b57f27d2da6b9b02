package acl

import (
	"slices"
	"strings"
)

// Append writes the list as a dovecot-acl file. Lines that were read come out as they were, and so do comments; an
// entry that differs from its line is written anew. Two blanks, CR and the order of letters and names are so kept.
func (l *List) Append(b []byte) []byte {
	for i := range l.Entries {
		e := &l.Entries[i]
		b = append(b, e.above...)
		if e.raw != "" && e.asRead() {
			b = append(b, e.raw...)
		} else {
			b = e.append(b)
		}
		b = append(b, '\n')
	}
	return append(b, l.below...)
}

// asRead tells whether the line that the entry was read from still says what the entry does.
func (e *Entry) asRead() bool {
	was, err := parseLine(e.raw)
	return err == nil && was.same(e)
}

// same tells whether two entries say the same.
func (e *Entry) same(o *Entry) bool {
	return e.ID == o.ID && e.Negative == o.Negative && e.Rights == o.Rights && slices.Equal(e.Named, o.Named)
}

// String is the entry as a line of a file.
func (e *Entry) String() string { return string(e.append(nil)) }

func (e *Entry) append(b []byte) []byte {
	b = e.ID.append(b, e.Negative)
	if e.Rights != 0 {
		b = append(b, ' ')
		b = append(b, e.Rights.String()...)
	}
	if len(e.Named) > 0 {
		b = append(b, " :"...)
		b = append(b, strings.Join(e.Named, " ")...)
	}
	return b
}
