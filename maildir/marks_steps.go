package maildir

import (
	"math"
	"sort"
	"time"
)

// A user with a \Seen of their own sees MODSEQs of their own: those of the mailbox, and a sum added
// to them that grows with each change of the user's marks.
//
// A step {at, sum} says: to this user the mailbox's MODSEQs above at are sum greater. The user's
// change that made the step has the MODSEQ at+sum itself. So the order of all changes, shared and
// own, is the order of the user's MODSEQs: with steps a and b, one after the other, and a shared x
// between them, a.at < x <= b.at, there is a.at+a.sum < x+a.sum < b.at+b.sum, because sums grow.
//
// Several processes make shared changes and do not know of each other's at once. A step is
// therefore made large: at is a MODSEQ that stands in the mailbox's index, where all find it, and
// the change's own is stepLeast above all that this process knows. Whoever knows of a shared change,
// and tells of it, before the step comes to him has told a smaller number than the step's; afterwards
// that change has a greater one, and is told again. Nothing is missed as long as other processes make
// less than stepLeast shared changes in between.
//
// Sums are not below the clock. So they do not fall where the file, or the end of it, was lost:
// who begins anew begins with the clock, for all of the mailbox's MODSEQs.
type markStep struct{ at, sum uint64 }

type markSteps []markStep

const (
	stepLeast = 1 << 7
	// sumShift makes of the clock's milliseconds what sums are not below: more than stepLeast for each change
	// that can be made in one, and little enough that MODSEQs stay below 2^53 for some years, beyond which
	// not all clients count.
	sumShift = 12
	// stepsKept of the newest steps are kept as they are when a file is written anew; of those
	// before them every other one.
	stepsKept = 256
	// What a file says beyond this is damage.
	mostModSeq = math.MaxInt64 >> 2
)

// clockSum is the sum that nothing new is below.
func clockSum(now time.Time) uint64 { return uint64(max(0, now.UnixMilli())) << sumShift }

func (p markSteps) last() markStep {
	if len(p) == 0 {
		return markStep{}
	}
	return p[len(p)-1]
}

// of is the user's MODSEQ for a shared one.
func (p markSteps) of(x uint64) uint64 {
	n := len(p)
	if n == 0 {
		return x
	}
	if x > p[n-1].at {
		return x + p[n-1].sum
	}
	if i := sort.Search(n, func(i int) bool { return p[i].at >= x }); i > 0 {
		return x + p[i-1].sum
	}
	return x
}

// highest is the user's HIGHESTMODSEQ.
func (p markSteps) highest(shared uint64) uint64 {
	l := p.last()
	return max(shared, l.at) + l.sum
}

// shared is the greatest shared MODSEQ whose value for the user is at most k: what somebody who
// knows all up to k knows of the mailbox, and of its expunges.
func (p markSteps) shared(k uint64) uint64 {
	i := sort.Search(len(p), func(i int) bool { return p[i].at+1+p[i].sum > k }) - 1
	x := k
	if i >= 0 {
		x -= p[i].sum
	}
	if i+1 < len(p) {
		x = min(x, p[i+1].at)
	}
	return x
}

// next is the step of a change that is made now. shared is the mailbox's MODSEQ, and written
// what of that others find in its index.
func (p markSteps) next(shared, written uint64, now time.Time) markStep {
	at := max(min(written, shared), p.last().at)
	return markStep{at, max(p.highest(shared)+stepLeast-at, clockSum(now))}
}

// add appends a step. A step with the MODSEQ of the one before takes its place, as there
// is nothing between them.
func (p markSteps) add(s markStep) markSteps {
	if n := len(p); n > 0 {
		l := p[n-1]
		s.at, s.sum = max(s.at, l.at), max(s.sum, l.sum)
		if s.at == l.at {
			p[n-1] = s
			return p
		}
	}
	return append(p, s)
}

// restart is the steps of who begins with nothing, or has lost something: no MODSEQ, of a
// message or an expunge, is what it was or less.
func (p markSteps) restart(now time.Time) markSteps {
	return markSteps{{0, p.beyond(now)}}
}

// beyond is a sum above all others, those that somebody has made in this millisecond included.
func (p markSteps) beyond(now time.Time) uint64 {
	return max(p.last().sum+stepLeast, clockSum(now.Add(time.Millisecond)))
}

// thin joins old steps with those before them: changes in between get greater MODSEQs, so that a
// client may be told of them twice.
func (p markSteps) thin() markSteps {
	old := len(p) - stepsKept
	if old < stepsKept {
		return p
	}
	out := p[:0]
	for i, s := range p {
		if n := len(out); i < old && i%2 == 1 {
			out[n-1].sum = s.sum
			continue
		}
		out = append(out, s)
	}
	return out
}
