package acl

import "testing"

func TestRightsOfAList(t *testing.T) {
	const lr = RightsReadOnly
	bob := Who{User: "bob", Groups: []string{"sales", "staff"}}
	for name, c := range map[string]struct {
		lines   []Entry
		union   bool
		who     Who
		want    Rights
		matched bool
	}{
		"nobody is named":             {who: bob},
		"somebody else is":            {lines: []Entry{{ID: ID{User, "eve"}, Rights: lr}}, who: bob},
		"anyone":                      {lines: []Entry{{ID: ID{Kind: Anyone}, Rights: lr}}, who: Who{Anonymous: true}, want: lr, matched: true},
		"who says who it is":          {lines: []Entry{{ID: ID{Kind: Authenticated}, Rights: lr}}, who: bob, want: lr, matched: true},
		"who does not":                {lines: []Entry{{ID: ID{Kind: Authenticated}, Rights: lr}, {ID: ID{User, ""}, Rights: lr}}, who: Who{Anonymous: true}},
		"a user's line replaces":      {lines: []Entry{{ID: ID{User, "bob"}, Rights: RightLookup}, {ID: ID{Kind: Anyone}, Rights: lr}}, who: bob, want: RightLookup, matched: true},
		"groups add up":               {lines: []Entry{{ID: ID{Group, "staff"}, Rights: RightLookup}, {ID: ID{Group, "sales"}, Rights: RightRead}}, who: bob, want: lr, matched: true},
		"a negative line lives on":    {lines: []Entry{{ID: ID{Kind: Anyone}, Negative: true, Rights: RightRead}, {ID: ID{User, "bob"}, Rights: lr}}, who: bob, want: RightLookup, matched: true},
		"an owner without a line":     {lines: []Entry{{ID: ID{Kind: Anyone}, Rights: lr}}, who: Who{User: "bob", Owner: true}, want: RightsAll},
		"an owner's line":             {lines: []Entry{{ID: ID{Kind: Owner}, Rights: lr}}, who: Who{User: "bob", Owner: true}, want: lr, matched: true},
		"a group over a user":         {lines: []Entry{{ID: ID{User, "bob"}, Rights: RightsAll}, {ID: ID{GroupOverride, "staff"}}}, who: bob, matched: true},
		"union: lines add up":         {lines: []Entry{{ID: ID{Kind: Anyone}, Rights: RightLookup}, {ID: ID{User, "bob"}, Rights: RightRead}}, union: true, who: bob, want: lr, matched: true},
		"union: negative lines, too":  {lines: []Entry{{ID: ID{Kind: Anyone}, Rights: lr}, {ID: ID{User, "bob"}, Negative: true, Rights: RightRead}}, union: true, who: bob, want: RightLookup, matched: true},
		"union: an owner administers": {who: Who{User: "bob", Owner: true}, union: true, want: RightAdmin, matched: true},
	} {
		got, matched := (&List{Entries: c.lines, Union: c.union}).Rights(&c.who)
		if got != c.want || matched != c.matched {
			t.Errorf("%s: %q %v, want %q %v", name, got, matched, c.want, c.matched)
		}
	}
	if got, matched := (*List)(nil).Rights(&bob); got != 0 || matched {
		t.Errorf("no list: %q %v", got, matched)
	}
}
