package acl

import "slices"

// Least is what somebody has whose groups nobody can tell (Who.Unsure): the rights that they have in whichever groups they
// may be. Lists are all that judge asks; judge gives the rights of somebody whose groups are known.
//
// A line for a group may take rights, with a dash or by what it replaces, and may end the search for a line in the next
// list. So they are judged as they are known, and as a member of each group that a list names; what none of these
// refuses, and no negative line of a group takes away, is theirs in several groups at once, too: what further groups
// give adds to what the first gives.
func Least(w *Who, lists []*List, judge func(*Who) Rights) Rights {
	sure := *w
	sure.Unsure = false
	r := judge(&sure)
	for _, l := range lists {
		if l == nil {
			continue
		}
		for i := range l.Entries {
			e := &l.Entries[i]
			if e.ID.Kind != Group && e.ID.Kind != GroupOverride {
				continue
			}
			at, member := slices.BinarySearch(w.Groups, e.ID.Name)
			if member {
				continue
			}
			other := sure
			other.Groups = slices.Insert(slices.Clone(w.Groups), at, e.ID.Name)
			r &= judge(&other)
			if e.Negative && (l.Union || !w.owns() || e.ID.Kind == GroupOverride) {
				r &^= e.Rights
			}
		}
	}
	return r
}
