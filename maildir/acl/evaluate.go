package acl

import "slices"

// Rights are what the list gives to somebody. matched is false when no line is about them: then the list decides
// nothing, and r is what its owner has anyway.
func (l *List) Rights(w *Who) (r Rights, matched bool) {
	if l == nil {
		l = &List{}
	}
	if l.Union {
		return l.sum(w), true
	}
	var given, taken Rights
	first := Anyone
	if w.owns() {
		given, first = RightsAll, Owner
	}
	for k, mine := first, l.kinds(w); k <= GroupOverride; k++ {
		if mine&(1<<k) != 0 {
			l.apply(k, w, &given, &taken)
			matched = true
		}
	}
	return given &^ taken, matched
}

// kinds is a bit for each kind of which lines are about somebody. Most lists have few, and it spares looking for the
// others.
func (l *List) kinds(w *Who) (mine uint8) {
	for i := range l.Entries {
		if id := l.Entries[i].ID; w.is(id) {
			mine |= 1 << id.Kind
		}
	}
	return mine
}

// owns tells whether owner's lines are about somebody. Who did not say their name owns nothing.
func (w *Who) owns() bool { return w.Owner && !w.Anonymous }

// apply goes through the lines of one kind that are about somebody. Those of the identifier that comes first replace
// what was there before, positive lines what is given and negative ones what is taken; those of further groups add.
func (l *List) apply(k Kind, w *Who, given, taken *Rights) {
	name := l.first(k, w)
	var plus, minus Rights
	gives, takes := 0, 0 // lines of the first
	for i := range l.Entries {
		e := &l.Entries[i]
		if e.ID.Kind != k || !w.is(e.ID) {
			continue
		}
		sum, lines := &plus, &gives
		if e.Negative {
			sum, lines = &minus, &takes
		}
		*sum |= e.Rights
		if e.ID.Name == name {
			*lines++
		}
	}
	several := gives+takes > 1
	if gives > 0 || several {
		*given = 0
	}
	if takes > 0 || several {
		*taken = 0
	}
	*given |= plus
	*taken |= minus
}

// first is the name that comes first in the order of names, of the lines of one kind that are about somebody.
func (l *List) first(k Kind, w *Who) (name string) {
	found := false
	for i := range l.Entries {
		id := l.Entries[i].ID
		if id.Kind == k && w.is(id) && (!found || id.Name < name) {
			name, found = id.Name, true
		}
	}
	return name
}

// is tells whether an identifier is about somebody. Names are compared byte by byte.
func (w *Who) is(id ID) bool {
	if w.Anonymous {
		return id.Kind == Anyone
	}
	switch id.Kind {
	case Anyone, Authenticated:
		return true
	case Group, GroupOverride:
		_, member := slices.BinarySearch(w.Groups, id.Name)
		return member
	case Owner:
		return w.Owner
	case User:
		return id.Name == w.User
	}
	return false
}

// sum is Courier's way: all that match, less all negative ones that match, and owners always administer.
func (l *List) sum(w *Who) Rights {
	var given, taken Rights
	for i := range l.Entries {
		switch e := &l.Entries[i]; {
		case !w.is(e.ID):
		case e.Negative:
			taken |= e.Rights
		default:
			given |= e.Rights
		}
	}
	r := given &^ taken
	if w.owns() {
		r |= RightAdmin
	}
	return r
}
