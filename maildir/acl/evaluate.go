package acl

import "slices"

// Rights are what a list gives to somebody, and whether any of its lines is about them.
//
// The kinds of lines are gone through in their order. Of each, those that match add up, and replace what lines of
// earlier kinds gave; in the same way negative lines replace what earlier negative lines took. What is taken goes off
// at the very end, so that a line for a user does not give back what one for anyone took. An owner begins with all
// rights, which lines for anyone and for groups do not touch.
//
// With Union nothing is replaced.
func (l *List) Rights(w *Who) (r Rights, matched bool) {
	if l == nil {
		return 0, false
	}
	var has, lacks Rights
	if w.Owner && !l.Union {
		has = RightsAll
	}
	for kind := Anyone; kind <= GroupOverride; kind++ {
		if w.Owner && !l.Union && kind < Owner {
			continue
		}
		var sum [2]Rights // positive, negative
		var any [2]bool
		for i := range l.Entries {
			e := &l.Entries[i]
			if e.ID.Kind != kind || !e.ID.matches(w) {
				continue
			}
			sign := 0
			if e.Negative {
				sign = 1
			}
			sum[sign] |= e.Rights
			any[sign], matched = true, true
		}
		for sign, all := range []*Rights{&has, &lacks} {
			switch {
			case !any[sign]:
			case l.Union:
				*all |= sum[sign]
			default:
				*all = sum[sign]
			}
		}
	}
	return has &^ lacks, matched
}

// matches tells whether an identifier is about somebody.
func (id ID) matches(w *Who) bool {
	switch id.Kind {
	case Anyone:
		return true
	case Authenticated:
		return !w.Anonymous
	case Group, GroupOverride:
		_, in := slices.BinarySearch(w.Groups, id.Name)
		return in
	case Owner:
		return w.Owner
	case User:
		return !w.Anonymous && id.Name == w.User
	}
	return false
}
