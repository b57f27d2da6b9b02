package acl

import "slices"

// Expand makes a list that is to be evaluated as Dovecot does of one of Courier's. Where lines added up they now
// replace each other, so each gets what it was added to. Nobody has more than before but for an owner who is in a
// group that something is taken from; somebody who is named and in a group as well may have less, because a list does
// not say who is in a group. Owner is the login name of the mailbox's owner, empty where it has none.
func (l *List) Expand(owner string) *List {
	if !l.Union {
		return l
	}
	both := map[ID]*sides{{Kind: Anyone}: {}, {Kind: Owner}: {}}
	var ofGroups Rights // what is taken from any of them
	for i := range l.Entries {
		e := &l.Entries[i]
		if both[e.ID] == nil {
			both[e.ID] = &sides{}
		}
		both[e.ID].add(e.Negative, e.Rights)
		if e.Negative && e.ID.Kind == Group {
			ofGroups |= e.Rights
		}
	}
	everyone := *both[ID{Kind: Anyone}]
	if me := (ID{Kind: User, Name: owner}); owner != "" && both[me] != nil {
		both[ID{Kind: Owner}].join(*both[me])
		delete(both, me) // it would override the owner's
	}
	out := &List{}
	for id, s := range both {
		out.Entries = append(out.Entries, s.expand(id, everyone, ofGroups)...)
	}
	slices.SortFunc(out.Entries, func(a, b Entry) int { return compare(&a, &b) })
	return out
}

// sides is what the lines about one identifier give and take, and whether there are such lines.
type sides struct {
	given, taken Rights
	gives, takes bool
}

func (s *sides) add(negative bool, r Rights) {
	if negative {
		s.taken, s.takes = s.taken|r, true
	} else {
		s.given, s.gives = s.given|r, true
	}
}

func (s *sides) join(o sides) {
	s.given, s.gives = s.given|o.given, s.gives || o.gives
	s.taken, s.takes = s.taken|o.taken, s.takes || o.takes
}

func (s sides) expand(id ID, everyone sides, ofGroups Rights) []Entry {
	s.given |= everyone.given
	s.taken |= everyone.taken
	switch id.Kind {
	case Anyone: // always written: Courier's file decides for everybody
		s.gives = true
	case Owner:
		s.gives, s.takes = true, s.taken&^RightAdmin != 0
		s.given, s.taken = s.given|RightAdmin, s.taken&^RightAdmin
	case User:
		s.taken |= ofGroups
	}
	var out []Entry
	if s.takes {
		out = append(out, Entry{ID: id, Negative: true, Rights: s.taken})
	}
	if id == theAdministrators {
		id.Kind = GroupOverride // so that no line for one of them takes it back
	}
	if s.gives {
		out = append(out, Entry{ID: id, Rights: s.given})
	}
	return out
}
