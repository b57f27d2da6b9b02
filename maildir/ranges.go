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
