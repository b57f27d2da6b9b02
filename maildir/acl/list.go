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
	lines := make([]Entry, 0, len(l.Entries)+1)
	for i := range l.Entries {
		e := &l.Entries[i]
		lines = append(lines, Entry{ID: e.ID, Negative: e.Negative, Rights: e.Rights, Line: e.Line})
	}
	slices.SortStableFunc(lines, func(a, b Entry) int { return compare(&a, &b) })
	merged := make([]Entry, 0, len(lines))
	for len(lines) > 0 {
		n := 1
		for n < len(lines) && lines[n].ID == lines[0].ID {
			n++
		}
		merged = l.mergedOne(merged, lines[:n])
		lines = lines[n:]
	}
	return merged
}

// mergedOne appends what the sorted lines about one identifier come to.
func (l *List) mergedOne(merged, lines []Entry) []Entry {
	from := len(merged)
	for _, e := range lines {
		if n := len(merged); n > from && merged[n-1].Negative == e.Negative {
			merged[n-1].Rights |= e.Rights
			continue
		}
		merged = append(merged, e)
	}
	if l.Union || len(merged)-from == 2 || len(lines) < 2 {
		return merged
	}
	other := Entry{ID: lines[0].ID, Negative: !lines[0].Negative, Line: lines[len(lines)-1].Line}
	if other.Negative {
		return append(merged, other)
	}
	return slices.Insert(merged, from, other)
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
