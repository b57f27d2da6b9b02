package maildir

import (
	"errors"
	"strings"
	"testing"

	"maildir-imapd/maildir/acl"
)

// TestDeeds has the table of RFC 4314 §4 again, in letters: "te" is all of them, "s|t|w" any.
func TestDeeds(t *testing.T) {
	const letters = "lrswipkxtea"
	parse := func(s string) (r Rights) {
		for _, c := range s {
			r |= 1 << strings.IndexRune(letters, c)
		}
		return r
	}
	table := map[Deed]string{
		DeedLook: "l", DeedKnow: "l|r|i|k|x|a", DeedOpen: "r", DeedCount: "r", DeedInsert: "i", DeedStore: "s|t|w", DeedSeen: "s",
		DeedTrash: "t", DeedFlag: "w", DeedExpunge: "e", DeedMove: "te", DeedPlace: "w|t|e", DeedCreateBelow: "k",
		DeedDelete: "x", DeedRename: "x", DeedAdminister: "a",
	}
	if len(table) != len(deeds) {
		t.Fatalf("%d deeds are here, %d in the table", len(table), len(deeds))
	}
	for d, need := range table {
		enough := func(r Rights) bool {
			for _, one := range strings.Split(need, "|") {
				if r.Has(parse(one)) {
					return true
				}
			}
			return false
		}
		for r := Rights(0); r <= acl.RightsAll; r++ {
			var want error
			switch {
			case enough(r):
			case r.Has(acl.RightLookup):
				want = ErrNoPermission
			default:
				want = ErrNotExist
			}
			if got := May(r, d); !errors.Is(got, want) || (got == nil) != (want == nil) {
				t.Fatalf("deed %d with %q: %v, want %v", d, r, got, want)
			}
		}
	}
}
