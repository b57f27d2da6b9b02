package maildir

import (
	"math"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
)

// markBox is one user's marks in one mailbox, shared by the user's sessions. It belongs to a Marks
// and is guarded by its mu.
type markBox struct {
	markKey
	number  uint32 // in the file, 0: it is not there
	place   markPlace
	next    *markBox // of the same GUID
	base    uint64   // a shared MODSEQ: messages of smaller ones count as changed there
	gone    uint32   // since when, in seconds since 1970, there has been nothing at its place; 0: there is something
	unsaid  bool     // the file has another base or place
	shared  bool     // whoever looked last has found that \Seen is everybody's here
	steps   markSteps
	runs    markRuns
	views   []*markView
	counted markCount
}

// markCount is how many messages of the mailbox are seen, as of when it was counted. Messages come
// above top and go by lessening their number: if neither has changed, none has.
type markCount struct {
	known bool
	top   imap.UID
	list  uint32
	seen  uint32
}

// baseUnknown is the base of marks that were lost while nobody had the mailbox open.
const baseUnknown = math.MaxUint64

// settle finds a base for marks that were lost: all that there is has changed now.
func (b *markBox) settle(s *state) {
	if b.base == baseUnknown {
		b.base, b.unsaid = s.modseq, true
	}
}

// lose has a client told of everything: marks were lost, and nobody knows which.
func (b *markBox) lose(now time.Time) {
	b.steps, b.base, b.unsaid = b.steps.restart(now), baseUnknown, true
	for _, v := range b.views {
		v.pending = uidRanges{{1, maxUID}}
		v.poke()
	}
}

// change takes in a change of the user's: these became seen, or unseen, in one step.
func (b *markBox) change(s markStep, ranges uidRanges, seen bool) {
	b.steps = b.steps.add(s)
	l := b.steps.last()
	b.runs = b.runs.put(ranges, seen, l.at+l.sum)
	b.counted.known = false
}

// tell notes for the user's other sessions what has changed, and wakes those that wait.
func (b *markBox) tell(ranges uidRanges, by *Handle) {
	for _, v := range b.views {
		if v.h == by {
			continue
		}
		for _, r := range ranges {
			v.pending.addRange(r.lo, r.hi)
		}
		v.poke()
	}
}

// fill gives copies of messages, which are sorted, the user's MODSEQs, and \Seen where it is the user's own.
func (b *markBox) fill(msgs []Message, apart bool) {
	if len(msgs) == 0 {
		return
	}
	runs := b.runs[b.runs.find(msgs[0].UID):]
	for i := range msgs {
		m := &msgs[i]
		if m.Gone {
			continue
		}
		if apart {
			m.Flags.System &^= Seen
		}
		m.ModSeq = b.steps.of(max(m.ModSeq, b.base))
		for len(runs) > 0 && runs[0].hi < m.UID {
			runs = runs[1:]
		}
		if len(runs) > 0 && runs[0].lo <= m.UID {
			if apart && runs[0].seen {
				m.Flags.System |= Seen
			}
			m.ModSeq = max(m.ModSeq, runs[0].modseq)
		}
	}
}

// modseq is the user's MODSEQ of a message.
func (b *markBox) modseq(e *entry) uint64 {
	_, own := b.runs.at(e.uid)
	return max(b.steps.of(max(e.modseq, b.base)), own)
}

// between is how many messages have UIDs from lo to hi.
func (s *state) between(lo, hi imap.UID) int {
	if hi == maxUID {
		return s.list.len() - s.pos(lo)
	}
	return s.pos(hi+1) - s.pos(lo)
}

// seen counts the messages that are seen, for two searches a run.
func (b *markBox) seen(s *state) int {
	c := markCount{known: true, top: s.top, list: uint32(s.list.len())}
	if old := b.counted; old.known && old.top == c.top && old.list == c.list {
		return int(old.seen)
	}
	for _, r := range b.runs {
		if r.seen {
			c.seen += uint32(s.between(r.lo, r.hi))
		}
	}
	b.counted = c
	return int(c.seen)
}

// firstUnseen is the position of the first message that is not seen, -1 without one.
func (b *markBox) firstUnseen(s *state) int {
	at := 0 // of the first message that may be
	for _, r := range b.runs {
		if !r.seen {
			continue
		}
		if s.pos(r.lo) > at {
			return at
		}
		at = max(at, s.pos(r.lo)+s.between(r.lo, r.hi))
	}
	if at == s.list.len() {
		return -1
	}
	return at
}

// live keeps of the ranges those parts that hold messages.
func (r uidRanges) live(s *state) uidRanges {
	return slices.DeleteFunc(r, func(x uidRange) bool { return s.between(x.lo, x.hi) == 0 })
}
