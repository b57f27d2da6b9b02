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
// negative, without names. It is what GETACL answers. Several lines of one sign make one of the other with no rights.
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
	if l.Union {
		return merged
	}
	for i := range l.Entries {
		if e := l.implied(i); e != nil {
			at, _ := slices.BinarySearchFunc(merged, e, func(a Entry, b *Entry) int { return compare(&a, b) })
			merged = slices.Insert(merged, at, *e)
		}
	}
	return merged
}

// implied is the line that several lines about the same, all of one sign, stand for as well: one of the other sign,
// with no rights. It goes with the last of them; for all others there is none.
func (l *List) implied(i int) *Entry {
	e, lines := &l.Entries[i], 0
	for j := range l.Entries {
		switch o := &l.Entries[j]; {
		case o.ID != e.ID:
		case o.Negative != e.Negative, j > i:
			return nil
		default:
			lines++
		}
	}
	if lines < 2 {
		return nil
	}
	return &Entry{ID: e.ID, Negative: !e.Negative, Line: e.Line}
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
