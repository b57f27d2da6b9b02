package acl

import (
	"slices"
	"strings"
)

// Op is what SETACL and DELETEACL do to the line about an identifier (RFC 4314 §3.1, §3.2).
type Op uint8

// The operations.
const (
	Replace Op = iota
	Add
	Remove
	Delete
)

// Change is a change of one identifier's rights, or of its negative rights, which are a line of their own.
type Change struct {
	ID       ID
	Negative bool
	Op       Op
	Rights   Rights // not for Delete
}

// ParseChange reads the rights of a SETACL or of a tool: letters that replace, or are added behind + and removed
// behind -.
func ParseChange(s string) (Op, Rights, error) {
	op := Replace
	switch {
	case strings.HasPrefix(s, "+"):
		op, s = Add, s[1:]
	case strings.HasPrefix(s, "-"):
		op, s = Remove, s[1:]
	}
	r, err := ParseRights(s)
	return op, r, err
}

// Apply returns the list with a change, and false with the same list when there is nothing to change. As with Dovecot
// a line is not begun to say nothing, but one from which all rights are removed stays: it overrides others. Replace
// drops names that the line had, Add and Remove keep them. Several lines about the same become one of each sign.
//
// One of Courier's lists is expanded first; Expand itself knows more, the owner's name.
func (l *List) Apply(c Change) (*List, bool) {
	if l == nil {
		l = &List{}
	}
	if strings.ContainsAny(c.ID.Name, "\n\x00") {
		return l, false // no line can say that
	}
	old := l
	l = l.Expand("").folded(c.ID)
	unfolded := l == old
	at := slices.IndexFunc(l.Entries, c.about)
	if at < 0 {
		if c.Op == Delete || c.Op == Remove || c.Rights == 0 {
			return old, false
		}
		return l.with(Entry{ID: c.ID, Negative: c.Negative, Rights: c.Rights}), true
	}
	after := &List{Entries: slices.Clone(l.Entries), below: l.below}
	e := &after.Entries[at]
	switch c.Op {
	case Replace:
		e.Rights, e.Named = c.Rights, nil
	case Add:
		e.Rights |= c.Rights
	case Remove:
		e.Rights &^= c.Rights
	case Delete:
		after.drop(at)
		return after, true
	}
	if unfolded && e.same(&l.Entries[at]) {
		return old, false
	}
	return after, true
}

// folded is a list in which one line of each sign is about an identifier. Names and comments stay.
func (l *List) folded(id ID) *List {
	var one, more [2]int // by sign: the first line, counted from 1, and how many more there are
	for i := range l.Entries {
		sign := btoi(l.Entries[i].Negative)
		switch {
		case l.Entries[i].ID != id:
		case one[sign] == 0:
			one[sign] = i + 1
		default:
			more[sign]++
		}
	}
	if more[0]+more[1] == 0 {
		return l
	}
	out := &List{Entries: slices.Clone(l.Entries), below: l.below}
	for i := len(out.Entries) - 1; i >= 0; i-- {
		e := out.Entries[i]
		if first := one[btoi(e.Negative)] - 1; e.ID == id && i != first {
			out.Entries[first].merge(e)
			out.drop(i)
		}
	}
	switch { // as Merged has it
	case one[0] == 0:
		return out.with(Entry{ID: id})
	case one[1] == 0:
		return out.with(Entry{ID: id, Negative: true})
	}
	return out
}

func (c *Change) about(e Entry) bool { return e.ID == c.ID && e.Negative == c.Negative }

func (e *Entry) merge(o Entry) {
	e.Rights |= o.Rights
	for _, name := range o.Named {
		if !slices.Contains(e.Named, name) {
			e.Named = append(slices.Clip(e.Named), name)
		}
	}
}

// drop takes a line out; the comments before it stay. The entries must be the list's own.
func (l *List) drop(i int) {
	above := l.Entries[i].above
	l.Entries = slices.Delete(l.Entries, i, i+1)
	if i < len(l.Entries) {
		l.Entries[i].above = above + l.Entries[i].above
	} else {
		l.below = above + l.below
	}
}

// with puts a line in where it belongs in Dovecot's order: behind the last one that comes before it. Comments at the
// top of the file stay there when they have an empty line below them, or when there is nothing but them.
func (l *List) with(e Entry) *List {
	at := len(l.Entries)
	for at > 0 && compare(&l.Entries[at-1], &e) > 0 {
		at--
	}
	after := &List{Entries: slices.Insert(slices.Clone(l.Entries), at, e), below: l.below}
	switch first := &after.Entries[0]; {
	case len(after.Entries) == 1:
		first.above, after.below = ended(l.below), ""
	case at == 0:
		second := &after.Entries[1]
		if i := strings.LastIndex("\n"+second.above, "\n\n"); i >= 0 {
			first.above, second.above = second.above[:i+1], second.above[i+1:]
		}
	}
	return after
}

func ended(s string) string {
	if s != "" && !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return s
}
