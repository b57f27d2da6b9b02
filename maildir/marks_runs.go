package maildir

import (
	"slices"
	"sort"

	"github.com/emersion/go-imap/v2"
)

// markRun is neighbours whose \Seen one user has last changed in one step. A run without \Seen
// tells that it was taken away, and when; what is in no run has never been seen.
type markRun struct {
	lo, hi imap.UID
	seen   bool
	modseq uint64 // the user's own
}

// markRuns are one user's read marks in one mailbox: sorted, disjoint, 24 bytes each. They
// may span UIDs that no message has.
type markRuns []markRun

// find returns the index of the first run that ends at uid or later.
func (r markRuns) find(uid imap.UID) int {
	return sort.Search(len(r), func(i int) bool { return r[i].hi >= uid })
}

// at tells whether a message is seen, and the MODSEQ of that, 0 when nothing is known.
func (r markRuns) at(uid imap.UID) (seen bool, modseq uint64) {
	if i := r.find(uid); i < len(r) && r[i].lo <= uid {
		return r[i].seen, r[i].modseq
	}
	return false, 0
}

// differing is what of the ranges is not seen, or is, as it is to be.
func (r markRuns) differing(ranges uidRanges, seen bool) (out uidRanges) {
	for _, x := range ranges {
		lo := x.lo
		for i := r.find(x.lo); i < len(r) && r[i].lo <= x.hi; i++ {
			if !r[i].seen {
				continue
			}
			from, to := max(r[i].lo, x.lo), min(r[i].hi, x.hi)
			switch {
			case !seen:
				out.addRange(from, to)
			case lo < from:
				out.addRange(lo, from-1)
			}
			lo = to + 1 // 0 behind the last UID of all
			if lo == 0 {
				break
			}
		}
		if seen && lo != 0 && lo <= x.hi {
			out.addRange(lo, x.hi)
		}
	}
	return out
}

// emit appends a run, or makes the one before longer.
func (r markRuns) emit(x markRun) markRuns {
	if n := len(r); n > 0 && r[n-1].hi+1 == x.lo && r[n-1].seen == x.seen && r[n-1].modseq == x.modseq {
		r[n-1].hi = x.hi
		return r
	}
	return append(r, x)
}

// put returns the runs with the ranges changed. It may change r itself, of which nobody may
// hold on to a part.
func (r markRuns) put(ranges uidRanges, seen bool, modseq uint64) markRuns {
	if len(ranges) == 0 {
		return r
	}
	// What lies before the first range stays where it is, and behind the last one what does not touch it.
	first, last := r.find(ranges[0].lo), r.find(ranges[len(ranges)-1].hi)
	last = min(last+2, len(r))
	if n := len(r) - last; n > 0 {
		part := slices.Clone(r[max(first-1, 0):last]).put(ranges, seen, modseq)
		return slices.Replace(r, max(first-1, 0), last, part...)
	}
	out, rest := r[:first], slices.Clone(r[first:])
	if len(rest) == 0 && cap(out)-len(out) < len(ranges) {
		out = slices.Grow(out, len(ranges))
	}
	for _, x := range ranges {
		for len(rest) > 0 && rest[0].hi < x.lo {
			out, rest = out.emit(rest[0]), rest[1:]
		}
		if len(rest) > 0 && rest[0].lo < x.lo {
			left := rest[0]
			left.hi = x.lo - 1
			out = out.emit(left)
		}
		out = out.emit(markRun{x.lo, x.hi, seen, modseq})
		for len(rest) > 0 && rest[0].hi <= x.hi {
			rest = rest[1:]
		}
		if len(rest) > 0 && rest[0].lo <= x.hi {
			rest[0].lo = x.hi + 1
		}
	}
	for _, x := range rest {
		out = out.emit(x)
	}
	return out
}

// runsMost is how many runs a user should have in a mailbox. Beyond that neighbours are joined
// when the file is written anew.
const runsMost = 4096

// join makes one run of neighbours that differ in their MODSEQs only, which is the greatest of
// them then: a client that asks for changes is told too much and misses nothing. live tells whether
// there is a message, or may be one, in a range; runs of none go. The older half is joined first.
func (r markRuns) join(most int, live func(lo, hi imap.UID) bool) markRuns {
	out := r.joined(0, live)
	if len(out) > most {
		values := make([]uint64, len(out))
		for i := range out {
			values[i] = out[i].modseq
		}
		slices.Sort(values)
		out = out.joined(values[len(values)/2], live)
		if len(out) > most {
			out = out.joined(values[len(values)-1], live)
		}
	}
	return out
}

// joined joins runs whose MODSEQs are equal or at most old.
func (r markRuns) joined(old uint64, live func(lo, hi imap.UID) bool) (out markRuns) {
	for _, x := range r {
		if !live(x.lo, x.hi) {
			continue
		}
		n := len(out)
		if n == 0 || out[n-1].seen != x.seen || out[n-1].modseq != x.modseq && max(out[n-1].modseq, x.modseq) > old ||
			out[n-1].hi+1 != x.lo && live(out[n-1].hi+1, x.lo-1) {
			out = append(out, x)
			continue
		}
		out[n-1].hi, out[n-1].modseq = x.hi, max(out[n-1].modseq, x.modseq)
	}
	return out
}
