package acl

import (
	"cmp"
	"slices"
)

// Entry is a line of a list.
type Entry struct {
	ID       ID
	Negative bool // takes Rights away
	Rights   Rights
	Named    []string // rights by name, which are other programs' own
	Line     int      // in the file, from 1; 0 when it comes from none

	above, raw string // the comments before it, with their line ends, and the line as it was read
}

// List is one mailbox's access control list. It is not changed once it is made.
type List struct {
	Entries []Entry
	Union   bool // all lines that match add up, as in Courier's files

	below string // comments behind the last entry
}

// Merged returns the lines as they count: those about the same merged, in the order of evaluation, positive before
// negative, without names. It is what GETACL answers.
func (l *List) Merged() []Entry {
	if l == nil {
		return nil
	}
	merged := make([]Entry, 0, len(l.Entries))
	for i := range l.Entries {
		e := &l.Entries[i]
		at, found := slices.BinarySearchFunc(merged, e, func(a Entry, b *Entry) int { return compare(&a, b) })
		if found {
			merged[at].Rights |= e.Rights
			continue
		}
		merged = slices.Insert(merged, at, Entry{ID: e.ID, Negative: e.Negative, Rights: e.Rights, Line: e.Line})
	}
	return merged
}

// compare is the order of evaluation, and Dovecot's order of lines in a file.
func compare(a, b *Entry) int {
	if c := cmp.Compare(a.ID.Kind, b.ID.Kind); c != 0 {
		return c
	}
	if c := cmp.Compare(a.ID.Name, b.ID.Name); c != 0 || a.Negative == b.Negative {
		return c
	}
	if b.Negative {
		return -1
	}
	return 1
}
