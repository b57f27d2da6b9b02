package maildir

import (
	"math"
	"slices"
	"sort"

	"github.com/emersion/go-imap/v2"
)

// uidRange is an inclusive range of UIDs.
type uidRange struct{ lo, hi imap.UID }

// uidRanges is a sorted list of disjoint ranges: what a session that is behind
// the mailbox costs. Neighbours are joined, so that "everything" is one range.
type uidRanges []uidRange

// find returns the index of the first range that ends at uid or later.
func (r uidRanges) find(uid imap.UID) int {
	return sort.Search(len(r), func(i int) bool { return r[i].hi >= uid })
}

func (r uidRanges) contains(uid imap.UID) bool {
	if len(r) == 0 {
		return false
	}
	i := r.find(uid)
	return i < len(r) && r[i].lo <= uid
}

// add inserts one UID; in ascending order it costs nothing but the append.
func (r *uidRanges) add(uid imap.UID) { r.addRange(uid, uid) }

// addRange inserts all UIDs from lo to hi.
func (r *uidRanges) addRange(lo, hi imap.UID) {
	l := *r
	n := len(l)
	if n == 0 || l[n-1].hi < lo && l[n-1].hi+1 != lo {
		*r = append(l, uidRange{lo, hi})
		return
	}
	// Those from i up to j touch or overlap the new one.
	i := sort.Search(n, func(i int) bool { return l[i].hi >= lo-1 })
	j := i
	for j < n && (hi == math.MaxUint32 || l[j].lo <= hi+1) {
		j++
	}
	if i == j {
		*r = slices.Insert(l, i, uidRange{lo, hi})
		return
	}
	l[i] = uidRange{min(lo, l[i].lo), max(hi, l[j-1].hi)}
	*r = slices.Delete(l, i+1, j)
}

// remove takes one UID out.
func (r *uidRanges) remove(uid imap.UID) {
	l := *r
	i := l.find(uid)
	if i == len(l) || l[i].lo > uid {
		return
	}
	switch x := l[i]; {
	case x.lo == x.hi:
		*r = slices.Delete(l, i, i+1)
	case x.lo == uid:
		l[i].lo++
	case x.hi == uid:
		l[i].hi--
	default:
		l[i].hi = uid - 1
		*r = slices.Insert(l, i+1, uidRange{uid + 1, x.hi})
	}
}

// count is the number of UIDs.
func (r uidRanges) count() (n int) {
	for _, x := range r {
		n += int(x.hi-x.lo) + 1
	}
	return n
}

// below is the number of UIDs smaller than uid.
func (r uidRanges) below(uid imap.UID) (n int) {
	for _, x := range r {
		if x.lo >= uid {
			break
		}
		n += int(min(x.hi, uid-1)-x.lo) + 1
	}
	return n
}

// above is the number of UIDs greater than uid. It walks only those.
func (r uidRanges) above(uid imap.UID) (n int) {
	for i := len(r) - 1; i >= 0 && r[i].hi > uid; i-- {
		n += int(r[i].hi-max(r[i].lo, uid+1)) + 1
	}
	return n
}

// addAbove adds what another list has above uid.
func (r *uidRanges) addAbove(o uidRanges, uid imap.UID) {
	if uid == math.MaxUint32 {
		return
	}
	for _, x := range o[o.find(uid+1):] {
		r.addRange(max(x.lo, uid+1), x.hi)
	}
}

// subtract takes out many UIDs, which are sorted, in one pass.
func (r *uidRanges) subtract(uids []imap.UID) {
	l := *r
	if len(l) == 0 || len(uids) == 0 || uids[0] > l[len(l)-1].hi || uids[len(uids)-1] < l[0].lo {
		return
	}
	if len(uids) < 4 {
		for _, uid := range uids {
			r.remove(uid)
		}
		return
	}
	var out uidRanges
	for _, x := range l {
		for len(uids) > 0 && uids[0] < x.lo {
			uids = uids[1:]
		}
		for ; len(uids) > 0 && uids[0] <= x.hi; uids = uids[1:] {
			if uids[0] > x.lo {
				out = append(out, uidRange{x.lo, uids[0] - 1})
			}
			x.lo = uids[0] + 1
			if uids[0] == x.hi {
				x.lo = 0
				uids = uids[1:]
				break
			}
		}
		if x.lo != 0 && x.lo <= x.hi {
			out = append(out, x)
		}
	}
	*r = out
}

// ranked are ranges that are asked for ranks: how many UIDs lie below one. With many
// of them the sums are kept, so that a rank costs a search and no walk. Like the view
// that it is part of it belongs to one goroutine.
type ranked struct {
	uidRanges
	sums []uint32 // of those before each, and sums[0] more; nil: not made, or not true any more
}

const rankedFrom = 16 // ranges; a walk over fewer is as quick

func (r *ranked) addRange(lo, hi imap.UID) {
	r.uidRanges.addRange(lo, hi)
	r.sums = nil
}

// below is the number of UIDs smaller than uid.
func (r *ranked) below(uid imap.UID) int {
	if len(r.uidRanges) < rankedFrom {
		return r.uidRanges.below(uid)
	}
	r.sum()
	i := r.find(uid)
	n := int(r.sums[i] - r.sums[0])
	if i < len(r.uidRanges) && r.uidRanges[i].lo < uid {
		n += int(uid - r.uidRanges[i].lo)
	}
	return n
}

// count is the number of UIDs.
func (r *ranked) count() int {
	if len(r.uidRanges) < rankedFrom {
		return r.uidRanges.count()
	}
	r.sum()
	return int(r.sums[len(r.uidRanges)] - r.sums[0])
}

// cut takes out the first n ranges, and of the next what is below uid.
func (r *ranked) cut(n int, uid imap.UID) {
	r.uidRanges = r.uidRanges[n:]
	x := &r.uidRanges[0]
	if r.sums != nil {
		r.sums = r.sums[n:]
		r.sums[0] += uint32(uid - x.lo)
	}
	x.lo = uid
}

func (r *ranked) sum() {
	if r.sums != nil {
		return
	}
	r.sums = make([]uint32, 1, len(r.uidRanges)+1)
	n := uint32(0)
	for _, x := range r.uidRanges {
		n += uint32(x.hi-x.lo) + 1
		r.sums = append(r.sums, n)
	}
}
