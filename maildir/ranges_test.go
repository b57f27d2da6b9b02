package maildir

import (
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"
)

// TestRanges compares range lists with plain sets.
func TestRanges(t *testing.T) {
	const most = 120
	rapid.Check(t, func(rt *rapid.T) {
		var r ranked
		set := make(map[imap.UID]bool)
		for range rapid.IntRange(0, 100).Draw(rt, "n") {
			lo := imap.UID(rapid.IntRange(1, most-10).Draw(rt, "lo"))
			hi := lo + imap.UID(rapid.IntRange(0, 2).Draw(rt, "len"))
			switch rapid.IntRange(0, 4).Draw(rt, "op") {
			case 0:
				r.remove(lo)
				r.sums = nil
				delete(set, lo)
				continue
			case 1:
				var uids []imap.UID
				for _, off := range rapid.SliceOfNDistinct(rapid.IntRange(0, 9), 0, 8, rapid.ID[int]).Draw(rt, "off") {
					uids = append(uids, lo+imap.UID(off))
					delete(set, lo+imap.UID(off))
				}
				slices.Sort(uids)
				r.subtract(uids)
				r.sums = nil
				continue
			case 2: // what is told goes from the front
				if len(r.uidRanges) == 0 {
					continue
				}
				r.count()
				n := rapid.IntRange(0, len(r.uidRanges)-1).Draw(rt, "cut")
				x := r.uidRanges[n]
				uid := imap.UID(rapid.IntRange(int(x.lo), int(x.hi)).Draw(rt, "to"))
				r.cut(n, uid)
				for u := range set {
					if u < uid {
						delete(set, u)
					}
				}
				continue
			}
			r.addRange(lo, hi)
			for ; lo <= hi; lo++ {
				set[lo] = true
			}
			r.count() // makes the sums that later calls must keep true
		}
		below := 0
		for uid := imap.UID(1); uid < most; uid++ {
			if r.contains(uid) != set[uid] || r.below(uid) != below || r.uidRanges.below(uid) != below {
				rt.Fatalf("%v: %d contained %v below %d, want %v %d", r, uid, r.contains(uid), r.below(uid), set[uid], below)
			}
			if above := r.above(uid); below+above+count(set[uid]) != len(set) {
				rt.Fatalf("%v: %d above %d of %d, %d below", r, above, uid, len(set), below)
			}
			var tail uidRanges
			tail.addAbove(r.uidRanges, uid)
			if tail.count() != r.above(uid) || tail.count() > 0 && tail[0].lo <= uid {
				rt.Fatalf("%v above %d is %v", r, uid, tail)
			}
			below += count(set[uid])
		}
		for i := 1; i < len(r.uidRanges); i++ {
			if r.uidRanges[i-1].hi+1 >= r.uidRanges[i].lo {
				rt.Fatalf("not joined: %v", r)
			}
		}
		if r.count() != below || r.uidRanges.count() != below {
			rt.Fatalf("%v counts %d, want %d", r, r.count(), below)
		}
	})
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
